"""``sklearn.decomposition``: projections, which are dot products or sums of kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import steps as s
from ...ir.steps import Operator
from ..convert import require_fitted
from ..sklearn_kernels import Expansion, add_kernel_sum, pairwise_kernel, require_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..graph import Graph, Names


def convert_pca(model: Any, inputs: Names, graph: Graph) -> Names:
    """Project, subtract the projected mean, and scale where it was asked for."""
    components = np.asarray(require_fitted(model, "components_", graph), np.float64)
    means = np.reshape(model.mean_, (1, -1)) @ components.T
    columns = project(components, -means[0], inputs, graph)
    if model.whiten:
        scale = np.sqrt(model.explained_variance_)
        columns = graph.arithmetic(
            columns, Operator.DIVIDE, np.maximum(scale, np.finfo(scale.dtype).eps)
        )
    return columns


def convert_truncated_svd(model: Any, inputs: Names, graph: Graph) -> Names:
    """Project."""
    components = require_fitted(model, "components_", graph)
    return project(components, np.zeros(len(components)), inputs, graph)


def convert_kernel_pca(model: Any, inputs: Names, graph: Graph) -> Names:
    """Sum centred kernels over the training rows, one sum a component."""
    vectors = require_fitted(model, "eigenvectors_", graph)
    require_rows(inputs, graph)
    parameters = {"gamma": model.gamma_, "degree": model.degree, "coef0": model.coef0}
    kernel = pairwise_kernel(model.kernel, parameters, len(inputs), graph)
    used = model.eigenvalues_ != 0
    scaled = np.zeros_like(vectors)
    scaled[:, used] = vectors[:, used] / np.sqrt(model.eigenvalues_[used])
    scaled = np.asarray(scaled, np.float64)
    # What the mean of a row's kernels takes from each term is moved to the weights.
    centerer = model._centerer  # noqa: SLF001 - no public equivalent
    centers = np.asarray(centerer.K_fit_rows_, np.float64) - float(centerer.K_fit_all_)
    expansion = Expansion(model.X_fit_, scaled - scaled.mean(axis=0), centers=centers)
    return add_kernel_sum(expansion, [kernel], inputs, graph)


def project(components: ArrayLike, offsets: ArrayLike, inputs: Names, graph: Graph) -> Names:
    """Append the dot products with the rows of ``components``, plus ``offsets``."""
    graph.require_numbers(inputs)
    graph.require(inputs, missing=True, infinite=True)
    weights = np.ascontiguousarray(np.asarray(components, np.float64).T)
    outputs = graph.numbered("component", weights.shape[1])
    return graph.add(s.Dot(inputs, outputs, weights, np.array(offsets, np.float64)))


TRANSFORMERS = {
    "IncrementalPCA": convert_pca,
    "KernelPCA": convert_kernel_pca,
    "PCA": convert_pca,
    "TruncatedSVD": convert_truncated_svd,
}
