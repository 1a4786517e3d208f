"""Kernels of Gaussian processes as sums of products, each of which is one step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..ir.steps import Kernel
from .sklearn_kernels import Factor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .graph import Graph

_MOST_TERMS = 64


class Term(NamedTuple):
    """A constant times a product of kernels."""

    constant: float
    factors: tuple[Factor, ...]


def terms_of(kernel: Any, columns: int, graph: Graph) -> list[Term]:
    """Multiply a kernel out; noise between different rows is nothing, and leaves no term."""
    name = type(kernel).__name__
    if not type(kernel).__module__.startswith("sklearn.gaussian_process."):
        raise graph.refuse(
            f"its kernel {name} is not scikit-learn's", "compose scikit-learn's own kernels"
        )
    match name:
        case "Sum":
            terms = terms_of(kernel.k1, columns, graph) + terms_of(kernel.k2, columns, graph)
        case "Product":
            terms = _multiplied(
                terms_of(kernel.k1, columns, graph), terms_of(kernel.k2, columns, graph)
            )
        case "Exponentiation":
            terms = _raised(terms_of(kernel.kernel, columns, graph), kernel.exponent, graph)
        case "WhiteKernel":
            terms = []
        case "ConstantKernel":
            terms = [Term(float(kernel.constant_value), ())]
        case _ if name in _FACTORS:
            terms = [Term(1.0, (_FACTORS[name](kernel, columns, graph),))]
        case _:
            raise graph.refuse(
                f"its kernel {name} has no exact translation",
                "use RBF, Matern, RationalQuadratic or DotProduct",
            )
    if len(terms) > _MOST_TERMS:
        raise graph.refuse(
            f"its kernel has more than {_MOST_TERMS} terms when it is multiplied out",
            "use a product of fewer sums",
        )
    return terms


def _multiplied(left: list[Term], right: list[Term]) -> list[Term]:
    return [Term(a.constant * b.constant, a.factors + b.factors) for a in left for b in right]


def _raised(terms: list[Term], exponent: float, graph: Graph) -> list[Term]:
    if len(terms) == 1 and terms[0].constant >= 0:
        (term,) = terms
        factors = tuple(f._replace(exponent=f.exponent * exponent) for f in term.factors)
        return [Term(float(term.constant**exponent), factors)]
    if exponent != int(exponent) or not 1 <= exponent <= _MOST_TERMS:
        raise graph.refuse(
            f"it raises a sum of kernels to the power {exponent}",
            "raise each kernel by itself, or use a whole number",
        )
    raised = terms
    for _ in range(int(exponent) - 1):
        raised = _multiplied(raised, terms)
        if len(raised) > _MOST_TERMS:
            break
    return raised


def _rbf(kernel: Any, *_: object) -> Factor:
    return Factor(Kernel.RBF, 0.5, scale=kernel.length_scale)


_MATERNS = {
    0.5: Factor(Kernel.EXPONENTIAL),
    1.5: Factor(Kernel.MATERN_3_2),
    2.5: Factor(Kernel.MATERN_5_2),
    np.inf: Factor(Kernel.RBF, 0.5),
}


def _matern(kernel: Any, _columns: int, graph: Graph) -> Factor:
    if kernel.nu not in _MATERNS:
        raise graph.refuse(
            f"its Matern kernel has nu={kernel.nu}, which needs a Bessel function",
            "use nu=0.5, 1.5, 2.5 or inf",
        )
    return _MATERNS[kernel.nu]._replace(scale=kernel.length_scale)


def _rational_quadratic(kernel: Any, *_: object) -> Factor:
    gamma = 2 * kernel.alpha * kernel.length_scale**2
    return Factor(Kernel.RATIONAL_QUADRATIC, float(gamma), degree=float(kernel.alpha))


def _dot_product(kernel: Any, *_: object) -> Factor:
    return Factor(Kernel.POLYNOMIAL, constant=float(kernel.sigma_0**2))


def _periodic(kernel: Any, columns: int, graph: Graph) -> Factor:
    if columns > 1:
        raise graph.refuse(
            "its kernel ExpSineSquared takes the sine of a distance over several columns, whose "
            "last bit depends on the order in which they are added",
            "use ExpSineSquared with a single column",
        )
    return Factor(Kernel.PERIODIC, float(np.pi / kernel.periodicity), float(kernel.length_scale))


_FACTORS: Mapping[str, Callable[[Any, int, Graph], Factor]] = {
    "DotProduct": _dot_product,
    "ExpSineSquared": _periodic,
    "Matern": _matern,
    "RBF": _rbf,
    "RationalQuadratic": _rational_quadratic,
}
