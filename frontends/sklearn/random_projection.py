"""``sklearn.random_projection``: dot products with random directions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..convert import require_fitted
from .decomposition import project

if TYPE_CHECKING:
    from ..graph import Graph, Names


def convert_random_projection(model: Any, inputs: Names, graph: Graph) -> Names:
    """Project on the random directions."""
    components = require_fitted(model, "components_", graph)
    dense = components.toarray() if hasattr(components, "toarray") else components
    outputs = project(dense, np.zeros(len(dense)), inputs, graph)
    graph.follow_sparse(inputs, outputs)
    return outputs


TRANSFORMERS = dict.fromkeys(
    ("GaussianRandomProjection", "SparseRandomProjection"), convert_random_projection
)
