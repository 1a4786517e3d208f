"""``sklearn.kernel_ridge``: a weighted sum of kernels over all training rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir import Outputs
from ..convert import require_fitted
from ..sklearn_kernels import Expansion, add_kernel_sum, pairwise_kernel, require_rows

if TYPE_CHECKING:
    from ..graph import Graph, Names


def convert_kernel_ridge(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Sum kernels over the training rows, one sum a target."""
    coefficients = require_fitted(model, "dual_coef_", graph)
    require_rows(inputs, graph)
    kernel = pairwise_kernel(model.kernel, model.get_params(), len(inputs), graph)
    sums = add_kernel_sum(Expansion(model.X_fit_, coefficients), [kernel], inputs, graph)
    return Outputs(prediction=sums, margins=sums)


PREDICTORS = {"KernelRidge": convert_kernel_ridge}
