"""Sums of scikit-learn's kernels over stored rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..ir import steps as s
from ..ir.steps import Kernel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from .graph import Graph, Names


class Factor(NamedTuple):
    """One kernel of a product; ``scale`` divides the columns."""

    kernel: Kernel
    gamma: float = 1.0
    constant: float = 0.0
    degree: float = 1.0
    scale: Any = 1.0
    exponent: float = 1.0


class Expansion(NamedTuple):
    """The stored rows, what each is weighted by in each sum, and what is taken off its kernel."""

    points: ArrayLike
    weights: ArrayLike
    intercepts: ArrayLike | None = None
    centers: ArrayLike | None = None


LINEAR = Factor(Kernel.POLYNOMIAL)
_METRICS: Mapping[str, Kernel] = {
    "laplacian": Kernel.LAPLACIAN,
    "linear": Kernel.POLYNOMIAL,
    "poly": Kernel.POLYNOMIAL,
    "polynomial": Kernel.POLYNOMIAL,
    "rbf": Kernel.EXPANDED_RBF,
    "sigmoid": Kernel.SIGMOID,
}
_REFUSED = {
    "additive_chi2": "use kernel='rbf', or AdditiveChi2Sampler before a linear model",
    "chi2": "use kernel='rbf'",
    "cosine": "put Normalizer() before this step and fit with kernel='linear'",
    "precomputed": "fit with kernel='rbf' or another named kernel, on the columns themselves",
}


def add_kernel_sum(
    expansion: Expansion, factors: Sequence[Factor], inputs: Names, graph: Graph
) -> Names:
    """Append the weighted sums of a product of kernels, one a column of the weights."""
    points = np.array(expansion.points, np.float64)
    weights = np.array(expansion.weights, np.float64)
    weights = weights[:, None] if weights.ndim == 1 else weights
    count = weights.shape[1]
    intercepts, centers = expansion.intercepts, expansion.centers
    return graph.add(
        s.KernelSum(
            inputs,
            graph.numbered("kernel_sum", count),
            points,
            weights,
            np.zeros(count) if intercepts is None else np.array(intercepts, np.float64),
            np.zeros(len(points)) if centers is None else np.array(centers, np.float64),
            tuple(factor.kernel for factor in factors),
            np.stack([_spread(factor.scale, len(inputs)) for factor in factors]),
            np.array([factor.gamma for factor in factors], np.float64),
            np.array([factor.constant for factor in factors], np.float64),
            np.array([factor.degree for factor in factors], np.float64),
            np.array([factor.exponent for factor in factors], np.float64),
        )
    )


def _spread(scale: Any, count: int) -> NDArray[np.float64]:
    return np.broadcast_to(np.asarray(scale, np.float64), (count,)).copy()


def require_rows(inputs: Names, graph: Graph) -> None:
    """Refuse what is no dense row of finite numbers."""
    graph.require_numbers(inputs)
    graph.require_dense(inputs)
    graph.require(inputs, missing=True, infinite=True)


def pairwise_kernel(name: Any, parameters: Mapping[str, Any], count: int, graph: Graph) -> Factor:
    """Read a kernel of ``sklearn.metrics.pairwise``; ``gamma`` is 1 over the columns by default."""
    if not isinstance(name, str) or name not in _METRICS:
        known = isinstance(name, str) and name in _REFUSED
        shown = repr(name) if isinstance(name, str) else "that is a function in Python"
        raise graph.refuse(
            f"kernel {shown} has no exact translation",
            _REFUSED[name] if known else "fit with kernel='rbf' or another named kernel",
        )
    if name == "linear":
        return LINEAR
    gamma = parameters.get("gamma")
    return Factor(
        _METRICS[name],
        1.0 / count if gamma is None else float(gamma),
        float(_given(parameters, "coef0", 1.0)),
        float(_given(parameters, "degree", 3.0)) if name.startswith("poly") else 1.0,
    )


def _given(parameters: Mapping[str, Any], name: str, default: float) -> float:
    value = parameters.get(name)
    return default if value is None else value
