"""``sklearn.multiclass``: many classes through classifiers of two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir import Outputs
from ...ir import steps as s
from ...ir.steps import Function, Operator
from ..convert import add_constants, add_link, predict, require_fitted
from ..sklearn_centroids import add_distances, add_nearest
from ..sklearn_responses import add_up, refuse_float32, require_places, response_of, scoring_method
from ..values import labels_of
from .linear_model import with_binary
from .tree import refuse_classes

if TYPE_CHECKING:
    from ..graph import Graph, Names


def convert_one_vs_rest(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Predict the class whose own estimator gives the highest score, the first of equals.

    Probabilities are each class's own over their sum; where all are 0, they stay 0.
    """
    members = require_fitted(model, "estimators_", graph)
    if model.multilabel_:
        raise graph.refuse(
            "it predicts several labels for a row", "publish each of model.estimators_ as a model"
        )
    refuse_classes(model, graph)
    answers = [predict(member, inputs, graph) for member in members]
    scores = tuple(_score(*pair, graph) for pair in zip(members, answers, strict=True))
    if len(scores) == 1:
        label = graph.add(s.Exceeds((scores[0],), graph.label(), _threshold(members[0])))
    else:
        label = graph.add(s.Argmax(scores, graph.label()))
    margins = scores if hasattr(members[0], "decision_function") else ()
    outputs = Outputs(label, labels_of(model.classes_), (), margins)
    if not hasattr(members[0], "predict_proba"):
        return outputs
    positive = [response_of(answer, "predict_proba", graph)[1:] for answer in answers]
    refuse_float32(positive, graph)
    shares = tuple(name for (name,) in positive)
    if len(shares) == 1:
        shares = with_binary(outputs, shares, graph).probabilities
    probabilities = graph.columnwise(
        shares, "share", lambda read, made: s.Normalize(read, made, s.Norm.SUM_UNLESS_ZERO)
    )
    return Outputs(label, outputs.classes, probabilities, margins)


def _score(member: Any, answer: Outputs, graph: Graph) -> str:
    """Give a member's score for its second class. Source: ``_predict_binary``."""
    if answer.classes is None:
        return answer.prediction[0]
    return response_of(answer, scoring_method(member), graph)[-1]


def _threshold(member: Any) -> float:
    return 0.0 if hasattr(member, "decision_function") else 0.5


def convert_one_vs_one(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Count the votes of the pairs; the sums of their scores decide between equals.

    Source: ``_ovr_decision_function`` in sklearn/utils/multiclass.py.
    """
    members = require_fitted(model, "estimators_", graph)
    refuse_classes(model, graph)
    if model.pairwise_indices_ is not None:
        raise graph.refuse("its estimator reads a kernel matrix", "use kernel='rbf' or 'linear'")
    graph.require_numbers(inputs)
    answers = [predict(member, inputs, graph) for member in members]
    if any(answer.classes is None for answer in answers):
        raise graph.refuse("its estimator is a regressor", "use a classifier")
    for answer in answers:
        require_places(answer, (0, 1), graph)
    scores = [_score(*pair, graph) for pair in zip(members, answers, strict=True)]
    sums = _add_pairs(scores, len(model.classes_), graph, Operator.MULTIPLY, -1.0)
    votes = [answer.prediction[0] for answer in answers]
    counts = _add_pairs(votes, len(model.classes_), graph, Operator.SUBTRACT_FROM, 1.0)
    margins = add_up([counts, add_link(graph, sums, Function.SKLEARN_CONFIDENCE)], graph)
    classes = labels_of(model.classes_)
    if len(classes) > 2:  # noqa: PLR2004 - two classes
        return Outputs(graph.add(s.Argmax(margins, graph.label())), classes, (), margins)
    step = s.Exceeds((margins[1],), graph.label(), _threshold(members[0]))
    return Outputs(graph.add(step), classes, (), margins[1:])


def _add_pairs(
    columns: list[str], count: int, graph: Graph, operator: Operator, operand: float
) -> Names:
    """Add each pair's column to its second class, and the result of an operation to its first."""
    firsts = graph.arithmetic(tuple(columns), operator, operand)
    terms: list[list[Names]] = [[] for _ in range(count)]
    pairs = [(low, high) for low in range(count) for high in range(low + 1, count)]
    for (low, high), first, second in zip(pairs, firsts, columns, strict=True):
        terms[low].append((first,))
        terms[high].append((second,))
    return tuple(add_up(group, graph)[0] for group in terms)


def convert_output_code(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Predict the class whose row of the code book is nearest to the members' scores."""
    members = require_fitted(model, "estimators_", graph)
    refuse_classes(model, graph)
    graph.require_numbers(inputs)
    answers = [predict(member, inputs, graph) for member in members]
    scores = tuple(_score(*pair, graph) for pair in zip(members, answers, strict=True))
    graph.require(scores, missing=True, infinite=True)
    distances = add_distances(scores, model.code_book_, graph)
    return Outputs(add_nearest(distances, graph), labels_of(model.classes_))


def convert_constant(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Give the one answer of a member that saw rows of one class only."""
    answer = float(model.y_[0])
    negative, positive = add_constants(graph, inputs, [1.0 - answer, answer])
    return Outputs((positive,), (0, 1), (negative, positive), (positive,))


PREDICTORS = {
    "_ConstantPredictor": convert_constant,
    "OneVsOneClassifier": convert_one_vs_one,
    "OneVsRestClassifier": convert_one_vs_rest,
    "OutputCodeClassifier": convert_output_code,
}
