"""What is certain of a function's values.

Operations that are rounded correctly never fall where the function does not. Those of a library
may, in their last places: their bounds are widened by far more than any of them is off.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...ir.steps import Function
from ..float32_exp import exp_float32
from ..links import float32_sigmoid, sigmoid
from .domain import ANY, Known, among, between
from .intervals import mapped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ERROR, _FLOAT32_ERROR = 2.0**-40, 2.0**-20
"""How far functions of a library are off, of their value: far more than any of them is.

That of fmath is off by as many half places as its argument says.
"""


def exponential(x: float) -> float:
    """Give e to the power of a number; infinity where that is too large."""
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _to_float32(x: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(x))


EXACT: Mapping[Function, Callable[[float], float]] = {
    Function.NEGATIVE: lambda x: -x,
    Function.SIGN: lambda x: float(np.sign(x)),
    Function.FLOOR: lambda x: float(np.floor(x)),
    Function.CEIL: lambda x: float(np.ceil(x)),
    Function.RINT: lambda x: float(np.rint(x)),
    Function.TRUNC: lambda x: float(np.trunc(x)),
    Function.SIGNED_SQUARE: lambda x: float(np.sign(x)) * (x * x),
    Function.FLOAT32: _to_float32,
}
"""Functions that never fall, or never rise, and are rounded correctly."""

_RISING: Mapping[Function, tuple[Callable[[float], float], float]] = {
    Function.SIGMOID: (sigmoid, 1.0),
    Function.EXP: (exponential, math.inf),
    Function.NUMPY_EXP: (exponential, math.inf),
    Function.FMATH_EXP: (exponential, math.inf),
    Function.FLOAT32_SIGMOID: (float32_sigmoid, 1.0),
    Function.FLOAT32_EXP: (exp_float32, math.inf),
}
"""Functions of a library that rise from 0, and to where."""

_IN_FLOAT32 = {Function.FLOAT32_SIGMOID, Function.FLOAT32_EXP}
_TAIL, _FLOAT32_TAIL = 700.0, 80.0
"""Beyond these, libraries differ in what is 0 or infinite, by far more than last places."""

MONOTONE = frozenset({*EXACT, *_RISING})
"""Functions that never fall, or never rise, but for the last places of a library."""


def known_function(function: Function, known: Known) -> Known:
    """Say what is certain of a function of a column."""
    if known.is_empty:
        return among((), missing=known.missing)
    if function in EXACT:
        return mapped(known, EXACT[function])
    if function in {Function.ABSOLUTE, Function.SQUARE}:
        return _even(known, (lambda x: x * x) if function is Function.SQUARE else abs)
    if function is Function.SQRT:
        return replace(_root(known), missing=known.missing or known.low < 0)
    if function in _RISING:
        return _risen(function, known)
    return ANY


def _root(known: Known) -> Known:
    return mapped(known.within(0.0, math.inf), math.sqrt)


def _risen(function: Function, known: Known) -> Known:
    rising, most = _RISING[function]
    is_short = function in _IN_FLOAT32
    error, tail = (_FLOAT32_ERROR, _FLOAT32_TAIL) if is_short else (_ERROR, _TAIL)
    low = 0.0 if known.low < -tail else rising(known.low) * (1.0 - error)
    high = most if known.high > tail else rising(known.high) * (1.0 + error)
    return between(low, min(high, most), missing=known.missing)


def _even(known: Known, function: Callable[[float], float]) -> Known:
    """Apply a function that falls up to 0 and rises from there."""
    if known.values is not None:
        return among(map(function, known.values), missing=known.missing)
    ends = function(known.low), function(known.high)
    least = 0.0 if known.low <= 0.0 <= known.high else min(ends)
    return between(least, max(ends), missing=known.missing)
