"""Values that have a type in Postgres and no place there: its COPY would refuse the whole batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]

_FIRST_DAY, _LAST_DAY = -2_440_588, 2_145_042_905
"""4714-11-24 BC and 5874897-12-31, in days since 1970. A TIMESTAMP of DuckDB ends before theirs."""
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6}
_TEXT = "a zero byte, which a text in Postgres cannot have"
_TIME = "a time before 4714 BC, or a date behind 5874897, which Postgres does not have"
_NUMBER = "a number of more than 38 digits"
_MOST_DIGITS = 38


def unfit_values(rows: pa.Table) -> dict[int, str]:
    """Find the rows that Postgres would refuse, and say why; columns are those that it has."""
    found: dict[int, str] = {}
    for field, column in zip(rows.schema, rows.columns, strict=True):
        problem = _problem_of(column.combine_chunks())
        if problem is not None:
            mask, what = problem
            found |= dict.fromkeys(np.flatnonzero(mask).tolist(), f"{field.name} has {what}.")
    return found


def _problem_of(column: pa.Array) -> tuple[Mask, str] | None:
    """Say which values have no place; None where all of the type have one."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        found = pc.fill_null(pc.match_substring(column, "\0"), fill_value=False)
        return found.to_numpy(zero_copy_only=False), _TEXT
    if pa.types.is_date32(kind):
        days = _whole(column, pa.int32())
        return ((days < _FIRST_DAY) | (days > _LAST_DAY)) & ~_is_infinite(days), _TIME
    if pa.types.is_timestamp(kind):
        moments = _whole(column, pa.int64())
        return (moments < _FIRST_DAY * 86_400 * _UNITS[kind.unit]) & ~_is_infinite(moments), _TIME
    if kind == pa.decimal128(_MOST_DIGITS, 0):  # DuckDB gives its HUGEINT so, whatever it is
        wider = pa.decimal256(_MOST_DIGITS + 1, 0)
        size, limit = pc.abs(column.cast(wider)), pa.scalar(10**_MOST_DIGITS, wider)
        found = pc.fill_null(pc.greater_equal(size, limit), fill_value=False)
        return found.to_numpy(zero_copy_only=False), _NUMBER
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return _problem_in(column.cast(pa.list_(kind.value_type)))
    return None


def _problem_in(column: pa.Array) -> tuple[Mask, str] | None:
    """Say which lists have a value without a place."""
    there = column.drop_null()  # behind a NULL there may be values
    problem = _problem_of(pc.list_flatten(there))
    if problem is None:
        return None
    mask, what = problem
    places = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
    found = np.zeros(len(column), dtype=bool)
    found[places[pc.list_parent_indices(there).to_numpy()[mask]]] = True
    return found, what


def _whole(column: pa.Array, kind: pa.DataType) -> np.ndarray:
    return pc.fill_null(column.cast(kind), 0).to_numpy(zero_copy_only=False)


def _is_infinite(values: np.ndarray) -> Mask:
    """Whether values are the two that DuckDB has for the infinities, which Postgres has too."""
    last = np.iinfo(values.dtype).max
    return (values == last) | (values == -last)
