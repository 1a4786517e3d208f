"""``sklearn.semi_supervised``: classifiers that label rows for themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..convert import predict, require_fitted

if TYPE_CHECKING:
    from ...ir import Outputs
    from ..graph import Graph, Names


def convert_self_training(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Predict with the classifier that was fitted last."""
    graph.require_numbers(inputs)
    return predict(require_fitted(model, "estimator_", graph), inputs, graph)


PREDICTORS = {"SelfTrainingClassifier": convert_self_training}
