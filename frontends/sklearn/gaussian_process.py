"""``sklearn.gaussian_process``: the mean is a weighted sum of kernels over the training rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import Outputs
from ...ir import steps as s
from ...ir.steps import Operator
from ..convert import add_constants, require_fitted
from ..sklearn_kernels import LINEAR, Expansion, add_kernel_sum, require_rows
from ..sklearn_processes import terms_of

if TYPE_CHECKING:
    from ..graph import Graph, Names


def convert_regressor(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Predict the mean: kernels over the training rows, multiplied out into one step a product."""
    alpha = np.asarray(require_fitted(model, "alpha_", graph), np.float64)
    alpha = alpha[:, None] if alpha.ndim == 1 else alpha
    require_rows(inputs, graph)
    if model.X_train_.dtype == np.float32:
        raise graph.refuse(
            "it was fitted to float32, in which its kernels divide by their length scales",
            "fit with frame.astype(float)",
        )
    points = np.asarray(model.X_train_, np.float64)
    parts: list[Names] = []
    for term in terms_of(model.kernel_, len(inputs), graph):
        # A constant alone is a kernel to the power of 0.
        factors = term.factors or (LINEAR._replace(degree=0.0),)
        expansion = Expansion(points, term.constant * alpha)
        parts.append(add_kernel_sum(expansion, factors, inputs, graph))
    means = _added(parts, alpha.shape[1], inputs, graph)
    scaled = graph.arithmetic(means, Operator.MULTIPLY, model._y_train_std)  # noqa: SLF001
    shifted = graph.arithmetic(scaled, Operator.ADD, model._y_train_mean)  # noqa: SLF001
    return Outputs(prediction=shifted)


def _added(parts: list[Names], count: int, inputs: Names, graph: Graph) -> Names:
    """Append the sum of the terms of each target."""
    if not parts:
        return add_constants(graph, inputs, np.zeros(count))
    if len(parts) == 1:
        return parts[0]
    columns = tuple(name for part in parts for name in part)
    weights = np.tile(np.eye(count), (len(parts), 1))
    return graph.add(s.Dot(columns, graph.numbered("mean", count), weights, np.zeros(count)))


def refuse_classifier(model: Any, inputs: Names, graph: Graph) -> Outputs:  # noqa: ARG001
    """Refuse the classifier: its probabilities need the variance, which a solver gives."""
    raise graph.refuse(
        "its probabilities come from a variance that LAPACK solves for, row by row, and from "
        "scipy's erf",
        "fit SVC, or CalibratedClassifierCV(SVC()) for probabilities, or keep the model whole with "
        "opaque=True",
    )


PREDICTORS = {
    "GaussianProcessClassifier": refuse_classifier,
    "GaussianProcessRegressor": convert_regressor,
}
