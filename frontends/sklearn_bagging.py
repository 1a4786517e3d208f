"""scikit-learn's bagging: each estimator on the rows and columns that it was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import Outputs
from ..ir import steps as s
from ..ir.steps import Operator
from .convert import add_constants, predict, require_fitted
from .sklearn.tree import allows_nan, answer_by_probability, average_trees, refuse_classes
from .sklearn_responses import add_up, hot_labels, refuse_float32, require_places, response_of
from .values import labels_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .graph import Graph, Names

TREES = {
    "DecisionTreeClassifier",
    "DecisionTreeRegressor",
    "ExtraTreeClassifier",
    "ExtraTreeRegressor",
}
"""Estimators that are read together as one forest."""


def convert_bagging_regressor(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Average the predictions, each on the columns that the regressor was shown."""
    members = require_fitted(model, "estimators_", graph)
    shown = [np.asarray(features) for features in model.estimators_features_]
    if are_trees(members):
        means = _average_trees(members, shown, inputs, graph)
        return Outputs(prediction=means, margins=means)
    answers = [answer.prediction for answer in _ask(members, shown, inputs, graph)]
    refuse_float32(answers, graph)
    return Outputs(graph.arithmetic(add_up(answers, graph), Operator.DIVIDE, len(members)))


def convert_bagging_classifier(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Average each class's probability over the classifiers, or count the votes of labels.

    A classifier that saw no row of a class adds nothing to it.
    """
    members = require_fitted(model, "estimators_", graph)
    refuse_classes(model, graph)
    width = len(model.classes_)
    shown = [np.asarray(features) for features in model.estimators_features_]
    known = [_known(member, width) for member in members]
    if are_trees(members) and all(len(classes) == width for classes in known):
        means = _average_trees(members, shown, inputs, graph)
        return answer_by_probability(model.classes_, means, graph)
    answers = _ask(members, shown, inputs, graph)
    shares = [
        _shares(member, answer, classes, width, graph)
        for member, answer, classes in zip(members, answers, known, strict=True)
    ]
    sums = tuple(_add_class(place, shares, inputs, graph) for place in range(width))
    means = graph.arithmetic(sums, Operator.DIVIDE, len(members))
    label = graph.add(s.Argmax(means, graph.label()))
    scores = _scores(members, answers, width, graph)
    return Outputs(label, labels_of(model.classes_), means, scores)


def are_trees(members: Sequence[Any]) -> bool:
    """Whether the members are single trees of scikit-learn."""
    return type(members[0]).__name__ in TREES


def _average_trees(
    members: Sequence[Any], shown: Sequence[Any], inputs: Names, graph: Graph
) -> Names:
    allow_nan = allows_nan(members[0])
    return average_trees(members, inputs, graph, allow_nan=allow_nan, features=shown)


def _ask(
    members: Sequence[Any], shown: Sequence[Any], inputs: Names, graph: Graph
) -> list[Outputs]:
    """Convert each member on its columns, which the library puts into one array of numbers."""
    graph.require_numbers(inputs)
    return [
        predict(member, tuple(inputs[index] for index in features), graph)
        for member, features in zip(members, shown, strict=True)
    ]


def _known(member: Any, width: int) -> list[int]:
    """List the places of the classes that a member saw; where it saw all, by their order."""
    all_places = list(range(width))
    return all_places if len(member.classes_) == width else np.asarray(member.classes_).tolist()


def _shares(
    member: Any, answer: Outputs, known: Sequence[int], width: int, graph: Graph
) -> dict[int, str]:
    """Give what a member adds to each class that it knows."""
    if hasattr(member, "predict_proba"):
        columns = response_of(answer, "predict_proba", graph)
        return dict(zip(known, columns, strict=True))
    require_places(answer, known, graph)
    places = [known.index(place) if place in known else -1 for place in range(width)]
    return dict(enumerate(hot_labels(answer, places, graph)))


def _add_class(place: int, shares: Sequence[dict[int, str]], inputs: Names, graph: Graph) -> str:
    """Add up what the members that know a class say about it."""
    terms = [(share[place],) for share in shares if place in share]
    return add_up(terms, graph)[0] if terms else add_constants(graph, inputs, [0.0])[0]


def _scores(members: Sequence[Any], answers: Sequence[Outputs], width: int, graph: Graph) -> Names:
    """Average the decision functions, where the members have one and know all classes."""
    if not hasattr(members[0], "decision_function"):
        return ()
    if any(len(member.classes_) != width for member in members):
        raise graph.refuse(
            "some of its estimators saw no row of some class, so that its decision_function fails",
            "train with larger max_samples, or on more rows of the rare classes",
        )
    scores = [answer.margins for answer in answers]
    if not all(scores):
        return ()
    return graph.arithmetic(add_up(scores, graph), Operator.DIVIDE, len(members))
