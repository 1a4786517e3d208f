"""``sklearn.linear_model``: models that are one dot product and a link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import Outputs
from ...ir import steps as s
from ...ir.steps import Operator
from ..convert import add_link, predict, require_fitted
from ..sklearn_outliers import answer_outlier
from ..values import labels_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..graph import Graph, Names


def convert_regressor(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Weighted sums, one a target."""
    sums = add_dot(model, inputs, graph)
    return Outputs(prediction=sums, margins=sums)


def convert_generalized_regressor(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Add up, and invert the link that the model was fitted with."""
    margins = add_dot(model, inputs, graph)
    link = type(model._base_loss.link).__name__  # noqa: SLF001 - no public equivalent
    if link == "IdentityLink":
        return Outputs(prediction=margins, margins=margins)
    if link != "LogLink":
        raise graph.refuse(f"its link {link} has no exact translation", "fit with link='log'")
    return Outputs(add_link(graph, margins, s.Function.NUMPY_EXP), margins=margins)


def convert_ransac_regressor(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Predict with the regressor that was fitted to the inliers."""
    graph.require_numbers(inputs)
    return predict(require_fitted(model, "estimator_", graph), inputs, graph)


def convert_classifier(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Weighted sums; labels from the sums, and no probabilities."""
    return add_labels(model, add_dot(model, inputs, graph), graph)


def convert_ridge_classifier(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Weighted sums; several labels a row are refused."""
    binarizer = require_fitted(model, "_label_binarizer", graph)
    if binarizer.y_type_.startswith("multilabel"):
        raise graph.refuse("it predicts several labels for a row", "fit one classifier a label")
    return convert_classifier(model, inputs, graph)


def convert_logistic_regression(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Weighted sums; probabilities by sigmoid or softmax.

    Before scikit-learn 1.8, ``multi_class`` and the solver could ask for other probabilities.
    """
    margins = add_dot(model, inputs, graph)
    kind = getattr(model, "multi_class", "auto")
    if len(margins) == 1:
        if kind == "multinomial":
            return _add_mirrored_softmax(model, margins, graph)
        return add_sigmoid(model, margins, graph)
    if kind == "ovr" or model.solver == "liblinear":
        return _add_shares(model, margins, s.Function.SIGMOID, graph)
    return add_softmax(model, margins, graph)


def convert_sgd_classifier(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Weighted sums; probabilities where the loss has them."""
    margins = add_dot(model, inputs, graph)
    match model.loss:
        case "log_loss" if len(margins) == 1:
            return add_sigmoid(model, margins, graph)
        case "log_loss":
            return _add_shares(model, margins, s.Function.SIGMOID, graph)
        case "modified_huber" if len(margins) == 1:
            return with_binary(add_labels(model, margins, graph), _half_clip(graph, margins), graph)
        case "modified_huber":
            return _add_shares(model, margins, None, graph)
        case _:
            return add_labels(model, margins, graph)


def convert_one_class(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Weighted sums less the offset; 1 from 0 upwards, else -1."""
    offset = require_fitted(model, "offset_", graph)
    return answer_outlier(add_dot(model, inputs, graph, intercept=-offset), graph)


def add_dot(model: Any, inputs: Names, graph: Graph, *, intercept: Any = None) -> Names:
    """Append the weighted sums of ``coef_`` and ``intercept_``, one a row of the coefficients."""
    fitted = require_fitted(model, "coef_", graph)
    dense = fitted.toarray() if hasattr(fitted, "toarray") else fitted
    coefficients = np.atleast_2d(dense)
    graph.require_numbers(inputs)
    graph.require(inputs, missing=True, infinite=True)
    weights = np.ascontiguousarray(coefficients.T, np.float64)
    added = np.asarray(model.intercept_ if intercept is None else intercept, np.float64)
    intercepts = np.broadcast_to(added, len(coefficients))
    outputs = graph.numbered("margin", len(coefficients))
    return graph.add(s.Dot(inputs, outputs, weights, intercepts.copy()))


def add_labels(model: Any, margins: Names, graph: Graph) -> Outputs:
    """Append the label: of two classes by the score's sign, of more by the largest score."""
    if len(margins) == 1:
        step: s.Step = s.Exceeds((margins[0],), graph.label(), 0.0)
    else:
        step = s.Argmax(margins, graph.label())
    return Outputs(graph.add(step), labels_of(model.classes_), (), margins)


def add_sigmoid(model: Any, margins: Names, graph: Graph) -> Outputs:
    """Append the label of one score, and the sigmoid as the second class's probability."""
    outputs = add_labels(model, margins, graph)
    return with_binary(outputs, add_link(graph, margins, s.Function.SIGMOID), graph)


def add_softmax(model: Any, margins: Names, graph: Graph) -> Outputs:
    """Append the label of the largest score, and the softmax of the scores."""
    outputs = add_labels(model, margins, graph)
    probabilities = graph.columnwise(margins, "softmax", s.Softmax)
    return Outputs(outputs.prediction, outputs.classes, probabilities, margins)


def _add_mirrored_softmax(model: Any, margins: Names, graph: Graph) -> Outputs:
    """Append the label of one score, and the softmax of its opposite and itself."""
    outputs = add_labels(model, margins, graph)
    pair = graph.arithmetic(margins, Operator.MULTIPLY, -1.0) + margins
    probabilities = graph.columnwise(pair, "softmax", s.Softmax)
    return Outputs(outputs.prediction, outputs.classes, probabilities, margins)


def with_binary(outputs: Outputs, positive: Names, graph: Graph) -> Outputs:
    """Give two classes their probabilities: the second's, and 1 less that."""
    negative = graph.arithmetic(positive, Operator.SUBTRACT_FROM, 1.0)
    return Outputs(outputs.prediction, outputs.classes, negative + positive, outputs.margins)


def _add_shares(model: Any, margins: Names, function: s.Function | None, graph: Graph) -> Outputs:
    """Append one probability a class, each against the rest, over their sum."""
    outputs = add_labels(model, margins, graph)
    alone = add_link(graph, margins, function) if function else _half_clip(graph, margins)
    shares = graph.columnwise(
        alone, "share", lambda read, written: s.Normalize(read, written, s.Norm.SUM)
    )
    return Outputs(outputs.prediction, outputs.classes, shares, margins)


def _half_clip(graph: Graph, margins: Names) -> Names:
    """Bring scores from [-1, 1] to [0, 1], as the modified Huber loss does."""
    clipped = graph.columnwise(margins, "clip", lambda read, written: s.Clip(read, written, -1, 1))
    return graph.arithmetic(graph.arithmetic(clipped, Operator.ADD, 1.0), Operator.DIVIDE, 2.0)


_REGRESSORS = (
    *("ARDRegression", "BayesianRidge", "ElasticNet", "ElasticNetCV", "HuberRegressor"),
    *("Lars", "LarsCV", "Lasso", "LassoCV", "LassoLars", "LassoLarsCV", "LassoLarsIC"),
    *("LinearRegression", "MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso"),
    *("MultiTaskLassoCV", "OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV"),
    *("PassiveAggressiveRegressor", "QuantileRegressor", "Ridge", "RidgeCV", "SGDRegressor"),
    "TheilSenRegressor",
)
_GENERALIZED = ("GammaRegressor", "PoissonRegressor", "TweedieRegressor")

PREDICTORS: dict[str, Callable[[Any, Names, Graph], Outputs]] = {
    **dict.fromkeys(_REGRESSORS, convert_regressor),
    **dict.fromkeys(_GENERALIZED, convert_generalized_regressor),
    "LogisticRegression": convert_logistic_regression,
    "LogisticRegressionCV": convert_logistic_regression,
    "PassiveAggressiveClassifier": convert_classifier,
    "Perceptron": convert_classifier,
    "RANSACRegressor": convert_ransac_regressor,
    "RidgeClassifier": convert_ridge_classifier,
    "RidgeClassifierCV": convert_ridge_classifier,
    "SGDClassifier": convert_sgd_classifier,
    "SGDOneClassSVM": convert_one_class,
}
