"""``sklearn.multioutput``: one regressor a target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir import Outputs
from ..convert import predict, require_fitted

if TYPE_CHECKING:
    from ..graph import Graph, Names


def convert_multi_output_regressor(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Each regressor's prediction."""
    predictions: list[str] = []
    for estimator in require_fitted(model, "estimators_", graph):
        predictions += predict(estimator, inputs, graph).prediction
    return Outputs(tuple(predictions))


def convert_regressor_chain(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Each regressor reads the columns and the predictions of those before it."""
    estimators = require_fitted(model, "estimators_", graph)
    graph.require_numbers(inputs)
    graph.require(inputs, missing=True, infinite=True)
    chain: list[str] = []
    for estimator in estimators:
        chain += predict(estimator, (*inputs, *chain), graph).prediction
    by_target = dict(zip(model.order_, chain, strict=True))
    return Outputs(tuple(by_target[target] for target in sorted(by_target)))


def refuse_classifier(model: Any, inputs: Names, graph: Graph) -> Outputs:  # noqa: ARG001
    """Refuse several labels a row."""
    raise graph.refuse(
        "it predicts several labels for a row", "publish each of model.estimators_ as a model"
    )


PREDICTORS = {
    "ClassifierChain": refuse_classifier,
    "MultiOutputClassifier": refuse_classifier,
    "MultiOutputRegressor": convert_multi_output_regressor,
    "RegressorChain": convert_regressor_chain,
}
