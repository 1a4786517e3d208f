"""The exponential of fmath, a library of fast functions, as CatBoost calls it on x86-64.

Its last bit differs from the C library's for two numbers in five. Source: ``expd`` and ``expd_v``
in contrib/libs/fmath/fmath.hpp of CatBoost: 2 to the power of a 2048th, from a table, times a
polynomial.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

_PART_BITS = 11
_PARTS = 1 << _PART_BITS
_PER_PART = _PARTS / math.log(2.0)
_PART = 1.0 / _PER_PART
_TO_INTEGER = float(3 << 51)
"""Added to a number of moderate size, it leaves its integer part in the last bits."""
_CUBIC, _SQUARE = 0.16666666685227835064, 3.0000000027955394
_LEAST, _LARGEST = -708.39641853226408, 709.78271289338397
_LARGEST_OF_FOUR = 709.78272569338397
_FRACTION = np.uint64((1 << 52) - 1)
_BIAS = np.uint64((1 << (_PART_BITS + 10)) - _PARTS)
TABLE = (
    np.array([math.pow(2.0, part / _PARTS) for part in range(_PARTS)]).view(np.uint64) & _FRACTION
)


def exp_of_four(x: Numbers) -> Numbers:
    """Give e to the power of each number, none of them smaller than the smallest normal one."""
    return _power(np.clip(x, _LEAST, _LARGEST_OF_FOUR))


def exp_of_rest(x: Numbers) -> Numbers:
    """Give e to the power of each number, and 0 below the smallest normal one."""
    power = _power(np.clip(x, _LEAST, _LARGEST))
    power[x <= _LEAST] = 0.0
    power[x >= _LARGEST] = np.inf
    return power


def _power(x: Numbers) -> Numbers:
    shifted = x * _PER_PART + _TO_INTEGER
    bits = shifted.view(np.uint64)
    part = (bits & np.uint64(_PARTS - 1)).astype(np.intp)
    rest = (shifted - _TO_INTEGER) * _PART - x
    power = ((bits + _BIAS) >> np.uint64(_PART_BITS)) << np.uint64(52)
    factor = (_SQUARE - rest) * (rest * rest) * _CUBIC - rest + 1.0
    with np.errstate(over="ignore"):
        return factor * (power | TABLE[part]).view(np.float64)
