"""The quantiles of the normal distribution, as ``scipy.special.ndtri`` computes them.

Rational approximations in three ranges, each operation rounded once, with the C library's
logarithm. Source: S. L. Moshier, Cephes Math Library, ``ndtri``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..ir.normal import FAR, FAR_TAIL, MIDDLE, NEAR_TAIL, ROOT, TAIL
from .libm import log

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..ir.normal import Polynomial


def ndtri(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the numbers below which a normal variable lies with each probability: float64[rows].

    Probabilities outside of 0 to 1, and NaN, give NaN.
    """
    is_upper = probabilities > 1.0 - TAIL
    y = np.where(is_upper, 1.0 - probabilities, probabilities)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.where(y > TAIL, _middle(y), _tail(y))
    found = np.where(is_upper | (y > TAIL), found, -found)
    found = np.where(probabilities == 0.0, -np.inf, found)
    found = np.where(probabilities == 1.0, np.inf, found)
    return np.where((probabilities >= 0.0) & (probabilities <= 1.0), found, np.nan)


def _middle(y: NDArray[np.float64]) -> NDArray[np.float64]:
    w = y - 0.5
    squares = w * w
    top, bottom = (_polynomial(squares, terms) for terms in MIDDLE)
    return (w + w * (squares * top / bottom)) * ROOT


def _tail(y: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.sqrt(-2.0 * log(y))
    z = 1.0 / x
    near, far = (
        z * _polynomial(z, top) / _polynomial(z, bottom) for top, bottom in (NEAR_TAIL, FAR_TAIL)
    )
    return (x - log(x) / x) - np.where(x < FAR, near, far)


def _polynomial(x: NDArray[np.float64], terms: Polynomial) -> NDArray[np.float64]:
    total = np.full_like(x, terms[0])
    for term in terms[1:]:
        total = total * x + term
    return total
