"""Functions in float32, as C programs compute them with the GNU C library.

Columns are float64[rows] that hold float32 values, and so are the results. A product, a quotient
or a sum of two float32 values that is rounded first to float64 and then to float32 is the one that
float32 arithmetic gives.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

_PARTS = 32
_PART_BITS = 5
_PER_PART = float.fromhex("0x1.71547652b82fep+0") * _PARTS
_CUBIC = float.fromhex("0x1.c6af84b912394p-5") / _PARTS**3
_SQUARE = float.fromhex("0x1.ebfce50fac4f3p-3") / _PARTS**2
_LINEAR = float.fromhex("0x1.62e42ff0c52d6p-1") / _PARTS
_BEYOND = 150.0
"""No further than from here, up or down, the exponential is infinite or 0 in float32."""
_LARGEST_POWER = float(np.float32(88.7))


def round_to_float32(x: Numbers) -> Numbers:
    """Give the nearest float32, ties to even."""
    return x.astype(np.float32).astype(np.float64)


def exp(x: Numbers) -> Numbers:
    """Give e to the power of each number, with the bits of ``expf``.

    Source: sysdeps/ieee754/flt-32/e_expf.c of glibc 2.27 and newer, which computes in float64:
    2 to the power of a 32nd, from a table, times a polynomial.
    """
    scaled = np.clip(x, -_BEYOND, _BEYOND) * _PER_PART
    nearest = np.rint(scaled)
    rest = scaled - nearest
    part = np.nan_to_num(nearest).astype(np.int64)
    bits = TABLE[part % _PARTS] + (part << (52 - _PART_BITS))
    power = (_CUBIC * rest + _SQUARE) * (rest * rest) + (_LINEAR * rest + 1.0)
    return round_to_float32(power * bits.view(np.float64))


def sigmoid(x: Numbers) -> Numbers:
    """Give the logistic function. Source: ``Sigmoid`` in src/common/math.h of XGBoost."""
    denominator = round_to_float32(exp(np.minimum(-x, _LARGEST_POWER)) + 1.0)
    return round_to_float32(1.0 / denominator)


def softmax(columns: list[Numbers]) -> list[Numbers]:
    """Give exponentials over their sum. Source: ``Softmax`` in src/common/math.h of XGBoost.

    The sum is in float64, and rounded once.
    """
    largest = np.max(np.stack(columns), axis=0)
    powers = [exp(round_to_float32(column - largest)) for column in columns]
    total = round_to_float32(reduce(np.add, powers))
    return [round_to_float32(power / total) for power in powers]


def _table() -> NDArray[np.int64]:
    """Bits of 2 to the power of each 32nd, less what adding the 32nds to the exponent gives."""
    with localcontext(prec=40):
        powers = np.array([float(Decimal(2) ** (Decimal(i) / _PARTS)) for i in range(_PARTS)])
    return powers.view(np.int64) - (np.arange(_PARTS) << (52 - _PART_BITS))


TABLE = _table()
