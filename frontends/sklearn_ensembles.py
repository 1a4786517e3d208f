"""scikit-learn's ensembles of other estimators: voting, bagging and adaptive boosting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import Outputs
from ..ir import steps as s
from ..ir.steps import Operator
from .convert import predict, require_fitted
from .sklearn.tree import (
    add_trees,
    allows_nan,
    answer_by_probability,
    average_trees,
    refuse_classes,
)
from .sklearn_trees import read_tree, require_float32
from .values import labels_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .graph import Graph, Names

_TREES = {
    "DecisionTreeClassifier",
    "DecisionTreeRegressor",
    "ExtraTreeClassifier",
    "ExtraTreeRegressor",
}


def convert_voting_regressor(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Average the predictions by weight, in the order of the estimators."""
    members = require_fitted(model, "estimators_", graph)
    answers = [predict(member, inputs, graph).prediction for member in members]
    return Outputs(prediction=_average(answers, model._weights_not_none, graph))  # noqa: SLF001


def convert_voting_classifier(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Average the probabilities by weight, or count the votes; the first of equals wins."""
    members = require_fitted(model, "estimators_", graph)
    refuse_classes(model, graph)
    weights = model._weights_not_none  # noqa: SLF001 - no public equivalent
    answers = [predict(member, inputs, graph) for member in members]
    if model.voting == "soft":
        shares = [answer.probabilities for answer in answers]
        if not all(shares):
            raise graph.refuse(
                "one of its estimators has no probabilities in our translation",
                "train it with voting='hard'",
            )
        probabilities = _average(shares, weights, graph)
        label = graph.add(s.Argmax(probabilities, graph.label()))
        return Outputs(label, labels_of(model.classes_), probabilities)
    width = len(model.classes_)
    votes = [_votes(answer, width, graph) for answer in answers]
    counts = _add(votes, np.ones(len(votes)) if weights is None else weights, graph)
    label = graph.add(s.Argmax(counts, graph.label()))
    return Outputs(label, labels_of(model.classes_))


def _votes(answer: Outputs, width: int, graph: Graph) -> Names:
    """Spread the index of a predicted class over one column a class."""
    columns = graph.numbered("vote", width)
    label = (answer.prediction[0],)
    return graph.add(s.OneHot(label, columns, np.arange(width, dtype=np.float64)))


def _average(answers: Sequence[Names], weights: Any, graph: Graph) -> Names:
    """Add the columns of all estimators by weight, then divide by the sum of the weights."""
    by_weight = np.ones(len(answers)) if weights is None else np.asarray(weights, np.float64)
    sums = _add(answers, by_weight, graph)
    return graph.arithmetic(sums, Operator.DIVIDE, float(by_weight.sum()))


def _add(answers: Sequence[Names], weights: Any, graph: Graph) -> Names:
    column = np.asarray(weights, np.float64).reshape(-1, 1)
    sums: list[str] = []
    for terms in zip(*answers, strict=True):
        output = graph.numbered("sum", 1)
        sums += graph.add(s.Dot(terms, output, column, np.zeros(1)))
    return tuple(sums)


def convert_bagging_regressor(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Average the trees, each on the columns that it was shown."""
    means = _average_bag(model, inputs, graph)
    return Outputs(prediction=means, margins=means)


def convert_bagging_classifier(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Average each class's probability over the trees, each on the columns that it was shown."""
    require_fitted(model, "estimators_", graph)
    refuse_classes(model, graph)
    if any(len(member.classes_) != len(model.classes_) for member in model.estimators_):
        raise graph.refuse(
            "some of its estimators saw no row of some class",
            "train with max_samples=1.0, or on more rows of the rare classes",
        )
    return answer_by_probability(model.classes_, _average_bag(model, inputs, graph), graph)


def _average_bag(model: Any, inputs: Names, graph: Graph) -> Names:
    members = require_fitted(model, "estimators_", graph)
    _refuse_others(members, graph)
    return average_trees(
        members,
        inputs,
        graph,
        allow_nan=allows_nan(members[0]),
        features=[np.asarray(features) for features in model.estimators_features_],
    )


def _refuse_others(members: Sequence[Any], graph: Graph) -> None:
    name = type(members[0]).__name__
    if name not in _TREES:
        raise graph.refuse(
            f"its base estimator {name} is no decision tree, and others are not translated yet",
            "use a decision tree as its estimator, or a VotingClassifier or VotingRegressor",
        )


def convert_adaptive_classifier(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Add the weight of each tree to the class that it predicts, and take a share from the others.

    Of two classes the library's score is the second's minus the first's, which is its opposite.
    """
    members = require_fitted(model, "estimators_", graph)
    refuse_classes(model, graph)
    _refuse_others(members, graph)
    classes = labels_of(model.classes_)
    if any(labels_of(member.classes_) != classes for member in members):
        raise graph.refuse("some of its trees saw no row of some class", "train on more rows")
    require_float32(inputs, graph, allow_nan=False)
    scored = [1] if len(classes) == 2 else list(range(len(classes)))  # noqa: PLR2004 - a binary one
    parts = [
        read_tree(member.tree_, _gains(member, weight, index))
        for member, weight in zip(members, model.estimator_weights_, strict=False)
        for index in scored
    ]
    sums = add_trees(parts, len(scored), inputs, graph)
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


def _gains(member: Any, weight: float, index: int) -> np.ndarray:
    """Give what each node adds to the score of a class."""
    count = len(member.classes_)
    predicted = np.argmax(member.tree_.value[:, 0, :], axis=1)
    return np.where(predicted == index, weight, -1 / (count - 1) * weight)
