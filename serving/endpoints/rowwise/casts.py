"""Casts: from which type to which, and how."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Any

from ....errors import ScoringError
from .refusing import Refused
from .types import (
    BOOLEAN,
    DATE,
    DECIMAL,
    DOUBLE,
    FLOAT,
    NULL,
    RANGES,
    TIMESTAMP,
    VARCHAR,
    Closure,
    Type,
    Value,
    fails,
    float32,
)

Cast = Callable[[Type, Type], Callable[[Any], Any] | None]

_INTEGERS = tuple(name for name in RANGES if name != "HUGEINT")
_EXACT_IN_DOUBLE = 2**53
_NARROW = 15
"""So many digits of a DECIMAL are an integer that a double holds."""


def cast(value: Value, target: Type, *, is_try: bool) -> Closure:
    """Compile a cast; with TRY_CAST a value that does not fit is NULL."""
    source = value.type
    if source == target:
        return value.run
    if source.name == NULL:
        return lambda _: None
    make = _CASTS.get((source.name, target.name))
    convert = make(source, target) if make is not None else None
    if convert is None:
        raise Refused(f"CAST from {source} to {target}")
    return _tried(value.run, convert) if is_try else _run(value.run, convert)


def _run(argument: Closure, convert: Callable[[Any], Any]) -> Closure:
    def run(cells: list[Any]) -> Any:
        value = argument(cells)
        return None if value is None else convert(value)

    return run


def _tried(argument: Closure, convert: Callable[[Any], Any]) -> Closure:
    def run(cells: list[Any]) -> Any:
        value = argument(cells)
        try:
            return None if value is None else convert(value)
        except ScoringError:
            return None

    return run


def _misfit(value: object, target: Type) -> ScoringError:
    return fails(f"{value} does not fit into {target}")


def _integer(source: Type, target: Type) -> Callable[[int], int]:
    low, high = RANGES[target.name]
    first, last = RANGES[source.name]
    if low <= first and last <= high:
        return int

    def convert(value: int) -> int:
        if low <= value <= high:
            return value
        raise _misfit(value, target)

    return convert


def _to_float(source: Type, _target: Type) -> Callable[[int], float] | None:
    """Round once; an integer that a double does not hold would be rounded twice."""
    last = RANGES[source.name][1]
    return (lambda value: float32(float(value))) if last < _EXACT_IN_DOUBLE else None


def _rounded(_: Type, target: Type) -> Callable[[float], int]:
    """Round halves to even."""
    low, high = RANGES[target.name]

    def convert(value: float) -> int:
        if math.isfinite(value):
            whole = round(value)
            if low <= whole <= high:
                return whole
        raise _misfit(value, target)

    return convert


def _narrowed(_: Type, target: Type) -> Callable[[float], float]:
    def convert(value: float) -> float:
        number = float32(value)
        if math.isinf(number) and not math.isinf(value):
            raise _misfit(value, target)
        return number

    return convert


def _always(convert: Callable[[Any], Any]) -> Cast:
    return lambda _source, _target: convert


def _time_text(moment: datetime) -> str:
    text = f"{moment:%H:%M:%S}"
    if moment.microsecond:
        text += f".{moment.microsecond:06}".rstrip("0")
    return f"{moment.date().isoformat()} {text}"


def _scaled(_: Type, target: Type) -> Callable[[int], int]:
    power, limit = 10**target.scale, 10**target.width

    def convert(value: int) -> int:
        scaled = value * power
        if -limit < scaled < limit:
            return scaled
        raise _misfit(value, target)

    return convert


def _rescaled(source: Type, target: Type) -> Callable[[int], int] | None:
    """Add digits behind the point; taking some away rounds, and is left to DuckDB."""
    if target.scale < source.scale:
        return None
    power, limit = 10 ** (target.scale - source.scale), 10**target.width

    def convert(value: int) -> int:
        scaled = value * power
        if -limit < scaled < limit:
            return scaled
        raise _misfit(value, target)

    return convert


def _unscaled(source: Type, _: Type) -> Callable[[int], float] | None:
    """Divide once, by a power of ten that a double holds."""
    power = 10.0**source.scale
    return (lambda value: float(value) / power) if source.width <= _NARROW else None


_CASTS: Mapping[tuple[str, str], Cast] = {
    **{(a, b): _integer for a in RANGES for b in RANGES},
    **{(a, DOUBLE): _always(float) for a in _INTEGERS},
    **{(a, FLOAT): _to_float for a in _INTEGERS},
    **{(a, BOOLEAN): _always(bool) for a in (*_INTEGERS, DOUBLE, FLOAT)},
    **{(a, VARCHAR): _always(str) for a in RANGES},
    **{(a, DECIMAL): _scaled for a in _INTEGERS},
    **{(BOOLEAN, b): _always(int) for b in _INTEGERS},
    **{(BOOLEAN, b): _always(float) for b in (DOUBLE, FLOAT)},
    **{(a, b): _rounded for a in (DOUBLE, FLOAT) for b in _INTEGERS},
    (BOOLEAN, VARCHAR): _always(lambda value: "true" if value else "false"),
    (FLOAT, DOUBLE): _always(float),
    (DOUBLE, FLOAT): _narrowed,
    (DATE, TIMESTAMP): _always(lambda day: datetime.combine(day, time())),
    (TIMESTAMP, DATE): _always(datetime.date),
    (DATE, VARCHAR): _always(date.isoformat),
    (TIMESTAMP, VARCHAR): _always(_time_text),
    (DECIMAL, DECIMAL): _rescaled,
    (DECIMAL, DOUBLE): _unscaled,
}
