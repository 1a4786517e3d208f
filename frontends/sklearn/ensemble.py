"""``sklearn.ensemble``: forests and gradient boosting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import Outputs
from ...ir import steps as s
from ...ir.steps import Function, Operator, Precision
from ..convert import add_link, require_fitted, transform
from ..sklearn_ensembles import (
    convert_adaptive_classifier,
    convert_bagging_classifier,
    convert_bagging_regressor,
    convert_voting_classifier,
    convert_voting_regressor,
)
from ..sklearn_trees import (
    check_integers,
    join_trees,
    read_predictor,
    read_tree,
    require_float32,
)
from ..values import labels_of
from .tree import allows_nan, answer_by_probability, average_trees, refuse_classes

if TYPE_CHECKING:
    from ..graph import Graph, Names

_BELOW_ZERO = -5e-324
"""The largest number below zero: what exceeds it is not negative."""


def convert_forest_regressor(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Average the trees, added in their order.

    With ``n_jobs`` above 1 the library adds them in the order in which its threads finish, and
    its last digit changes from call to call; the answer here is that of one job.
    """
    members = require_fitted(model, "estimators_", graph)
    means = average_trees(members, inputs, graph, allow_nan=allows_nan(members[0]))
    return Outputs(prediction=means, margins=means)


def convert_forest_classifier(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Average each class's probability over the trees; the first of the largest is the label.

    The order of the sums is that of one job, as in :func:`convert_forest_regressor`.
    """
    members = require_fitted(model, "estimators_", graph)
    refuse_classes(model, graph)
    means = average_trees(members, inputs, graph, allow_nan=allows_nan(members[0]))
    return answer_by_probability(model.classes_, means, graph)


def convert_boosting_regressor(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Add every tree, times the learning rate, to the initial value."""
    margins = _boosted_sums(model, inputs, graph)
    return Outputs(prediction=margins, margins=margins)


def convert_boosting_classifier(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Raw scores; of two classes the second is predicted from 0 upwards, 0 included."""
    margins = _boosted_sums(model, inputs, graph)
    scaled = margins
    if model.loss == "exponential":
        scaled = graph.arithmetic(margins, Operator.MULTIPLY, 2.0)
    return _answer_by_score(model.classes_, margins, scaled, _BELOW_ZERO, graph)


def _boosted_sums(model: Any, inputs: Names, graph: Graph) -> Names:
    stages = require_fitted(model, "estimators_", graph)
    require_float32(inputs, graph, allow_nan=False)
    parts = [
        read_tree(member.tree_, model.learning_rate * member.tree_.value[:, 0, 0])
        for stage in stages
        for member in stage
    ]
    rounds, width = stages.shape
    trees = join_trees(parts, list(range(width)) * rounds)
    check_integers(trees, inputs, graph)
    outputs = graph.numbered("margin", width)
    start = _initial_scores(model, graph)
    return graph.add(s.Forest(inputs, outputs, trees, start, Precision.FLOAT64))


_CONSTANT_STRATEGIES = {"constant", "mean", "median", "most_frequent", "prior", "quantile"}


def _initial_scores(model: Any, graph: Graph) -> np.ndarray:
    """Ask the library for the scores before the first tree, where they are the same for all."""
    initial = model.init_
    is_dummy = type(initial).__module__ == "sklearn.dummy"
    if initial != "zero" and not (is_dummy and initial.strategy in _CONSTANT_STRATEGIES):
        raise graph.refuse(
            f"its init estimator, {type(initial).__name__}, gives each row a score of its own",
            "train with init=None or init='zero'",
        )
    row = np.zeros((1, model.n_features_in_), np.float32)
    return model._raw_predict_init(row)[0].astype(np.float64)  # noqa: SLF001 - no public one


def convert_histogram_regressor(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Give raw scores through the inverse of the loss's link."""
    margins = _histogram_sums(model, inputs, graph)
    return Outputs(prediction=_inverse_link(model, margins, graph), margins=margins)


def convert_histogram_classifier(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Raw scores; of two classes the second is predicted above 0."""
    require_fitted(model, "_predictors", graph)
    refuse_classes(model, graph)
    margins = _histogram_sums(model, inputs, graph)
    return _answer_by_score(model.classes_, margins, margins, 0.0, graph)


def _histogram_sums(model: Any, inputs: Names, graph: Graph) -> Names:
    iterations = require_fitted(model, "_predictors", graph)
    columns = _encode_categories(model, inputs, graph)
    start = np.ravel(model._baseline_prediction).astype(np.float64)  # noqa: SLF001 - no public one
    outputs = graph.numbered("margin", len(start))
    parts = [read_predictor(predictor) for predictors in iterations for predictor in predictors]
    if not parts:
        raise graph.refuse("it has no trees", "train with max_iter of at least 1")
    trees = join_trees(parts, list(range(len(start))) * len(iterations))
    return graph.add(s.Forest(columns, outputs, trees, start, Precision.FLOAT64))


def _encode_categories(model: Any, inputs: Names, graph: Graph) -> Names:
    """Categorical columns as codes, then the others: the order in which the library splits them.

    Values that are unknown or missing become NaN, so every code that a tree sees is a known one.
    """
    if model.is_categorical_ is None:
        graph.require_numbers(inputs)
        return inputs
    chosen = [name for name, is_code in zip(inputs, model.is_categorical_, strict=True) if is_code]
    others = tuple(name for name in inputs if name not in set(chosen))
    graph.require_numbers(others)
    encoder = model._preprocessor.named_transformers_["encoder"]  # noqa: SLF001 - no public one
    return transform(encoder, tuple(chosen), graph) + others


def _inverse_link(model: Any, margins: Names, graph: Graph) -> Names:
    link = type(model._loss.link).__name__  # noqa: SLF001 - the public loss may be an object
    match link:
        case "IdentityLink":
            return margins
        case "LogLink":
            return add_link(graph, margins, Function.NUMPY_EXP)
        case _:
            raise graph.refuse(f"its link {link} is not known", "train with a built-in loss")


def _answer_by_score(
    classes: Any, margins: Names, scaled: Names, threshold: float, graph: Graph
) -> Outputs:
    """Labels from raw scores; probabilities from scaled ones, by sigmoid or softmax."""
    if len(margins) == 1:
        label = graph.add(s.Exceeds((margins[0],), graph.label(), threshold))
        positive = add_link(graph, scaled, Function.SIGMOID)
        negative = graph.arithmetic(positive, Operator.SUBTRACT_FROM, 1.0)
        return Outputs(label, labels_of(classes), negative + positive, margins)
    label = graph.add(s.Argmax(margins, graph.label()))
    probabilities = graph.columnwise(scaled, "softmax", s.Softmax)
    return Outputs(label, labels_of(classes), probabilities, margins)


PREDICTORS = {
    "AdaBoostClassifier": convert_adaptive_classifier,
    "BaggingClassifier": convert_bagging_classifier,
    "BaggingRegressor": convert_bagging_regressor,
    "ExtraTreesClassifier": convert_forest_classifier,
    "ExtraTreesRegressor": convert_forest_regressor,
    "GradientBoostingClassifier": convert_boosting_classifier,
    "GradientBoostingRegressor": convert_boosting_regressor,
    "HistGradientBoostingClassifier": convert_histogram_classifier,
    "HistGradientBoostingRegressor": convert_histogram_regressor,
    "RandomForestClassifier": convert_forest_classifier,
    "RandomForestRegressor": convert_forest_regressor,
    "VotingClassifier": convert_voting_classifier,
    "VotingRegressor": convert_voting_regressor,
}
