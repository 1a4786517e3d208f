"""The quantiles of the normal distribution, as ``scipy.special.ndtri`` computes them.

Rational approximations in three ranges, each operation rounded once, with the C library's
logarithm. Source: S. L. Moshier, Cephes Math Library, ``ndtri``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .libm import log

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Polynomial = tuple[float, ...]

_TAIL = 0.13533528323661269189
"""exp(-2): probabilities from here to one less it are in the middle."""
_ROOT = 2.50662827463100050242
"""The root of two pi."""
_FAR = 8.0
"""Where the root of -2 log y reaches this, the third approximation begins."""
_MIDDLE: tuple[Polynomial, Polynomial] = (
    (
        *(-5.99633501014107895267e1, 9.80010754185999661536e1, -5.66762857469070293439e1),
        *(1.39312609387279679503e1, -1.23916583867381258016),
    ),
    (
        *(1.0, 1.95448858338141759834, 4.67627912898881538453, 8.63602421390890590575e1),
        *(-2.25462687854119370527e2, 2.00260212380060660359e2, -8.20372256168333339912e1),
        *(1.59056225126211695515e1, -1.18331621121330003142),
    ),
)
_NEAR_TAIL: tuple[Polynomial, Polynomial] = (
    (
        *(4.05544892305962419923, 3.15251094599893866154e1, 5.71628192246421288162e1),
        *(4.40805073893200834700e1, 1.46849561928858024014e1, 2.18663306850790267539),
        *(-1.40256079171354495875e-1, -3.50424626827848203418e-2, -8.57456785154685413611e-4),
    ),
    (
        *(1.0, 1.57799883256466749731e1, 4.53907635128879210584e1, 4.13172038254672030440e1),
        *(1.50425385692907503408e1, 2.50464946208309415979, -1.42182922854787788574e-1),
        *(-3.80806407691578277194e-2, -9.33259480895457427372e-4),
    ),
)
_FAR_TAIL: tuple[Polynomial, Polynomial] = (
    (
        *(3.23774891776946035970, 6.91522889068984211695, 3.93881025292474443415),
        *(1.33303460815807542389, 2.01485389549179081538e-1, 1.23716634817820021358e-2),
        *(3.01581553508235416007e-4, 2.65806974686737550832e-6, 6.23974539184983293730e-9),
    ),
    (
        *(1.0, 6.02427039364742014255, 3.67983563856160859403, 1.37702099489081330271),
        *(2.16236993594496635890e-1, 1.34204006088543189037e-2, 3.28014464682127739104e-4),
        *(2.89247864745380683936e-6, 6.79019408009981274425e-9),
    ),
)


def ndtri(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the numbers below which a normal variable lies with each probability: float64[rows].

    Probabilities outside of 0 to 1, and NaN, give NaN.
    """
    is_upper = probabilities > 1.0 - _TAIL
    y = np.where(is_upper, 1.0 - probabilities, probabilities)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.where(y > _TAIL, _middle(y), _tail(y))
    found = np.where(is_upper | (y > _TAIL), found, -found)
    found = np.where(probabilities == 0.0, -np.inf, found)
    found = np.where(probabilities == 1.0, np.inf, found)
    return np.where((probabilities >= 0.0) & (probabilities <= 1.0), found, np.nan)


def _middle(y: NDArray[np.float64]) -> NDArray[np.float64]:
    w = y - 0.5
    squares = w * w
    top, bottom = (_polynomial(squares, terms) for terms in _MIDDLE)
    return (w + w * (squares * top / bottom)) * _ROOT


def _tail(y: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.sqrt(-2.0 * log(y))
    z = 1.0 / x
    near, far = (
        z * _polynomial(z, top) / _polynomial(z, bottom) for top, bottom in (_NEAR_TAIL, _FAR_TAIL)
    )
    return (x - log(x) / x) - np.where(x < _FAR, near, far)


def _polynomial(x: NDArray[np.float64], terms: Polynomial) -> NDArray[np.float64]:
    total = np.full_like(x, terms[0])
    for term in terms[1:]:
        total = total * x + term
    return total
