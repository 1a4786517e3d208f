"""``sklearn.mixture``: the log-probability of each Gaussian, and shares of their exponentials."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import ColumnType
from ...ir import steps as s
from ...ir.steps import Operator
from ..convert import require_fitted
from ..sklearn_likelihoods import (
    add_products,
    add_squares,
    add_total,
    answer_by_likelihood,
    require_finite,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...ir import Outputs
    from ..graph import Graph, Names


def convert_mixture(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Squared distances from each component's means, by its precision; the labels are indices."""
    means = np.asarray(require_fitted(model, "means_", graph))
    require_finite(inputs, graph)
    _refuse_integers(inputs, graph)
    squares = _SQUARES[model.covariance_type](model, inputs, graph)
    shifted = graph.arithmetic(squares, Operator.ADD, len(inputs) * math.log(2 * math.pi))
    scores = graph.arithmetic(shifted, Operator.MULTIPLY, -0.5)
    for operator, operands in _constants(model, len(inputs)):
        scores = graph.arithmetic(scores, operator, operands)
    return answer_by_likelihood(tuple(range(len(means))), scores, graph)


def _constants(model: Any, width: int) -> list[tuple[Operator, Any]]:
    """List what is added to each component's score, in the library's order.

    Source: ``_estimate_log_gaussian_prob`` in sklearn/mixture/_gaussian_mixture.py and
    ``_estimate_log_prob`` in sklearn/mixture/_bayesian_mixture.py.
    """
    determinants = _log_determinants(model.precisions_cholesky_, model.covariance_type, width)
    weights = model._estimate_log_weights()  # noqa: SLF001 - no public equivalent
    if type(model).__name__ == "GaussianMixture":
        return [(Operator.ADD, determinants), (Operator.ADD, weights)]
    from scipy.special import digamma

    freedom = model.degrees_of_freedom_
    places = np.arange(0, width)[:, np.newaxis]
    logarithms = width * np.log(2.0) + np.sum(digamma(0.5 * (freedom - places)), 0)
    return [
        (Operator.ADD, determinants),
        (Operator.SUBTRACT, 0.5 * width * np.log(freedom)),
        (Operator.ADD, 0.5 * (logarithms - width / model.mean_precision_)),
        (Operator.ADD, weights),
    ]


def _log_determinants(factors: Any, kind: str, width: int) -> Any:
    """Source: ``_compute_log_det_cholesky`` in sklearn/mixture/_gaussian_mixture.py."""
    match kind:
        case "full":
            return np.sum(np.log(factors.reshape(len(factors), -1)[:, :: width + 1]), axis=1)
        case "tied":
            return np.sum(np.log(np.diagonal(factors)))
        case "diag":
            return np.sum(np.log(factors), axis=1)
        case _:
            return width * np.log(factors)


def _refuse_integers(inputs: Names, graph: Graph) -> None:
    """Refuse frames without a float: the library keeps log-probabilities in the frame's type."""
    if not any(_is_float(name, graph) for name in inputs):
        raise graph.refuse(
            "no column is sure to hold floats, and of integers the library cuts log-probabilities "
            "to integers",
            "turn a column into floats before training: df[c].astype(float)",
        )


def _is_float(name: str, graph: Graph) -> bool:
    if name in graph.signature:
        return graph.types[name] is ColumnType.DOUBLE
    step = next(step for step in graph.steps if name in s.outputs_of(step))
    kinds = s.Arithmetic | s.Dot | s.Elementwise | s.Forest | s.Interpolate | s.Normalize
    return isinstance(step, kinds)


def _full(model: Any, inputs: Names, graph: Graph) -> Names:
    return _rotated(model.means_, model.precisions_cholesky_, inputs, graph)


def _tied(model: Any, inputs: Names, graph: Graph) -> Names:
    return _rotated(model.means_, [model.precisions_cholesky_] * len(model.means_), inputs, graph)


def _rotated(means: Any, factors: Any, inputs: Names, graph: Graph) -> Names:
    sums: list[str] = []
    for mean, factor in zip(means, factors, strict=True):
        axes = add_products(inputs, factor, -(mean @ factor), graph)
        sums += add_total(add_squares(axes, graph), 0.0, graph)
    return tuple(sums)


def _diagonal(model: Any, inputs: Names, graph: Graph) -> Names:
    means, precisions = model.means_, model.precisions_cholesky_**2
    weights = np.concatenate([-2.0 * (means * precisions).T, precisions.T])
    own = np.sum(means**2 * precisions, axis=1)
    return add_products(inputs + add_squares(inputs, graph), weights, own, graph)


def _spherical(model: Any, inputs: Names, graph: Graph) -> Names:
    means, precisions = model.means_, model.precisions_cholesky_**2
    norm = add_total(add_squares(inputs, graph), 0.0, graph)
    own = np.sum(means**2, axis=1) * precisions
    by_mean = -2.0 * means.T.astype(np.float64) * precisions
    weights = np.concatenate([by_mean, precisions[np.newaxis, :]])
    return add_products(inputs + norm, weights, own, graph)


_SQUARES: dict[str, Callable[[Any, Names, Graph], Names]] = {
    "diag": _diagonal,
    "full": _full,
    "spherical": _spherical,
    "tied": _tied,
}

PREDICTORS = {"BayesianGaussianMixture": convert_mixture, "GaussianMixture": convert_mixture}
