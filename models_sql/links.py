"""Labels behind a link are decided before it, where no function's last bit can turn them.

``sigmoid(2 * x) > 0.5`` holds from a certain float64 ``x`` on. That number is found here once, with
the bits of the kernel's own functions, so that every engine gives the library's label for every
margin, whatever its exponential rounds to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..ir import steps as s
from ..ir.steps import Function, Operator
from .float32_exp import exp_float32

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Real = Callable[[float], float]

_WITHIN = 1000
"""How many numbers on either side are tried, should a function not rise everywhere."""
_BITS = 1 << 63


def sigmoid(x: float) -> float:
    """Give the logistic function by the C library's exponential, as the kernel does."""
    try:
        return 1.0 / (1.0 + math.exp(-x))
    except OverflowError:
        return 0.0


def float32_sigmoid(x: float) -> float:
    """Give XGBoost's logistic function, in float32."""
    denominator = np.float32(exp_float32(min(-x, float(np.float32(88.7)))) + 1.0)
    return float(np.float32(1.0 / float(denominator)))


def power_of_two(x: float) -> float:
    """Give 2 to the power of a number by numpy, as the kernel does."""
    with np.errstate(over="ignore", under="ignore"):
        return float(np.power(2.0, x))


LINKS: Mapping[Function, Real] = {
    Function.SIGMOID: sigmoid,
    Function.FLOAT32_SIGMOID: float32_sigmoid,
    Function.NUMPY_POWER_OF_TWO: power_of_two,
}

_OPERATORS: Mapping[Operator, Callable[[float, float], float]] = {
    Operator.ADD: lambda x, c: x + c,
    Operator.SUBTRACT: lambda x, c: x - c,
    Operator.SUBTRACT_FROM: lambda x, c: c - x,
    Operator.MULTIPLY: lambda x, c: x * c,
    Operator.DIVIDE: lambda x, c: x / c,
}


@dataclass(frozen=True, slots=True)
class Traced:
    """A column as a function of the one before its links."""

    base: str
    function: Real
    has_link: bool


@dataclass(frozen=True, slots=True)
class Boundary:
    """Where a comparison turns: it holds above ``limit``, or up to it where ``holds_below``."""

    limit: float
    holds_below: bool


def trace(name: str, producers: Mapping[str, s.Step]) -> Traced:
    """Go back from a column through links and arithmetic with constants."""
    functions: list[Real] = []
    has_link = False
    while True:
        step = producers.get(name)
        match step:
            case s.Elementwise() if step.function in LINKS:
                functions.append(LINKS[step.function])
                has_link = True
            case s.Arithmetic() if step.operator in _OPERATORS:
                operand = float(step.operands[step.outputs.index(name)])
                if operand == 0:
                    break
                functions.append(_with(_OPERATORS[step.operator], operand))
            case _:
                break
        name = step.inputs[step.outputs.index(name)]
    return Traced(name, _composed(functions[::-1]), has_link)


def _with(operation: Callable[[float, float], float], operand: float) -> Real:
    return lambda x: operation(x, operand)


def _composed(functions: list[Real]) -> Real:
    def apply(x: float) -> float:
        for function in functions:
            x = function(x)
        return x

    return apply


def boundary_of(holds: Callable[[float], bool]) -> Boundary | None:
    """Find the one number at which a comparison turns.

    None where it is the same at both ends, or turns more than once near that number.
    """
    low, high = place_of(-math.inf), place_of(math.inf)
    at_low, at_high = holds(-math.inf), holds(math.inf)
    if at_low == at_high:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(number_at(middle)) == at_high else (middle, high)
    for place in range(low - _WITHIN, low + _WITHIN):
        if holds(number_at(place)) != (at_low if place <= low else at_high):
            return None
    return Boundary(number_at(low), holds_below=at_low)


def place_of(value: float) -> int:
    """Give a float64 its number, counted in ascending order."""
    bits = int(np.float64(value).view(np.int64))
    return bits if bits >= 0 else -(bits + _BITS)


def number_at(place: int) -> float:
    """Give the float64 of a number in that order."""
    bits = place if place >= 0 else -place - _BITS
    return float(np.int64(bits).view(np.float64))
