"""``sklearn.kernel_approximation``: maps whose dot products are near a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..convert import require_fitted
from ..sklearn_kernels import Expansion, add_kernel_sum, pairwise_kernel, require_rows
from ..sklearn_samplers import (
    convert_additive_chi2_sampler,
    convert_rbf_sampler,
    convert_skewed_chi2_sampler,
    refuse_count_sketch,
)

if TYPE_CHECKING:
    from ..graph import Graph, Names


def convert_nystroem(model: Any, inputs: Names, graph: Graph) -> Names:
    """Sum kernels over the training rows that it picked, one sum a component."""
    components = require_fitted(model, "components_", graph)
    require_rows(inputs, graph)
    given = {**(model.kernel_params or {})}
    own = {name: getattr(model, name) for name in ("gamma", "coef0", "degree")}
    given.update((name, value) for name, value in own.items() if value is not None)
    kernel = pairwise_kernel(model.kernel, given, len(inputs), graph)
    weights = np.asarray(model.normalization_).T
    return add_kernel_sum(Expansion(components, weights), [kernel], inputs, graph)


TRANSFORMERS = {
    "AdditiveChi2Sampler": convert_additive_chi2_sampler,
    "Nystroem": convert_nystroem,
    "PolynomialCountSketch": refuse_count_sketch,
    "RBFSampler": convert_rbf_sampler,
    "SkewedChi2Sampler": convert_skewed_chi2_sampler,
}
