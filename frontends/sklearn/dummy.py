"""``sklearn.dummy``: the same answer for every row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import Outputs
from ..convert import add_constants, require_fitted
from ..values import labels_of

if TYPE_CHECKING:
    from ..graph import Graph, Names


def convert_dummy_regressor(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Give the constants, one a target."""
    constants = np.ravel(require_fitted(model, "constant_", graph))
    return Outputs(prediction=add_constants(graph, inputs, constants))


def convert_dummy_classifier(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Give the most frequent class or a given one, with its fixed probabilities."""
    classes = require_fitted(model, "classes_", graph)
    if isinstance(classes, list):
        raise graph.refuse("it predicts several labels for a row", "fit one classifier a label")
    prior = np.asarray(model.class_prior_)
    match model.strategy:
        case "prior":
            label, probabilities = int(prior.argmax()), prior
        case "most_frequent":
            label = int(prior.argmax())
            probabilities = np.eye(len(classes))[label]
        case "constant":
            label = int(np.flatnonzero(classes == np.ravel(model.constant)[0])[0])
            probabilities = np.eye(len(classes))[label]
        case _:
            raise graph.refuse(
                f"strategy={model.strategy!r} draws its answers at random",
                "fit with strategy='prior'",
            )
    prediction = add_constants(graph, inputs, [float(label)])
    return Outputs(prediction, labels_of(classes), add_constants(graph, inputs, probabilities))


PREDICTORS = {
    "DummyClassifier": convert_dummy_classifier,
    "DummyRegressor": convert_dummy_regressor,
}
