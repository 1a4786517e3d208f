"""``sklearn.frozen``: estimators that are not fitted again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..convert import predict, transform

if TYPE_CHECKING:
    from ...ir import Outputs
    from ..graph import Graph, Names


def convert_frozen(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Predict with the estimator that is frozen."""
    return predict(model.estimator, inputs, graph)


def convert_frozen_transformer(model: Any, inputs: Names, graph: Graph) -> Names:
    """Transform with the transformer that is frozen."""
    return transform(model.estimator, inputs, graph)


PREDICTORS = {"FrozenEstimator": convert_frozen}
TRANSFORMERS = {"FrozenEstimator": convert_frozen_transformer}
