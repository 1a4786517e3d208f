"""``sklearn.calibration``: probabilities from the scores of other classifiers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...ir import Outputs
from ...ir import steps as s
from ...ir.steps import Function, Operator
from ..convert import add_link, require_fitted
from ..sklearn_responses import add_up, refuse_float32, respond, scoring_method
from ..values import labels_of
from .isotonic import add_isotonic
from .tree import refuse_classes

if TYPE_CHECKING:
    from ..graph import Graph, Names

_ABOVE_ZERO = 1e-12
"""What the library adds to a probability before its logarithm."""


def convert_calibrated(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Average the calibrated probabilities of all folds; the first of the largest is the label."""
    members = require_fitted(model, "calibrated_classifiers_", graph)
    refuse_classes(model, graph)
    answers = [_calibrate(member, inputs, graph) for member in members]
    means = graph.arithmetic(add_up(answers, graph), Operator.DIVIDE, len(members))
    label = graph.add(s.Argmax(means, graph.label()))
    return Outputs(label, labels_of(model.classes_), means)


def _calibrate(member: Any, inputs: Names, graph: Graph) -> Names:
    """Give one fold's probabilities. Source: ``_CalibratedClassifier.predict_proba``."""
    classes = labels_of(member.classes)
    known = labels_of(member.estimator.classes_)
    # With temperature, the classifier may have been shown the places of the labels instead.
    if known not in {classes, tuple(range(len(classes)))}:
        raise graph.refuse(
            "the classifier of one of its folds saw no row of some class",
            "train with fewer folds, or on more rows of the rare classes",
        )
    method = scoring_method(member.estimator)
    scores = respond(member.estimator, method, inputs, graph)
    if len(classes) == 2:  # noqa: PLR2004 - two classes
        scores = scores[-1:]
    elif len(scores) != len(classes):
        raise graph.refuse(
            f"its classifier gives {len(scores)} scores for {len(classes)} classes",
            "calibrate a classifier with one score a class",
        )
    if member.method != "sigmoid":
        refuse_float32([scores], graph)
        graph.require(scores, missing=True, infinite=True)
    if member.method == "temperature":
        logits = _logits(scores, method, graph)
        scaled = graph.arithmetic(logits, Operator.MULTIPLY, member.calibrators[0].beta_)
        return graph.columnwise(scaled, "softmax", s.Softmax)
    alone = tuple(
        _calibrate_score(calibrator, score, member.method, graph)
        for calibrator, score in zip(member.calibrators, scores, strict=True)
    )
    probabilities = _normalize(alone, graph)
    if member.method == "sigmoid":
        return probabilities
    # Interpolation may end a rounding above 1.
    return graph.columnwise(
        probabilities, "clip", lambda read, made: s.Clip(read, made, -math.inf, 1.0)
    )


def _calibrate_score(calibrator: Any, score: str, method: str, graph: Graph) -> str:
    if method == "isotonic":
        return add_isotonic(calibrator, score, graph)[0]
    slope = graph.arithmetic((score,), Operator.MULTIPLY, calibrator.a_)
    shifted = graph.arithmetic(slope, Operator.ADD, calibrator.b_)
    opposite = graph.arithmetic(shifted, Operator.MULTIPLY, -1.0)
    return add_link(graph, opposite, Function.SIGMOID)[0]


def _normalize(alone: Names, graph: Graph) -> Names:
    """Give two classes 1 less the second's, and more of them their shares."""
    if len(alone) == 1:
        return graph.arithmetic(alone, Operator.SUBTRACT_FROM, 1.0) + alone
    return graph.columnwise(alone, "share", lambda read, made: s.Normalize(read, made, s.Norm.SUM))


def _logits(scores: Names, method: str, graph: Graph) -> Names:
    """Give one logit a class: of scores the scores, of probabilities their logarithms.

    The library takes a batch of scores for probabilities where each row of it happens to consist of
    shares that sum to 1; that is not followed, since a row's answer would depend on its batch.
    """
    if method == "decision_function":
        if len(scores) > 1:
            return scores
        return graph.arithmetic(scores, Operator.MULTIPLY, -1.0) + scores
    if len(scores) == 1:
        scores = graph.arithmetic(scores, Operator.SUBTRACT_FROM, 1.0) + scores
    return add_link(graph, graph.arithmetic(scores, Operator.ADD, _ABOVE_ZERO), Function.NUMPY_LOG)


PREDICTORS = {"CalibratedClassifierCV": convert_calibrated}
