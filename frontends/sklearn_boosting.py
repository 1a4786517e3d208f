"""scikit-learn's gradient boosting: the classic one, and the one on histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import Outputs
from ..ir import steps as s
from ..ir.steps import Function, Operator, Precision
from .convert import add_link, predict, require_fitted, transform
from .sklearn.tree import add_trees, refuse_classes
from .sklearn_outliers import BELOW_ZERO
from .sklearn_responses import add_up
from .sklearn_trees import (
    check_integers,
    join_trees,
    read_predictor,
    read_tree,
    require_float32,
)
from .values import labels_of

if TYPE_CHECKING:
    from .graph import Graph, Names


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
    return _answer_by_score(model.classes_, margins, scaled, BELOW_ZERO, graph)


def _boosted_sums(model: Any, inputs: Names, graph: Graph) -> Names:
    stages = require_fitted(model, "estimators_", graph)
    require_float32(inputs, graph, allow_nan=False)
    parts = [
        read_tree(member.tree_, model.learning_rate * member.tree_.value[:, 0, 0])
        for stage in stages
        for member in stage
    ]
    rounds, width = stages.shape
    if not _starts_alike(model.init_):
        first = _initial_prediction(model, inputs, graph)
        leaves = add_trees(parts, rounds, inputs, graph)
        return add_up([first, *((leaf,) for leaf in leaves)], graph)
    trees = join_trees(parts, list(range(width)) * rounds)
    check_integers(trees, inputs, graph)
    outputs = graph.numbered("margin", width)
    start = _initial_scores(model)
    return graph.add(s.Forest(inputs, outputs, trees, start, Precision.FLOAT64))


_CONSTANT_STRATEGIES = {"constant", "mean", "median", "most_frequent", "prior", "quantile"}
_READ_FLOAT32 = {
    *("DecisionTreeRegressor", "ExtraTreeRegressor"),
    *("ExtraTreesRegressor", "RandomForestRegressor"),
    *("GradientBoostingRegressor", "HistGradientBoostingRegressor"),
}
"""Estimators that compute the same from columns that were rounded to float32."""


def _starts_alike(initial: Any) -> bool:
    """Whether the scores before the first tree are the same for all rows."""
    is_dummy = type(initial).__module__ == "sklearn.dummy"
    return initial == "zero" or (is_dummy and initial.strategy in _CONSTANT_STRATEGIES)


def _initial_scores(model: Any) -> np.ndarray:
    """Ask the library for the scores before the first tree."""
    row = np.zeros((1, model.n_features_in_), np.float32)
    return model._raw_predict_init(row)[0].astype(np.float64)  # noqa: SLF001 - no public one


def _initial_prediction(model: Any, inputs: Names, graph: Graph) -> Names:
    """Predict the scores before the first tree, from columns that the library rounds to float32."""
    name = type(model.init_).__name__
    if name not in _READ_FLOAT32 or type(model.init_).__module__.split(".")[0] != "sklearn":
        raise graph.refuse(
            f"its init estimator, {name}, gives each row a score of its own, in float32",
            "train with init=None or init='zero', or with a regressor of trees as init",
        )
    return predict(model.init_, add_link(graph, inputs, Function.FLOAT32), graph).prediction


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
