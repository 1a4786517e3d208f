"""Comparisons and the logic of three values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from .arithmetic import is_greater, is_less
from .calls import strict
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
    Value,
)

_ORDERED = {*RANGES, BOOLEAN, VARCHAR, DATE, TIMESTAMP, DECIMAL, NULL}
_WITH_NAN = {DOUBLE, FLOAT}

Compare = Callable[[Any, Any], bool]


def _equal(x: Any, y: Any) -> bool:
    """Compare; NaN is equal to itself."""
    return x == y or (x != x and y != y)  # noqa: PLR0124 - NaN


# By DuckDB's name: among values of one type, and among numbers with NaN.
_COMPARISONS: Mapping[str, tuple[Compare, Compare]] = {
    "COMPARE_EQUAL": (operator.eq, _equal),
    "COMPARE_NOTEQUAL": (operator.ne, lambda x, y: not _equal(x, y)),
    "COMPARE_LESSTHAN": (operator.lt, is_less),
    "COMPARE_GREATERTHAN": (operator.gt, is_greater),
    "COMPARE_LESSTHANOREQUALTO": (operator.le, lambda x, y: not is_greater(x, y)),
    "COMPARE_GREATERTHANOREQUALTO": (operator.ge, lambda x, y: not is_less(x, y)),
}
_DISTINCT = {"COMPARE_DISTINCT_FROM": True, "COMPARE_NOT_DISTINCT_FROM": False}


def compare(kind: str, left: Value, right: Value) -> Closure:
    """Compile a comparison of two values of one type."""
    equal = _comparison("COMPARE_EQUAL", left, right)
    if kind in _DISTINCT:
        return _distinct(equal, left.run, right.run, answer=_DISTINCT[kind])
    if kind not in _COMPARISONS:
        raise Refused(f"the comparison {kind}")
    return strict(_comparison(kind, left, right), (left.run, right.run))


def _comparison(kind: str, left: Value, right: Value) -> Compare:
    if left.type != right.type or left.type.name not in _ORDERED | _WITH_NAN:
        raise Refused(f"a comparison of {left.type} with {right.type}")
    return _COMPARISONS[kind][left.type.name in _WITH_NAN]


def _distinct(equal: Compare, left: Closure, right: Closure, *, answer: bool) -> Closure:
    def run(cells: list[Any]) -> bool:
        x, y = left(cells), right(cells)
        if x is None or y is None:
            return (x is not y) is answer
        return equal(x, y) is not answer

    return run


def contains(value: Value, choices: list[Value]) -> Closure:
    """Compile IN: NULL where nothing is equal and something is NULL."""
    equals = [_comparison("COMPARE_EQUAL", value, choice) for choice in choices]
    asked, pairs = value.run, tuple(zip(equals, [c.run for c in choices], strict=True))

    def run(cells: list[Any]) -> bool | None:
        x = asked(cells)
        others = [(equal, other(cells)) for equal, other in pairs]
        if x is None:
            return None
        found: bool | None = False
        for equal, y in others:
            if y is None:
                found = None
            elif equal(x, y):
                return True
        return found

    return run


def every(runs: tuple[Closure, ...]) -> Closure:
    """Compile AND; all of it is evaluated, and may fail, as in DuckDB."""

    def run(cells: list[Any]) -> bool | None:
        values = [one(cells) for one in runs]
        if False in values:
            return False
        return None if None in values else True

    return run


def either(runs: tuple[Closure, ...]) -> Closure:
    """Compile OR; all of it is evaluated, and may fail, as in DuckDB."""

    def run(cells: list[Any]) -> bool | None:
        values = [one(cells) for one in runs]
        if True in values:
            return True
        return None if None in values else False

    return run


def every_in_turn(runs: tuple[Closure, ...]) -> Closure:
    """Compile AND where only what is true counts: it ends at the first that is not."""

    def run(cells: list[Any]) -> bool:
        return all(one(cells) for one in runs)

    return run


def either_in_turn(runs: tuple[Closure, ...]) -> Closure:
    """Compile OR where only what is true counts: it ends at the first that is."""

    def run(cells: list[Any]) -> bool:
        return any(one(cells) for one in runs)

    return run
