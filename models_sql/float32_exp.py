"""The C library's ``expf``, whose float64 arithmetic SQL can repeat operation by operation.

Source: sysdeps/ieee754/flt-32/e_expf.c of glibc 2.27 and newer.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np

PARTS = 32
PER_PART = float.fromhex("0x1.71547652b82fep+0") * PARTS
CUBIC = float.fromhex("0x1.c6af84b912394p-5") / PARTS**3
SQUARE = float.fromhex("0x1.ebfce50fac4f3p-3") / PARTS**2
LINEAR = float.fromhex("0x1.62e42ff0c52d6p-1") / PARTS
BEYOND = 150.0
"""No further than from here, up or down, the exponential is infinite or 0 in float32."""
with localcontext(prec=40):
    POWERS = tuple(float(Decimal(2) ** (Decimal(part) / PARTS)) for part in range(PARTS))
"""2 to the power of each 32nd."""


def exp_float32(x: float) -> float:
    """Give e to the power of a number, rounded to float32 as ``expf`` rounds it."""
    if math.isnan(x):
        return x
    scaled = min(max(x, -BEYOND), BEYOND) * PER_PART
    nearest = float(np.rint(scaled))
    rest = scaled - nearest
    part = int(nearest) % PARTS
    power = (CUBIC * rest + SQUARE) * (rest * rest) + (LINEAR * rest + 1.0)
    with np.errstate(over="ignore"):
        whole = math.ldexp(POWERS[part], (int(nearest) - part) // PARTS)
        return float(np.float32(power * whole))
