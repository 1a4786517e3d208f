"""``sklearn.decomposition``: projections, which are dot products or sums of kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import steps as s
from ...ir.steps import Operator
from ..convert import add_link, require_fitted
from ..sklearn_kernels import Expansion, add_kernel_sum, pairwise_kernel, require_rows
from ..sklearn_likelihoods import add_products

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


def convert_fast_ica(model: Any, inputs: Names, graph: Graph) -> Names:
    """Subtract the means where it whitens, and project."""
    components = require_fitted(model, "components_", graph)
    require_rows(inputs, graph)
    columns = inputs
    if model.whiten:
        columns = graph.arithmetic(columns, Operator.SUBTRACT, model.mean_)
    return project(components, np.zeros(len(components)), columns, graph)


def convert_factor_analysis(model: Any, inputs: Names, graph: Graph) -> Names:
    """Subtract the means, project on the weighted loadings, and correct for their covariance."""
    from scipy.linalg import inv

    components = require_fitted(model, "components_", graph)
    require_rows(inputs, graph)
    columns = graph.arithmetic(inputs, Operator.SUBTRACT, model.mean_)
    loadings = components / model.noise_variance_
    covariance = inv(np.eye(len(components)) + np.dot(loadings, components.T))
    offsets = np.zeros(len(components))
    return add_products(project(loadings, offsets, columns, graph), covariance, 0.0, graph)


def refuse_sparse_pca(model: Any, inputs: Names, graph: Graph) -> Names:  # noqa: ARG001
    """Refuse what gives a single row in another shape than a batch."""
    raise graph.refuse(
        "the library transforms a batch and fails on a single row, which it gives in another shape",
        "project with PCA or TruncatedSVD",
    )


def convert_sparse_coding(model: Any, inputs: Names, graph: Graph) -> Names:
    """Project on the dictionary and shrink by alpha; only ``threshold`` does not iterate."""
    is_coder = type(model).__name__ == "SparseCoder"
    atoms = model.dictionary if is_coder else require_fitted(model, "components_", graph)
    if model.transform_algorithm != "threshold":
        raise graph.refuse(
            f"transform_algorithm={model.transform_algorithm!r} fits a regression to each row",
            "fit with transform_algorithm='threshold'",
        )
    alpha = model.transform_alpha
    alpha = getattr(model, "alpha", 1.0) if alpha is None else alpha
    columns = project(atoms, np.zeros(len(atoms)), inputs, graph)
    above = _clip(graph.arithmetic(columns, Operator.SUBTRACT, alpha), 0.0, np.inf, graph)
    if model.positive_code and not model.split_sign:
        return above
    highest = 0.0 if model.positive_code else -np.inf
    below = _clip(graph.arithmetic(columns, Operator.ADD, alpha), highest, 0.0, graph)
    if model.split_sign:
        return above + add_link(graph, below, s.Function.NEGATIVE)
    return graph.add(s.Sum(above + below, graph.fresh(columns, "code")))


def refuse_decomposition(model: Any, inputs: Names, graph: Graph) -> Names:  # noqa: ARG001
    """Refuse the decompositions that iterate for each row until little changes."""
    raise graph.refuse(
        "it iterates for each row until little changes, so the last bits of its sums add up",
        "project with PCA or TruncatedSVD, or keep the model whole with opaque=True",
    )


def refuse_batches(model: Any, inputs: Names, graph: Graph) -> Names:  # noqa: ARG001
    """Refuse what solves for the rows of a batch together."""
    raise graph.refuse(
        "it solves for the rows of a batch together, so that a row's answer depends on the others",
        "project with PCA or TruncatedSVD",
    )


def _clip(columns: Names, low: float, high: float, graph: Graph) -> Names:
    return graph.columnwise(columns, "clip", lambda read, made: s.Clip(read, made, low, high))


def project(components: ArrayLike, offsets: ArrayLike, inputs: Names, graph: Graph) -> Names:
    """Append the dot products with the rows of ``components``, plus ``offsets``."""
    graph.require_numbers(inputs)
    graph.require(inputs, missing=True, infinite=True)
    weights = np.ascontiguousarray(np.asarray(components, np.float64).T)
    outputs = graph.numbered("component", weights.shape[1])
    return graph.add(s.Dot(inputs, outputs, weights, np.array(offsets, np.float64)))


_CODERS = ("DictionaryLearning", "MiniBatchDictionaryLearning", "SparseCoder")

TRANSFORMERS = {
    **dict.fromkeys(_CODERS, convert_sparse_coding),
    "FactorAnalysis": convert_factor_analysis,
    "FastICA": convert_fast_ica,
    "IncrementalPCA": convert_pca,
    "KernelPCA": convert_kernel_pca,
    "LatentDirichletAllocation": refuse_decomposition,
    "MiniBatchNMF": refuse_batches,
    "NMF": refuse_batches,
    "MiniBatchSparsePCA": refuse_sparse_pca,
    "PCA": convert_pca,
    "SparsePCA": refuse_sparse_pca,
    "TruncatedSVD": convert_truncated_svd,
}
