"""``sklearn.neighbors``: the nearest training rows, which the model holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import Outputs
from ...ir import steps as s
from ...ir.steps import Operator, Weighting
from ..convert import require_fitted
from ..sklearn_nearest_centroid import convert_nearest_centroid
from ..sklearn_neighbours import add_neighbours, weighting_of
from ..values import labels_of
from .decomposition import project

if TYPE_CHECKING:
    from ..graph import Graph, Names


def convert_classifier(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Count the votes of the nearest training rows, ties as the k-d tree breaks them."""
    require_fitted(model, "classes_", graph)
    if model.outputs_2d_:
        raise graph.refuse("it predicts several labels for a row", "fit one classifier a label")
    labels = labels_of(model.classes_)
    votes = (model._y[:, None] == np.arange(len(labels))).astype(np.float64)  # noqa: SLF001
    weighting = weighting_of(model, graph)
    totals = add_neighbours(model, votes, weighting, False, inputs, graph)
    label = graph.add(s.Argmax(totals, graph.label()))
    if weighting is Weighting.UNIFORM:
        shares = graph.arithmetic(totals, Operator.DIVIDE, float(model.n_neighbors))
    else:
        shares = graph.columnwise(
            totals, "share", lambda read, written: s.Normalize(read, written, s.Norm.SUM)
        )
    return Outputs(label, labels, shares)


def convert_regressor(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Average the nearest training rows, ties as the k-d tree breaks them."""
    targets = require_fitted(model, "_y", graph)
    if targets.dtype.kind == "f" and targets.dtype != np.float64:
        raise graph.refuse(
            f"its targets are {targets.dtype}, in which scikit-learn then computes",
            "fit with y.astype(float)",
        )
    values = np.array(targets.reshape(len(targets), -1), np.float64)
    means = add_neighbours(model, values, weighting_of(model, graph), True, inputs, graph)
    return Outputs(prediction=means)


def convert_components(model: Any, inputs: Names, graph: Graph) -> Names:
    """Project on the components."""
    components = require_fitted(model, "components_", graph)
    graph.require_dense(inputs)
    return project(components, np.zeros(len(components)), inputs, graph)


def refuse_radius(model: Any, inputs: Names, graph: Graph) -> Outputs:  # noqa: ARG001
    """Refuse neighbours within a radius: rounding decides who is in."""
    raise graph.refuse(
        "whether a training row on the very radius is a neighbour depends on how the search rounds",
        "use the k nearest neighbours (KNeighborsClassifier, KNeighborsRegressor), or keep the "
        "model whole with opaque=True",
    )


def refuse_outlier_factor(model: Any, inputs: Names, graph: Graph) -> Outputs:  # noqa: ARG001
    """Refuse the comparison of a row's density with that of each of its neighbours."""
    raise graph.refuse(
        "it compares how dense the rows are around a row and around each of its neighbours, which "
        "no step holds",
        "fit OneClassSVM, or keep the model whole with opaque=True",
    )


def refuse_graph(model: Any, inputs: Names, graph: Graph) -> Names:  # noqa: ARG001
    """Refuse a sparse graph with one column for each training row."""
    raise graph.refuse(
        "it gives a sparse column for each row that it was fitted to",
        "fit KNeighborsClassifier or KNeighborsRegressor to the columns themselves",
    )


PREDICTORS = {
    "KNeighborsClassifier": convert_classifier,
    "KNeighborsRegressor": convert_regressor,
    "LocalOutlierFactor": refuse_outlier_factor,
    "NearestCentroid": convert_nearest_centroid,
    "RadiusNeighborsClassifier": refuse_radius,
    "RadiusNeighborsRegressor": refuse_radius,
}
TRANSFORMERS = {
    "KNeighborsTransformer": refuse_graph,
    "NeighborhoodComponentsAnalysis": convert_components,
    "RadiusNeighborsTransformer": refuse_graph,
}
