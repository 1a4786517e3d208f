"""scikit-learn's adaptive boosting: estimators that vote by weight, or whose median counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import Outputs
from ..ir import steps as s
from ..ir.steps import Operator
from .convert import predict, require_fitted
from .sklearn.tree import add_trees, refuse_classes
from .sklearn_bagging import are_trees
from .sklearn_responses import add_up
from .sklearn_trees import read_tree, require_float32
from .values import labels_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .graph import Graph, Names


def convert_adaptive_regressor(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Sort the predictions, and give the one at which the weights reach half of their sum."""
    members = require_fitted(model, "estimators_", graph)
    graph.require_numbers(inputs)
    if are_trees(members):
        require_float32(inputs, graph, allow_nan=False)
        parts = [read_tree(member.tree_, member.tree_.value[:, 0, 0]) for member in members]
        answers = add_trees(parts, len(members), inputs, graph)
    else:
        graph.require(inputs, missing=True, infinite=True)
        found = [predict(member, inputs, graph).prediction for member in members]
        answers = tuple(name for (name,) in found)
    weights = np.asarray(model.estimator_weights_[: len(members)], np.float64)
    (output,) = graph.numbered("median", 1)
    return Outputs(graph.add(s.WeightedMedian(answers, (output,), weights)))


def convert_adaptive_classifier(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Add each member's weight to the class that it predicts, and take a share from the others.

    Of two classes the library's score is the second's minus the first's, which is its opposite.
    """
    members = require_fitted(model, "estimators_", graph)
    refuse_classes(model, graph)
    classes = labels_of(model.classes_)
    if any(labels_of(member.classes_) != classes for member in members):
        raise graph.refuse("some of its members saw no row of some class", "train on more rows")
    scored = [1] if len(classes) == 2 else list(range(len(classes)))  # noqa: PLR2004 - a binary one
    sums = (_sum_trees if are_trees(members) else _sum_votes)(model, scored, inputs, graph)
    scores = graph.arithmetic(sums, Operator.DIVIDE, float(model.estimator_weights_.sum()))
    if len(scored) > 1:
        label = graph.add(s.Argmax(scores, graph.label()))
        scaled = graph.arithmetic(scores, Operator.DIVIDE, float(len(classes) - 1))
        probabilities = graph.columnwise(scaled, "softmax", s.Softmax)
        return Outputs(label, classes, probabilities, scores)
    margin = graph.arithmetic(scores, Operator.MULTIPLY, 2.0)
    label = graph.add(s.Exceeds((margin[0],), graph.label(), 0.0))
    pair = graph.arithmetic(margin, Operator.DIVIDE, -2.0) + scores
    probabilities = graph.columnwise(pair, "softmax", s.Softmax)
    return Outputs(label, classes, probabilities, margin)


def _sum_trees(model: Any, scored: Sequence[int], inputs: Names, graph: Graph) -> Names:
    require_float32(inputs, graph, allow_nan=False)
    count = len(model.classes_)
    parts = [
        read_tree(
            member.tree_,
            _gains(np.argmax(member.tree_.value[:, 0, :], axis=1), weight, index, count),
        )
        for member, weight in zip(model.estimators_, model.estimator_weights_, strict=False)
        for index in scored
    ]
    return add_trees(parts, len(scored), inputs, graph)


def _sum_votes(model: Any, scored: Sequence[int], inputs: Names, graph: Graph) -> Names:
    graph.require_numbers(inputs)
    graph.require(inputs, missing=True, infinite=True)
    count = len(model.classes_)
    keys = tuple(float(index) for index in range(count))
    votes: list[Names] = []
    for member, weight in zip(model.estimators_, model.estimator_weights_, strict=False):
        label = (predict(member, inputs, graph).prediction[0],)
        gains: list[str] = []
        for index in scored:
            values = _gains(np.arange(count), weight, index, count)
            (output,) = graph.numbered("gain", 1)
            gains += graph.add(s.Lookup(label, (output,), graph.path, keys, values, None, None))
        votes.append(tuple(gains))
    return add_up(votes, graph)


def _gains(
    predicted: NDArray[np.intp], weight: float, index: int, count: int
) -> NDArray[np.float64]:
    """Give what each prediction adds to the score of a class."""
    return np.where(predicted == index, weight, -1 / (count - 1) * weight)
