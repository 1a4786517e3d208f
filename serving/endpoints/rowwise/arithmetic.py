"""Numbers: operators and functions, to DuckDB's bits and with its errors."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from .calls import Call, Function, Make, is_constant, same
from .types import DECIMAL, DOUBLE, FLOAT, RANGES, fails, float32

if TYPE_CHECKING:
    from collections.abc import Callable

_INTEGERS = tuple(name for name in RANGES if name != "HUGEINT")
_SIGNED = tuple(name for name in _INTEGERS if not name.startswith("U"))
_FLOATS = (DOUBLE, FLOAT)
_HALF = 0.5
_MOST_DIGITS = 15
_INT64_DIGITS, _DIGITS = 18, 38
_NO_FRACTIONS = 2.0**52


def _integers(compute: Callable[..., Any], sign: str) -> Make:
    """Compute with integers of one type; what does not fit is an error."""

    def make(call: Call) -> Callable[..., int] | None:
        if any(argument.type != call.result for argument in call.arguments):
            return None
        low, high = RANGES[call.result.name]

        def run(*values: int) -> int:
            result = compute(*values)
            if low <= result <= high:
                return result
            written = f" {sign} ".join(map(str, values))
            raise fails(f"Overflow of {call.result} in {written if len(values) > 1 else sign}")

        return run

    return make


def _floats(compute: Callable[..., Any]) -> Make:
    """Compute with DOUBLE, or with FLOAT: a sum, product or quotient rounds the same in both."""

    def make(call: Call) -> Callable[..., float] | None:
        if any(argument.type != call.result for argument in call.arguments):
            return None
        if call.result.name == DOUBLE:
            return compute
        return lambda *values: float32(compute(*values))

    return make


def _decimals(compute: Callable[[int, int], int], *, adds_scales: bool) -> Make:
    def make(call: Call) -> Callable[..., int] | None:
        left, right = (argument.type for argument in call.arguments)
        scale = left.scale + right.scale if adds_scales else left.scale
        is_known = left.width == right.width == call.result.width and scale == call.result.scale
        if not is_known or (not adds_scales and left.scale != right.scale):
            return None
        digits = _INT64_DIGITS if call.result.width <= _INT64_DIGITS else _DIGITS
        limit = 10**digits

        def run(x: int, y: int) -> int:
            result = compute(x, y)
            if -limit < result < limit:
                return result
            raise fails(f"Overflow of {call.result}")

        return run

    return make


def _quotient(x: int, y: int) -> int:
    if y == 0:
        raise fails("Division by zero")
    found = abs(x) // abs(y)
    return found if (x < 0) == (y < 0) else -found


def _remainder(call: Call) -> Callable[..., int] | None:
    if any(argument.type != call.result for argument in call.arguments):
        return None
    low = RANGES[call.result.name][0]

    def run(x: int, y: int) -> int:
        if y == 0 or (y == -1 and x == low):
            raise fails("Division by zero, or overflow in a division")
        rest = abs(x) % abs(y)
        return -rest if x < 0 else rest

    return run


def divide(x: float, y: float) -> float:
    """Divide as IEEE 754 does."""
    if y:
        return x / y
    if x == 0 or math.isnan(x) or math.isnan(y):
        return math.nan
    return math.copysign(math.inf, x) * math.copysign(1.0, y)


def _whole_divide(x: float, y: float) -> float:
    if y == 0:
        raise fails("Division by zero")
    return x / y


def _fmod(x: float, y: float) -> float:
    if y == 0 or math.isinf(x) or math.isnan(x) or math.isnan(y):
        return math.nan
    return math.fmod(x, y)


def _is_whole(x: float) -> bool:
    return not -_NO_FRACTIONS < x < _NO_FRACTIONS  # infinite and NaN too


def _floor(x: float) -> float:
    return x if _is_whole(x) else math.copysign(float(math.floor(x)), x)


def _ceil(x: float) -> float:
    return x if _is_whole(x) else math.copysign(float(math.ceil(x)), x)


def _trunc(x: float) -> float:
    return x if _is_whole(x) else math.copysign(float(math.trunc(x)), x)


def _round(x: float) -> float:
    """Round halves away from zero."""
    if _is_whole(x):
        return x
    whole = float(math.trunc(x))
    if abs(x - whole) >= _HALF:
        whole += math.copysign(1.0, x)
    return math.copysign(whole, x)


def _round_to(call: Call) -> Callable[..., float] | None:
    """Round to digits behind the point, by way of a power of ten, as DuckDB does."""
    digits = call.constant(1)
    if not is_constant(digits) or not 0 <= digits <= _MOST_DIGITS:
        return None
    power = 10.0**digits

    def run(x: float, _: int) -> float:
        rounded = _round(x * power) / power
        return rounded if math.isfinite(rounded) else x

    return run


def _sqrt(x: float) -> float:
    if x >= 0:
        return math.sqrt(x)
    return x if x == 0 else math.nan


def _sign(x: float) -> int:
    return (x > 0) - (x < 0)


def _extreme(is_better: Callable[[Any, Any], bool]) -> Make:
    """Give the first of the best values, NULL ones aside."""

    def run(*values: Any) -> Any:
        best = None
        for value in values:
            if value is not None and (best is None or is_better(value, best)):
                best = value
        return best

    def make(call: Call) -> Callable[..., Any] | None:
        if any(argument.type != call.result for argument in call.arguments):
            return None
        is_by_key = call.result.name == FLOAT and len(call.arguments) > 1
        return _without_sign(run) if is_by_key else run

    return make


def _without_sign(run: Callable[..., Any]) -> Callable[..., Any]:
    """Make a zero positive: so DuckDB does for FLOAT, which it compares by keys of sorting."""

    def best(*values: Any) -> Any:
        found = run(*values)
        return None if found is None else found + 0.0

    return best


def is_greater(x: Any, y: Any) -> bool:
    """Compare; NaN is greater than all else, and equal to itself."""
    return x > y or (x != x and y == y)  # noqa: PLR0124 - NaN


def is_less(x: Any, y: Any) -> bool:
    """Compare; NaN is greater than all else, and equal to itself."""
    return x < y or (y != y and x == x)  # noqa: PLR0124 - NaN


def _or_null(value: Any, *others: Any) -> Any:
    return None if None in others else value


_ANY = (*RANGES, DOUBLE, FLOAT, "VARCHAR", "BOOLEAN", "DATE", "TIMESTAMP")
_COMPARED = (*_INTEGERS, DOUBLE, FLOAT, "VARCHAR", "DATE", "TIMESTAMP")

FUNCTIONS = (
    Function(("+",), (_INTEGERS, _INTEGERS), _integers(operator.add, "+")),
    Function(("-",), (_INTEGERS, _INTEGERS), _integers(operator.sub, "-")),
    Function(("*",), (_INTEGERS, _INTEGERS), _integers(operator.mul, "*")),
    Function(("//",), (_INTEGERS, _INTEGERS), _integers(_quotient, "//")),
    Function(("%",), (_INTEGERS, _INTEGERS), _remainder),
    Function(("-",), (_SIGNED,), _integers(operator.neg, "-")),
    Function(("abs", "@"), (_SIGNED,), _integers(abs, "abs")),
    Function(("+",), (_FLOATS, _FLOATS), _floats(operator.add)),
    Function(("-",), (_FLOATS, _FLOATS), _floats(operator.sub)),
    Function(("*",), (_FLOATS, _FLOATS), _floats(operator.mul)),
    Function(("/",), (_FLOATS, _FLOATS), _floats(divide)),
    Function(("//",), (_FLOATS, _FLOATS), _floats(_whole_divide)),
    Function(("%",), (_FLOATS, _FLOATS), _floats(_fmod)),
    Function(("-",), (_FLOATS,), _floats(operator.neg)),
    Function(("abs", "@"), (_FLOATS,), _floats(abs)),
    Function(("+",), ((DECIMAL,), (DECIMAL,)), _decimals(operator.add, adds_scales=False)),
    Function(("-",), ((DECIMAL,), (DECIMAL,)), _decimals(operator.sub, adds_scales=False)),
    Function(("*",), ((DECIMAL,), (DECIMAL,)), _decimals(operator.mul, adds_scales=True)),
    Function(("floor",), (_FLOATS,), _floats(_floor)),
    Function(("ceil", "ceiling"), (_FLOATS,), _floats(_ceil)),
    Function(("trunc",), (_FLOATS,), _floats(_trunc)),
    Function(("round",), (_FLOATS,), _floats(_round)),
    Function(("round",), ((DOUBLE,), ("INTEGER",)), _round_to, "0 to 15 digits, a constant"),
    Function(("sqrt",), ((DOUBLE,),), same(_sqrt)),
    Function(("sign",), (_FLOATS,), same(_sign)),
    Function(("isnan",), (_FLOATS,), same(math.isnan)),
    Function(("isinf",), (_FLOATS,), same(math.isinf)),
    Function(("isfinite",), (_FLOATS,), same(math.isfinite)),
    Function(("greatest",), (_COMPARED,), _extreme(is_greater), any_number=True, sees_null=True),
    Function(("least",), (_COMPARED,), _extreme(is_less), any_number=True, sees_null=True),
    Function(("constant_or_null",), (_ANY, _ANY), same(_or_null), any_number=True, sees_null=True),
)
