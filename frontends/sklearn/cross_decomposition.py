"""``sklearn.cross_decomposition``: centered columns and weighted sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir import Outputs
from ...ir.steps import Operator
from ..convert import require_fitted
from ..sklearn_likelihoods import add_products, require_finite

if TYPE_CHECKING:
    from ..graph import Graph, Names


def convert_regression(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Subtract the means, then weighted sums, one a target."""
    coefficients = require_fitted(model, "coef_", graph)
    require_finite(inputs, graph)
    centered = graph.arithmetic(inputs, Operator.SUBTRACT, model._x_mean)  # noqa: SLF001
    sums = add_products(centered, coefficients.T, model.intercept_, graph)
    return Outputs(prediction=sums, margins=sums)


def convert_rotation(model: Any, inputs: Names, graph: Graph) -> Names:
    """Subtract the means, divide by the scales, and project."""
    return _project(model, require_fitted(model, "x_rotations_", graph), inputs, graph)


def convert_singular_vectors(model: Any, inputs: Names, graph: Graph) -> Names:
    """Subtract the means, divide by the scales, and project."""
    return _project(model, require_fitted(model, "x_weights_", graph), inputs, graph)


def _project(model: Any, weights: Any, inputs: Names, graph: Graph) -> Names:
    require_finite(inputs, graph)
    centered = graph.arithmetic(inputs, Operator.SUBTRACT, model._x_mean)  # noqa: SLF001
    scaled = graph.arithmetic(centered, Operator.DIVIDE, model._x_std)  # noqa: SLF001
    return add_products(scaled, weights, 0.0, graph)


_NAMES = ("CCA", "PLSCanonical", "PLSRegression")

PREDICTORS = dict.fromkeys(_NAMES, convert_regression)
TRANSFORMERS = {**dict.fromkeys(_NAMES, convert_rotation), "PLSSVD": convert_singular_vectors}
