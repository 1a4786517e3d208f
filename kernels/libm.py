"""The C library's own functions, element by element.

numpy has vectorised versions, which differ from the C library's in the last bit, for one value in
thirty. The model libraries call the C library, so only it gives their bits, and a last bit of a
probability near 1 is many of its complement.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LARGEST = 709.782712893384
"""The largest number whose exponential is finite; Python raises beyond it, C gives infinity."""


def exp(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give e to the power of each number: float64[rows]."""
    within = np.minimum(x, _LARGEST)
    powers = np.fromiter(map(math.exp, within.tolist()), np.float64, len(x))
    powers[x > _LARGEST] = np.inf
    return powers


def expm1(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give e to the power of each number, less one: float64[rows]."""
    within = np.minimum(x, _LARGEST)
    powers = np.fromiter(map(math.expm1, within.tolist()), np.float64, len(x))
    powers[x > _LARGEST] = np.inf
    return powers


def log(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the natural logarithm of each number, NaN below zero: float64[rows]."""
    within = np.where(x > 0, x, 1.0)
    logarithms = np.fromiter(map(math.log, within.tolist()), np.float64, len(x))
    return np.where(x > 0, logarithms, np.where(x == 0, -np.inf, np.nan))


def log1p(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the logarithm of one plus each number, none of which is below zero: float64[rows]."""
    return np.fromiter(map(math.log1p, x.tolist()), np.float64, len(x))
