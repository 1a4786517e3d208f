"""``sklearn.discriminant_analysis``: the linear and the quadratic one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import steps as s
from ...ir.steps import Operator
from ..convert import require_fitted
from ..sklearn_likelihoods import (
    add_products,
    add_squares,
    add_total,
    answer_by_discriminants,
    finite_log,
    require_finite,
)
from ..values import labels_of
from .linear_model import add_dot, add_sigmoid, add_softmax

if TYPE_CHECKING:
    from ...ir import Outputs
    from ..graph import Graph, Names


def convert_linear_discriminant_analysis(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Weighted sums; probabilities by sigmoid or softmax."""
    margins = add_dot(model, inputs, graph)
    add = add_sigmoid if len(margins) == 1 else add_softmax
    return add(model, margins, graph)


def convert_linear_projection(model: Any, inputs: Names, graph: Graph) -> Names:
    """Subtract the mean where the solver does, and project."""
    if model.solver == "lsqr":
        raise graph.refuse("solver='lsqr' has no projection", "fit with solver='svd' or 'eigen'")
    weights = require_fitted(model, "scalings_", graph)[:, : model._max_components]  # noqa: SLF001
    require_finite(inputs, graph)
    columns = inputs
    if model.solver == "svd":
        columns = graph.arithmetic(inputs, Operator.SUBTRACT, model.xbar_)
    return add_products(columns, weights, 0.0, graph)


def convert_quadratic_discriminant_analysis(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Squared distances from each class's means in its own axes; probabilities by softmax."""
    rotations = require_fitted(model, "rotations_", graph)
    require_finite(inputs, graph)
    scores: list[str] = []
    priors = finite_log(model.priors_, graph)
    parts = zip(rotations, model.scalings_, model.means_, priors, strict=True)
    for rotation, scaling, means, prior in parts:
        gaps = graph.arithmetic(inputs, Operator.SUBTRACT, means)
        axes = add_products(gaps, rotation * (scaling ** (-0.5)), 0.0, graph)
        sums = add_total(add_squares(axes, graph), np.sum(finite_log(scaling, graph)), graph)
        halves = graph.arithmetic(sums, Operator.MULTIPLY, -0.5)
        scores += graph.arithmetic(halves, Operator.ADD, prior)
    label = graph.add(s.Argmax(tuple(scores), graph.label()))
    return answer_by_discriminants(labels_of(model.classes_), tuple(scores), label, graph)


PREDICTORS = {
    "LinearDiscriminantAnalysis": convert_linear_discriminant_analysis,
    "QuadraticDiscriminantAnalysis": convert_quadratic_discriminant_analysis,
}
TRANSFORMERS = {"LinearDiscriminantAnalysis": convert_linear_projection}
