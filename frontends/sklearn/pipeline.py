"""``sklearn.pipeline``: Pipeline and FeatureUnion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..convert import predict, transform
from ..sklearn_functions import weigh

if TYPE_CHECKING:
    from ...ir import Outputs
    from ..graph import Graph, Names


def convert_pipeline(pipeline: Any, inputs: Names, graph: Graph) -> Outputs:
    """All steps but the last transform; the last predicts."""
    *before, (name, predictor) = pipeline.steps
    columns = _transform_all(before, inputs, graph)
    with graph.inside(name):
        return predict(predictor, columns, graph)


def convert_pipeline_transformer(pipeline: Any, inputs: Names, graph: Graph) -> Names:
    """Every step transforms."""
    return _transform_all(pipeline.steps, inputs, graph)


def _transform_all(steps: list[tuple[str, Any]], inputs: Names, graph: Graph) -> Names:
    columns = inputs
    for name, transformer in steps:
        with graph.inside(name):
            columns = transform(transformer, columns, graph)
    return columns


def convert_feature_union(union: Any, inputs: Names, graph: Graph) -> Names:
    """Put the outputs of all transformers side by side, each times its weight."""
    outputs: list[str] = []
    is_sparse = False
    given = graph.sparse
    weights = union.transformer_weights or {}
    for name, transformer in union.transformer_list:
        graph.sparse = set(given)
        with graph.inside(name):
            columns = transform(transformer, inputs, graph)
            is_sparse = is_sparse or not graph.sparse.isdisjoint(columns)
            outputs.extend(weigh(columns, weights.get(name), graph))
    graph.sparse = given | set(outputs) if is_sparse else given.difference(outputs)
    return tuple(outputs)


PREDICTORS = {"Pipeline": convert_pipeline}
TRANSFORMERS = {"Pipeline": convert_pipeline_transformer, "FeatureUnion": convert_feature_union}
