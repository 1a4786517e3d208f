"""``sklearn.manifold``: embeddings, which look for neighbours and solve for each row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..graph import Graph, Names


def refuse_embedding(model: Any, inputs: Names, graph: Graph) -> Names:  # noqa: ARG001
    """Refuse what solves a system of equations for each row, from its nearest training rows."""
    raise graph.refuse(
        "it places each row by its nearest training rows, through sums in an order of their own",
        "project with PCA, or keep the model whole with opaque=True",
    )


TRANSFORMERS = dict.fromkeys(("Isomap", "LocallyLinearEmbedding"), refuse_embedding)
