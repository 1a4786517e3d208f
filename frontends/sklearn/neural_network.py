"""``sklearn.neural_network``: layers of weighted sums and activations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import Outputs
from ...ir import steps as s
from ..convert import add_link, require_fitted
from ..sklearn_likelihoods import add_products, require_finite
from ..values import labels_of
from .linear_model import with_binary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..graph import Graph, Names

_ACTIVATIONS: Mapping[str, s.Function | None] = {
    "identity": None,
    "exp": s.Function.NUMPY_EXP,
    # scipy's expit has the bits of the C library's exponential.
    "logistic": s.Function.SIGMOID,
    "tanh": s.Function.NUMPY_TANH,
}


def convert_perceptron_regressor(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Layer by layer: weighted sums, then the activation; one output a target."""
    sums = _add_layers(model, inputs, graph)
    return Outputs(_activate(model.out_activation_, sums, graph))


def convert_perceptron_classifier(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Layer by layer; of two classes the second is predicted above a probability of one half."""
    binarizer = require_fitted(model, "_label_binarizer", graph)
    if binarizer.y_type_.startswith("multilabel"):
        raise graph.refuse("it predicts several labels for a row", "fit one classifier a label")
    classes = labels_of(model.classes_)
    if len(classes) == 1:
        raise graph.refuse(
            f"it was trained on a single class, {classes[0]!r}",
            "train it on rows of two classes or more",
        )
    sums = _add_layers(model, inputs, graph)
    if len(sums) == 1:
        positive = _activate(model.out_activation_, sums, graph)
        label = graph.add(s.Exceeds((positive[0],), graph.label(), 0.5))
        return with_binary(Outputs(label, classes), positive, graph)
    probabilities = graph.columnwise(sums, "softmax", s.Softmax)
    return Outputs(graph.add(s.Argmax(probabilities, graph.label())), classes, probabilities)


def convert_restricted_boltzmann_machine(model: Any, inputs: Names, graph: Graph) -> Names:
    """Weighted sums through the sigmoid: the probability of each hidden unit."""
    components = require_fitted(model, "components_", graph)
    require_finite(inputs, graph)
    sums = add_products(inputs, components.T, model.intercept_hidden_, graph)
    return add_link(graph, sums, s.Function.SIGMOID)


def _add_layers(model: Any, inputs: Names, graph: Graph) -> Names:
    """Append all layers but the last activation."""
    weights = require_fitted(model, "coefs_", graph)
    require_finite(inputs, graph)
    columns = inputs
    for index, (matrix, offsets) in enumerate(zip(weights, model.intercepts_, strict=True)):
        if index:
            columns = _activate(model.activation, columns, graph)
        columns = add_products(columns, matrix, offsets, graph)
    return columns


def _activate(name: str, columns: Names, graph: Graph) -> Names:
    if name == "relu":
        return graph.columnwise(
            columns, name, lambda read, written: s.Clip(read, written, 0.0, np.inf)
        )
    if name not in _ACTIVATIONS:
        raise graph.refuse(
            f"its activation {name!r} is not known",
            f"fit with one of {', '.join(map(repr, ('relu', *_ACTIVATIONS)))}",
        )
    function = _ACTIVATIONS[name]
    return columns if function is None else add_link(graph, columns, function)


PREDICTORS = {
    "MLPClassifier": convert_perceptron_classifier,
    "MLPRegressor": convert_perceptron_regressor,
}
TRANSFORMERS = {"BernoulliRBM": convert_restricted_boltzmann_machine}
