"""``sklearn.linear_model``: models that are one dot product and a link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import Outputs
from ...ir import steps as s
from ...ir.steps import Operator
from ..convert import add_link, require_fitted
from ..values import labels_of

if TYPE_CHECKING:
    from ..graph import Graph, Names


def convert_linear_regression(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Weighted sums, one a target."""
    sums = _dot(model, inputs, graph)
    return Outputs(prediction=sums, margins=sums)


def convert_logistic_regression(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Weighted sums; labels from the sums, probabilities by sigmoid or softmax."""
    margins = _dot(model, inputs, graph)
    classes = labels_of(model.classes_)
    if len(margins) == 1:
        prediction = graph.add(s.Exceeds((margins[0],), graph.label(), 0.0))
        positive = add_link(graph, margins, s.Function.SIGMOID)
        negative = graph.arithmetic(positive, Operator.SUBTRACT_FROM, 1.0)
        return Outputs(prediction, classes, negative + positive, margins)
    prediction = graph.add(s.Argmax(margins, graph.label()))
    probabilities = graph.columnwise(margins, "softmax", s.Softmax)
    return Outputs(prediction, classes, probabilities, margins)


def _dot(model: Any, inputs: Names, graph: Graph) -> Names:
    coefficients = np.atleast_2d(require_fitted(model, "coef_", graph))
    graph.require_numbers(inputs)
    graph.require(inputs, missing=True, infinite=True)
    weights = np.ascontiguousarray(coefficients.T, np.float64)
    intercepts = np.broadcast_to(np.asarray(model.intercept_, np.float64), len(coefficients))
    outputs = graph.numbered("margin", len(coefficients))
    return graph.add(s.Dot(inputs, outputs, weights, intercepts.copy()))


PREDICTORS = {
    "LinearRegression": convert_linear_regression,
    "LogisticRegression": convert_logistic_regression,
    "Ridge": convert_linear_regression,
}
