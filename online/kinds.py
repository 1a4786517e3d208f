"""The DuckDB types that a snapshot keeps bit for bit, and how: one entry each."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..errors import FeatureError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - DuckDB's TIMESTAMP has no zone
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)
_DECIMAL = re.compile(r"DECIMAL\((\d{1,2}),(\d{1,2})\)")
_PLAIN_NUMBER = re.compile(r"[+-]?\d{1,38}(\.\d{1,38})?", re.ASCII)
_MOST_DIGITS = 38
_BYTES = 16

NO_VALUE = object()
"""What the raw form of a value is that no value of the type equals."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How values of a type are kept: little-endian, as Arrow has them.

    Attributes
    ----------
    type
        DuckDB's name.
    code
        The format of ``struct``; of text that of its length in bytes.
    value_of
        From what ``struct`` reads to Python's value; None where that is the same.
    raw_of
        From Python's value to the integer of a key, or NO_VALUE; None where keys cannot have it.
    parse
        From text to Python's value.
    bounds
        The raw values that Python's type has, where DuckDB has more.
    """

    type: str
    code: str
    parse: Callable[[str], Any]
    value_of: Callable[[Any], Any] | None = None
    raw_of: Callable[[Any], Any] | None = None
    bounds: tuple[int, int] | None = None

    @property
    def width(self) -> int:
        """How many bytes of a row have a fixed place."""
        return struct.calcsize(f"<{self.code}")

    @property
    def is_text(self) -> bool:
        """Whether bytes follow behind the fixed places."""
        return self.type == "VARCHAR"

    @property
    def is_signed(self) -> bool:
        """Whether the raw integer has a sign."""
        return self.code in "bhiq" or self.type == "HUGEINT"

    @property
    def fits_int64(self) -> bool:
        """Whether each value is an integer of 64 bits with a sign."""
        return self.raw_of is not None and self.code in "?bhiqBHI" and not self.is_text

    def raw_bytes(self, column: pa.Array) -> NDArray[np.uint8]:
        """Give the fixed bytes of each row; those of NULL are zero. Shape (rows, width)."""
        if self.is_text:
            import pyarrow.compute as pc

            lengths = pc.binary_length(column).fill_null(0)
            values = np.asarray(lengths.cast(pa.uint32()))
        else:
            storage = column.storage if isinstance(column, pa.ExtensionArray) else column
            shape = f"V{self.width}"
            data = storage.buffers()[1]
            values = np.frombuffer(data, shape, len(storage), storage.offset * self.width)
        raw = np.ascontiguousarray(values).view(np.uint8).reshape(len(column), self.width)
        if column.null_count:
            raw = np.where(nulls_of(column)[:, None], np.uint8(0), raw)
        return raw


def nulls_of(column: pa.Array) -> NDArray[np.bool_]:
    """Say which rows are NULL."""
    return np.asarray(column.is_null())


def kind_of(type_: str) -> Kind | None:
    """Give how a type is kept; None where it is not."""
    found = _DECIMAL.fullmatch(type_)
    if found is None:
        return _KINDS.get(type_)
    digits, scale = int(found[1]), int(found[2])
    return _decimal(digits, scale) if 0 < digits <= _MOST_DIGITS and scale <= digits else None


def way_out(type_: str) -> str:
    """Say what to do about a type that is not kept."""
    if type_.startswith(("TIMESTAMP", "TIME ")):
        return "CAST it to TIMESTAMP; one with a time zone AT TIME ZONE 'UTC' first"
    if type_.endswith("]") or type_.startswith(("STRUCT", "MAP", "UNION")):
        return "select its parts as columns, or leave it out"
    if type_ in {"UHUGEINT", "BIGNUM", "VARINT"}:
        return "CAST it to HUGEINT, or to VARCHAR"
    return "CAST it to VARCHAR, or leave it out"


def _integer(type_: str, code: str, low: int, high: int) -> Kind:
    def raw_of(value: Any) -> Any:
        if isinstance(value, bool | np.bool_) or not hasattr(value, "__index__"):
            raise _unlike("int")
        number = value.__index__()
        return number if low <= number <= high else NO_VALUE

    def parse(text: str) -> int:
        number = int(text)
        if not low <= number <= high:
            raise ValueError(text)
        return number

    value_of = _from_bytes if code == f"{_BYTES}s" else None
    return Kind(type_, code, parse, value_of, raw_of)


def _from_bytes(raw: bytes) -> int:
    return int.from_bytes(raw, "little", signed=True)


def _decimal(digits: int, scale: int) -> Kind:
    def value_of(raw: bytes) -> Decimal:
        return Decimal(f"{_from_bytes(raw)}e-{scale}")

    def parse(text: str) -> Decimal:
        # The pattern comes first: an exponent could ask for a number of any size.
        if not _PLAIN_NUMBER.fullmatch(text):
            raise ValueError(text)
        shifted = Fraction(text) * 10**scale
        if shifted.denominator != 1 or abs(shifted) >= 10**digits:
            raise ValueError(text)
        return Decimal(f"{int(shifted)}e-{scale}")

    return Kind(f"DECIMAL({digits},{scale})", f"{_BYTES}s", parse, value_of)


def _bool_raw(value: Any) -> int:
    if not isinstance(value, bool | np.bool_):
        raise _unlike("bool")
    return int(value)


def _parse_bool(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _parse_float32(text: str) -> float:
    value = float(np.float32(text))
    if math.isinf(value) and not math.isinf(float(text)):
        raise ValueError(text)
    return value


def _text_raw(value: Any) -> Any:
    if not isinstance(value, str):
        raise _unlike("str")
    try:
        return value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair: no text of a database has it
        return NO_VALUE


def _day_of(raw: int) -> date:
    return date.fromordinal(raw + _EPOCH_DAY)


def _day_raw(value: Any) -> int:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise _unlike("date")
    return value.toordinal() - _EPOCH_DAY


def _time_of(raw: int) -> datetime:
    return _EPOCH + timedelta(microseconds=raw)


def _time_raw(value: Any) -> Any:
    if not isinstance(value, datetime) or value.tzinfo is not None:
        raise _unlike("datetime without a time zone")
    if getattr(value, "nanosecond", 0):  # of pandas; DuckDB's TIMESTAMP has microseconds
        return NO_VALUE
    return (value - _EPOCH) // _MICROSECOND


def _parse_time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is not None:
        raise ValueError(text)
    return found


def _unlike(expected: str) -> FeatureError:
    return FeatureError(expected)


_KINDS = {
    kind.type: kind
    for kind in (
        Kind("BOOLEAN", "?", _parse_bool, None, _bool_raw),
        _integer("TINYINT", "b", -(2**7), 2**7 - 1),
        _integer("SMALLINT", "h", -(2**15), 2**15 - 1),
        _integer("INTEGER", "i", -(2**31), 2**31 - 1),
        _integer("BIGINT", "q", -(2**63), 2**63 - 1),
        _integer("HUGEINT", f"{_BYTES}s", -(2**127), 2**127 - 1),
        _integer("UTINYINT", "B", 0, 2**8 - 1),
        _integer("USMALLINT", "H", 0, 2**16 - 1),
        _integer("UINTEGER", "I", 0, 2**32 - 1),
        _integer("UBIGINT", "Q", 0, 2**64 - 1),
        Kind("FLOAT", "f", _parse_float32),
        Kind("DOUBLE", "d", float),
        Kind("VARCHAR", "I", str, None, _text_raw),
        Kind(
            "DATE",
            "i",
            date.fromisoformat,
            _day_of,
            _day_raw,
            (_day_raw(date.min), _day_raw(date.max)),
        ),
        Kind(
            "TIMESTAMP",
            "q",
            _parse_time,
            _time_of,
            _time_raw,
            (_time_raw(datetime.min), _time_raw(datetime.max)),  # noqa: DTZ901
        ),
    )
}
