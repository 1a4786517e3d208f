"""scikit-learn's voting and stacking: several estimators on the same columns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import Outputs
from ..ir import steps as s
from ..ir.steps import Operator
from .convert import predict, require_fitted
from .sklearn.tree import refuse_classes
from .sklearn_responses import (
    add_up,
    hot_labels,
    refuse_float32,
    require_places,
    respond,
    response_of,
)
from .values import labels_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .graph import Graph, Names

_IN_ONE_ORDER = 8
"""Fewer columns than this numpy adds from the first to the last, however many rows there are."""


def convert_voting_regressor(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Average the predictions by weight, in the order of the estimators."""
    members = require_fitted(model, "estimators_", graph)
    answers = [predict(member, inputs, graph).prediction for member in members]
    weights = model._weights_not_none  # noqa: SLF001 - no public equivalent
    if weights is None:
        refuse_float32(answers, graph)
    if len(members) < _IN_ONE_ORDER:
        return Outputs(_average(answers, weights, graph))
    by_weight = np.ones(len(answers)) if weights is None else np.asarray(weights, np.float64)
    terms = tuple(name for (name,) in answers)
    total = graph.add(s.Dot(terms, graph.numbered("sum", 1), by_weight[:, None], np.zeros(1)))
    return Outputs(graph.arithmetic(total, Operator.DIVIDE, float(by_weight.sum())))


def convert_voting_classifier(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Average the probabilities by weight, or count the votes; the first of equals wins."""
    members = require_fitted(model, "estimators_", graph)
    refuse_classes(model, graph)
    weights = model._weights_not_none  # noqa: SLF001 - no public equivalent
    answers = [predict(member, inputs, graph) for member in members]
    if model.voting == "soft":
        shares = _probabilities(answers, graph)
        if weights is None:
            refuse_float32(shares, graph)
        probabilities = _average(shares, weights, graph)
        label = graph.add(s.Argmax(probabilities, graph.label()))
        return Outputs(label, labels_of(model.classes_), probabilities)
    places = range(len(model.classes_))
    for answer in answers:
        require_places(answer, places, graph)
    votes = [hot_labels(answer, places, graph) for answer in answers]
    label = graph.add(s.Argmax(add_up(_weigh(votes, weights, graph), graph), graph.label()))
    return Outputs(label, labels_of(model.classes_))


def _probabilities(answers: Sequence[Outputs], graph: Graph) -> list[Names]:
    shares = [answer.probabilities for answer in answers]
    if not all(shares):
        raise graph.refuse(
            "one of its estimators has no probabilities in our translation",
            "train it with voting='hard'",
        )
    return shares


def _average(answers: Sequence[Names], weights: Any, graph: Graph) -> Names:
    """Add the columns of all estimators by weight, then divide by the sum of the weights."""
    total = len(answers) if weights is None else float(np.asarray(weights, np.float64).sum())
    return graph.arithmetic(
        add_up(_weigh(answers, weights, graph), graph), Operator.DIVIDE, float(total)
    )


def _weigh(answers: Sequence[Names], weights: Any, graph: Graph) -> list[Names]:
    if weights is None:
        return list(answers)
    pairs = zip(answers, weights, strict=True)
    return [graph.arithmetic(names, Operator.MULTIPLY, float(weight)) for names, weight in pairs]


def convert_voting_transformer(model: Any, inputs: Names, graph: Graph) -> Names:
    """Put what each estimator votes side by side: probabilities, or values and codes of labels."""
    members = require_fitted(model, "estimators_", graph)
    answers = [predict(member, inputs, graph) for member in members]
    if getattr(model, "voting", "hard") == "soft":
        if not model.flatten_transform:
            raise graph.refuse(
                "flatten_transform=False gives a cube of numbers, and no columns",
                "fit with flatten_transform=True",
            )
        columns = _probabilities(answers, graph)
    else:
        columns = [response_of(answer, "predict", graph) for answer in answers]
    return _side_by_side(columns, (), graph)


def convert_stacking_regressor(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Let the final estimator read what the others predict."""
    columns = convert_stacking_transformer(model, inputs, graph)
    return predict(model.final_estimator_, columns, graph)


def convert_stacking_classifier(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Let the final classifier read the others' probabilities, scores or labels."""
    columns = convert_stacking_transformer(model, inputs, graph)
    refuse_classes(model, graph)
    answer = predict(model.final_estimator_, columns, graph)
    require_places(answer, range(len(model.classes_)), graph)
    # It was fitted to the positions of the labels.
    return replace(answer, classes=labels_of(model.classes_))


def convert_stacking_transformer(model: Any, inputs: Names, graph: Graph) -> Names:
    """Put what the estimators answer side by side; of two probabilities the second alone."""
    members = require_fitted(model, "estimators_", graph)
    if isinstance(getattr(model, "_label_encoder", None), list):
        raise graph.refuse("it predicts several labels for a row", "stack one model a label")
    is_binary = len(getattr(model, "classes_", ())) == 2  # noqa: PLR2004 - two classes
    columns: list[Names] = []
    for member, method in zip(members, model.stack_method_, strict=True):
        found = respond(member, method, inputs, graph)
        columns.append(found[1:] if is_binary and method == "predict_proba" else found)
    return _side_by_side(columns, inputs if model.passthrough else (), graph)


def _side_by_side(columns: Sequence[Names], passed: Names, graph: Graph) -> Names:
    """Give one matrix of numbers: what is passed through comes last."""
    graph.require_numbers(passed)
    graph.require_dense(passed)
    refuse_float32([*columns, passed], graph)
    return (*(name for names in columns for name in names), *passed)
