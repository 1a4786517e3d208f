"""DuckDB's types, and how their values are read, held and given.

Inside a program a DECIMAL is the integer that DuckDB holds, an INTERVAL the three of months, days
and microseconds; all else is what a client of DuckDB sees.
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ....errors import ScoringError, SignatureError
from .refusing import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ....scoring.rewriting.syntax import Node

Closure: TypeAlias = "Callable[[list[Any]], Any]"
"""Gives an expression's value from the cells of one row."""

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - DuckDB's TIMESTAMP has no zone
MICROSECOND = timedelta(microseconds=1)

BOOLEAN, VARCHAR, DATE, TIMESTAMP = "BOOLEAN", "VARCHAR", "DATE", "TIMESTAMP"
DOUBLE, FLOAT, INTERVAL, NULL = "DOUBLE", "FLOAT", "INTERVAL", "NULL"
DECIMAL, STRUCT = "DECIMAL", "STRUCT"

RANGES: Mapping[str, tuple[int, int]] = {
    "TINYINT": (-(2**7), 2**7 - 1),
    "SMALLINT": (-(2**15), 2**15 - 1),
    "INTEGER": (-(2**31), 2**31 - 1),
    "BIGINT": (-(2**63), 2**63 - 1),
    "HUGEINT": (-(2**127), 2**127 - 1),
    "UTINYINT": (0, 2**8 - 1),
    "USMALLINT": (0, 2**16 - 1),
    "UINTEGER": (0, 2**32 - 1),
    "UBIGINT": (0, 2**64 - 1),
}


@dataclass(frozen=True, slots=True)
class Type:
    """A type: its name, the digits of a DECIMAL, and the fields of a STRUCT."""

    name: str
    width: int = 0
    scale: int = 0
    fields: tuple[tuple[str, Type], ...] = ()

    def __str__(self) -> str:
        """Write it as DuckDB does."""
        return f"{self.name}({self.width},{self.scale})" if self.name == DECIMAL else self.name


NOT_CONSTANT = object()


class Value(NamedTuple):
    """An expression that was compiled; ``constant`` is its value where that is one."""

    type: Type
    run: Closure
    constant: Any = NOT_CONSTANT


def read_type(node: Node) -> Type:
    """Read a type out of a plan."""
    info = node.get("type_info") or {}
    if node.get("id") == STRUCT:
        children = info.get("child_types", [])
        return Type(STRUCT, fields=tuple((c["first"], read_type(c["second"])) for c in children))
    if info.get("alias") or info.get("collation"):
        raise Refused(f"a type with a name or a collation of its own, over {node['id']}")
    return Type(node["id"], info.get("width", 0), info.get("scale", 0))


def float32(value: float) -> float:
    """Round to the nearest FLOAT, as C does; infinity beyond the largest."""
    return ctypes.c_float(value).value


def huge(parts: Mapping[str, int]) -> int:
    """Read an integer of 128 bits."""
    return (parts.get("upper", 0) << 64) | parts.get("lower", 0)


def read_constant(node: Node) -> Any:
    """Read a constant's value out of a plan."""
    if node.get("is_null"):
        return None
    type_, value = read_type(node["type"]), node.get("value")
    reader = _CONSTANTS.get(type_.name)
    if reader is None:
        raise Refused(f"a constant of type {type_}")
    return reader(value)


def _interval(parts: Any) -> tuple[int, int, int]:
    parts = parts or {}
    return parts.get("months", 0), parts.get("days", 0), parts.get("micros", 0)


def _integer(value: Any) -> int:
    return huge(value) if isinstance(value, dict) else int(value or 0)


def _moment(**since: int) -> datetime:
    """Add to 1970; an infinite time is far beyond, too."""
    try:
        return EPOCH + timedelta(**since)
    except OverflowError:
        raise Refused("a constant outside of the years 1 to 9999") from None


_CONSTANTS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys((*RANGES, DECIMAL), _integer),
    DOUBLE: lambda value: 0.0 if value is None else float(value),  # -0.0 is false in Python
    FLOAT: lambda value: 0.0 if value is None else float32(float(value)),
    BOOLEAN: bool,
    VARCHAR: lambda value: value or "",
    DATE: lambda days: _moment(days=days or 0).date(),
    TIMESTAMP: lambda micros: _moment(microseconds=micros or 0),
    INTERVAL: _interval,
}


def reader_of(type_: Type, name: str) -> Callable[[Any], Any]:
    """Give a function that checks a value of a column, and reads it.

    It raises a SignatureError where the value is not of the type.
    """
    make = _READERS.get(type_.name)
    if make is None:
        raise Refused(f"the column {name} of type {type_}")
    read = make(type_)

    def checked(value: Any) -> Any:
        if value is None:
            return None
        try:
            return read(value)
        except (TypeError, ValueError, OverflowError):
            message = f"Column {name!r} is {type_}, and {value!r} is no such value."
            raise SignatureError(message) from None

    return checked


def _integers(type_: Type) -> Callable[[Any], int]:
    low, high = RANGES[type_.name]

    def read(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise TypeError
        return value

    return read


def _floats(type_: Type) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        if type(value) is float:
            return value
        if type(value) is not int:
            raise TypeError
        return float(value)

    def narrow(value: Any) -> float:
        number = read(value)
        rounded = float32(number)
        if math.isinf(rounded) and not math.isinf(number):
            raise TypeError
        return rounded

    return read if type_.name == DOUBLE else narrow


def _exactly(kind: type) -> Callable[[Type], Callable[[Any], Any]]:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise TypeError
        return value

    return lambda _: read


def _text(_: Type) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if type(value) is not str:
            raise TypeError
        if not value.isascii():
            value.encode()  # half of a surrogate pair is no text of a database
        return value

    return read


def _times(_: Type) -> Callable[[Any], datetime]:
    def read(value: Any) -> datetime:
        if not isinstance(value, datetime) or value.tzinfo is not None:
            raise TypeError
        return value

    return read


def _decimals(type_: Type) -> Callable[[Any], int]:
    limit = 10**type_.width

    def read(value: Any) -> int:
        if type(value) is not Decimal or not value.is_finite():
            raise TypeError
        numerator, denominator = value.as_integer_ratio()
        scaled, rest = divmod(numerator * 10**type_.scale, denominator)
        if rest or abs(scaled) >= limit:
            raise TypeError
        return scaled

    return read


_READERS: Mapping[str, Callable[[Type], Callable[[Any], Any]]] = {
    **dict.fromkeys(RANGES, _integers),
    **dict.fromkeys((DOUBLE, FLOAT), _floats),
    BOOLEAN: _exactly(bool),
    VARCHAR: _text,
    DATE: _exactly(date),
    TIMESTAMP: _times,
    DECIMAL: _decimals,
}


def writer_of(type_: Type) -> Callable[[Any], Any] | None:
    """Give a function from a value to what a client of DuckDB sees; None where they are the same.

    Raises
    ------
    Refused
        If that is not certain.
    """
    if type_.name == DECIMAL:
        return lambda value: None if value is None else Decimal(f"{value}E-{type_.scale}")
    if type_.name == STRUCT:
        return _struct_writer(type_)
    if type_.name not in _AS_THEY_ARE:
        raise Refused(f"an output of type {type_}")
    return None


def _struct_writer(type_: Type) -> Callable[[Any], Any] | None:
    writers = [(name, writer_of(field)) for name, field in type_.fields]
    if not any(write for _, write in writers):
        return None

    def write(value: Any) -> Any:
        if value is None:
            return None
        return {name: one(value[name]) if one else value[name] for name, one in writers}

    return write


NUMBERS = "DOUBLE[]"
"""What a model with several outputs gives: a tuple, of DuckDB's type ARRAY."""
_AS_THEY_ARE = {*RANGES, BOOLEAN, DOUBLE, FLOAT, VARCHAR, DATE, TIMESTAMP, NULL, NUMBERS}


def fails(message: str) -> ScoringError:
    """Make the error of a row for which DuckDB raises one too."""
    return ScoringError(f"{message}. DuckDB refuses such a row too.")
