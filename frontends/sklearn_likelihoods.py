"""Classifiers and mixtures that compare a score a class, and share 1 by the scores' exponentials.

A column that is the sum of others is a dot product with ones: in which order numpy adds depends on
the layout of the library's arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import Outputs
from ..ir import steps as s
from .convert import add_link

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..ir import Scalar
    from .graph import Graph, Names


def require_finite(inputs: Names, graph: Graph) -> None:
    """Refuse texts at conversion, and missing and infinite values at scoring."""
    graph.require_numbers(inputs)
    graph.require(inputs, missing=True, infinite=True)


def finite_log(values: Any, graph: Graph) -> Any:
    """Give logarithms; refuse those of 0, behind which no answer could be held to a bound."""
    with np.errstate(divide="ignore"):
        logarithms = np.log(values)
    refuse_infinite(logarithms, graph)
    return logarithms


def refuse_infinite(logarithms: Any, graph: Graph) -> None:
    """Refuse fitted logarithms of probabilities or variances that are 0."""
    if not np.isfinite(logarithms).all():
        raise graph.refuse(
            "a fitted probability or variance is 0, and its logarithm infinite",
            "fit with priors and smoothing (alpha, var_smoothing) above 0",
        )


def add_products(inputs: Names, weights: Any, intercepts: Any, graph: Graph) -> Names:
    """Append the sums of the inputs by ``weights``, [inputs, outputs], plus ``intercepts``."""
    matrix = np.ascontiguousarray(weights, np.float64)
    offsets = np.broadcast_to(np.asarray(intercepts, np.float64), matrix.shape[1:]).copy()
    return graph.add(s.Dot(inputs, graph.numbered("sum", matrix.shape[1]), matrix, offsets))


def add_total(inputs: Names, intercept: ArrayLike, graph: Graph) -> Names:
    """Append the sum of the inputs, plus ``intercept``."""
    return add_products(inputs, np.ones((len(inputs), 1)), intercept, graph)


def add_squares(inputs: Names, graph: Graph) -> Names:
    """Append the square of each column."""
    return add_link(graph, inputs, s.Function.SQUARE)


def answer_by_likelihood(classes: tuple[Scalar, ...], scores: Names, graph: Graph) -> Outputs:
    """Answer by joint log-likelihoods: the largest, and shares by scikit-learn's ``logsumexp``."""
    label = graph.add(s.Argmax(scores, graph.label()))
    logarithms = graph.columnwise(scores, "log_share", s.LogSoftmax)
    return Outputs(label, classes, add_link(graph, logarithms, s.Function.NUMPY_EXP))


def answer_by_discriminants(
    classes: tuple[Scalar, ...], scores: Names, label: Names, graph: Graph
) -> Outputs:
    """Answer by discriminant scores; the raw score of two classes is their difference.

    Source: ``DiscriminantAnalysisPredictionMixin`` in sklearn/discriminant_analysis.py.
    """
    probabilities = graph.columnwise(scores, "softmax", s.Softmax)
    margins = scores
    if len(scores) == 2:  # noqa: PLR2004 - a binary one
        margins = add_products(scores, [[-1.0], [1.0]], 0.0, graph)
    return Outputs(label, classes, probabilities, margins)
