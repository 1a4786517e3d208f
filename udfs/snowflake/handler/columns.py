"""Columns of pandas as Snowflake makes them: numbers as float64, keys as codes.

What a column holds decides, not its type alone: of NUMBERs arrive nullable integers, floats or
Decimals, and a column of nothing but NULL may have any type. What cannot be read exactly is refused
with the column's name.
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd  # only Snowflake, or a test of this file, imports it

from ....errors import SignatureError
from ....ir import ColumnType

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ....kernels.frame import Vocabulary

_EXACT = 2.0**53
"""From here on a float64 may stand for several integers."""
_INTEGERS = 2**63
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - TIMESTAMP_NTZ has no time zone
_MICROSECOND = timedelta(microseconds=1)
_MICROSECONDS_IN = {"s": 1_000_000, "ms": 1_000, "us": 1}
_NANOSECONDS_IN_ONE = 1_000
_BEYOND_MICROSECONDS = re.compile(r"[.,][0-9]{6}([0-9]+)")


def read_numbers(column: pd.Series, name: str) -> NDArray[np.float64]:
    """Give float64[rows], NaN for NULL; integers and decimals are rounded to the nearest float.

    Raises
    ------
    SignatureError
        If a value is no number.
    """
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        if dtype.kind in "fiub":
            return column.to_numpy().astype(np.float64, copy=False)
    elif getattr(dtype, "kind", "O") in "fiub":
        return column.to_numpy(np.float64, na_value=np.nan)
    cells, missing = _cells(column)
    numbers = np.full(len(cells), np.nan)
    for row in np.flatnonzero(~missing).tolist():
        numbers[row] = _number(cells[row], name)
    return numbers


def _number(value: object, name: str) -> float:
    if isinstance(value, int | float | Decimal | np.integer | np.floating | np.bool_):
        try:
            return float(value)
        except OverflowError:
            pass
    raise SignatureError(_refusal(name, value, "numbers"))


def read_codes(column: pd.Series, vocabulary: Vocabulary, name: str) -> NDArray[np.intp]:
    """Give the code of each key, intp[rows].

    Raises
    ------
    SignatureError
        If a value is of another type than the vocabulary: 1 is not the text "1".
    """
    match vocabulary.type:
        case ColumnType.VARCHAR:
            return _by_value(column, vocabulary, name, _text)
        case ColumnType.BOOLEAN:
            return _by_value(column, vocabulary, name, _truth)
        case ColumnType.TIMESTAMP:
            values, missing = _microseconds(column, name)
        case _:
            values, missing = _integers(column, vocabulary, name)
    return _match(values, missing, vocabulary)


def _cells(column: pd.Series) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Give values as objects, and which are NULL: None, NaN, NaT and pandas.NA alike."""
    return column.to_numpy(np.object_), column.isna().to_numpy(np.bool_)


def _by_value(
    column: pd.Series,
    vocabulary: Vocabulary,
    name: str,
    read: Callable[[object], str | bool | None],
) -> NDArray[np.intp]:
    cells, missing = _cells(column)
    known = {key: code for code, key in enumerate(vocabulary.keys)}
    codes = np.full(len(cells), vocabulary.missing, np.intp)
    there = np.flatnonzero(~missing)
    given = cells[there].tolist()
    unknown = vocabulary.unknown
    values = [value for each in given if (value := read(each)) is not None]
    if len(values) != len(given):
        wrong = next(each for each in given if read(each) is None)
        raise SignatureError(_refusal(name, wrong, str(vocabulary.type)))
    codes[there] = [known.get(value, unknown) for value in values]
    return codes


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _truth(value: object) -> bool | None:
    return bool(value) if isinstance(value, bool | np.bool_) else None


def _match(
    values: NDArray[np.int64], missing: NDArray[np.bool_], vocabulary: Vocabulary
) -> NDArray[np.intp]:
    """Look integers up among the keys."""
    keys = np.array(vocabulary.keys, np.int64)
    codes = np.full(len(values), vocabulary.unknown, np.intp)
    if len(keys):
        order = np.argsort(keys)
        place = np.searchsorted(keys, values, sorter=order)
        place[place == len(keys)] = 0
        found = order[place]
        codes = np.where(keys[found] == values, found, codes)
    codes[missing] = vocabulary.missing
    return codes


def _integers(
    column: pd.Series, vocabulary: Vocabulary, name: str
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Read int64[rows]; what is beyond is no key, and becomes a number that is none."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind == "i":
        return column.to_numpy().astype(np.int64), np.zeros(len(column), np.bool_)
    if getattr(dtype, "kind", "O") == "i":
        return column.to_numpy(np.int64, na_value=0), column.isna().to_numpy(np.bool_)
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        return _whole_floats(column.to_numpy().astype(np.float64), vocabulary, name)
    cells, missing = _cells(column)
    values = np.zeros(len(cells), np.int64)
    beyond = _no_key(vocabulary)
    for row in np.flatnonzero(~missing).tolist():
        value = _integer(cells[row], vocabulary, name)
        values[row] = value if -_INTEGERS <= value < _INTEGERS else beyond
    return values, missing


def _integer(value: object, vocabulary: Vocabulary, name: str) -> int:
    if isinstance(value, float | np.floating):
        whole, _ = _whole_floats(np.array([value], np.float64), vocabulary, name)
        return int(whole[0])
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if is_whole or (isinstance(value, Decimal) and value == value.to_integral_value()):
        return int(value)  # pyright: ignore[reportArgumentType] - one of the three
    raise SignatureError(_refusal(name, value, "integers"))


def _whole_floats(
    numbers: NDArray[np.float64], vocabulary: Vocabulary, name: str
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    missing = np.isnan(numbers)
    with np.errstate(invalid="ignore"):
        broken = ~missing & ~(np.floor(numbers) == numbers)
        huge = ~missing & (np.abs(numbers) >= _EXACT)
    # Only keys this large could be meant by more than one integer, and they are declared NUMBER.
    if huge.any() and any(abs(int(key)) >= _EXACT for key in vocabulary.keys):
        broken |= huge
    broken |= np.isinf(numbers)
    if broken.any():
        raise SignatureError(_refusal(name, numbers[np.argmax(broken)].item(), "integers"))
    values = np.where(missing | huge, _no_key(vocabulary), numbers)
    return values.astype(np.int64), missing


def _no_key(vocabulary: Vocabulary) -> int:
    keys = set(vocabulary.keys)
    return next(number for number in range(len(keys) + 1) if number not in keys)


def _microseconds(column: pd.Series, name: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Read timestamps without a time zone as whole microseconds since 1970."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind == "M":
        return _of_datetimes(column, name)
    cells, missing = _cells(column)
    values = np.zeros(len(cells), np.int64)
    for row in np.flatnonzero(~missing).tolist():
        values[row] = _instant(cells[row], name)
    return values, missing


def _of_datetimes(column: pd.Series, name: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    instants = column.to_numpy()
    missing = np.isnat(instants)
    ticks = np.where(missing, 0, instants.view(np.int64))
    unit, _ = np.datetime_data(instants.dtype)
    if unit == "ns":
        whole, rest = np.divmod(ticks, _NANOSECONDS_IN_ONE)
        wrong = rest != 0
    else:
        factor = _MICROSECONDS_IN[unit]
        wrong = np.abs(ticks) > (_INTEGERS - 1) // factor
        whole = np.where(wrong, 0, ticks) * factor
    if wrong.any():
        value = column.iloc[int(np.argmax(wrong))]
        raise SignatureError(_refusal(name, value, "timestamps of whole microseconds"))
    return whole, missing


def _instant(value: object, name: str) -> int:
    """Read a timestamp of Python, or its text: in an OBJECT there are no timestamps."""
    given = value
    if isinstance(value, str):
        rest = _BEYOND_MICROSECONDS.search(value)
        if rest is not None and int(rest[1]):  # Python would drop them in silence.
            raise SignatureError(_refusal(name, given, "timestamps of whole microseconds"))
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - as above
    if not isinstance(value, datetime) or value.tzinfo is not None:
        raise SignatureError(_refusal(name, given, "timestamps without a time zone"))
    if getattr(value, "nanosecond", 0):
        raise SignatureError(_refusal(name, given, "timestamps of whole microseconds"))
    plain = value.to_pydatetime() if isinstance(value, pd.Timestamp) else value
    return (plain - _EPOCH) // _MICROSECOND


def _refusal(name: str, value: object, wanted: str) -> str:
    shown = repr(value)[:80]
    if isinstance(value, float) and math.isfinite(value):
        shown = repr(float(value))
    return (
        f"Column {name!r} holds {shown}, and the model was trained on {wanted}. Cast the column in "
        "the query, or publish a model that was trained on such values."
    )
