"""The nearest training rows of scikit-learn's k-d trees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import steps as s
from ..ir.steps import Metric, Weighting
from .convert import require_fitted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .graph import Graph, Names

_METRICS = {
    "euclidean": Metric.EUCLIDEAN,
    "l2": Metric.EUCLIDEAN,
    "manhattan": Metric.MANHATTAN,
    "cityblock": Metric.MANHATTAN,
    "l1": Metric.MANHATTAN,
    "chebyshev": Metric.CHEBYSHEV,
    "infinity": Metric.CHEBYSHEV,
}
_WEIGHTINGS = {
    None: Weighting.UNIFORM,
    "uniform": Weighting.UNIFORM,
    "distance": Weighting.DISTANCE,
}


def add_neighbours(  # noqa: PLR0913, PLR0917 - what a neighbours step is made of
    model: Any,
    values: NDArray[np.float64],
    weighting: Weighting,
    mean: bool,
    inputs: Names,
    graph: Graph,
) -> Names:
    """Append the sums, or means, of what the nearest training rows say: one a column of values."""
    metric = require_tree(model, graph)
    graph.require_numbers(inputs)
    graph.require_dense(inputs)
    graph.require(inputs, missing=True, infinite=True)
    points, order, nodes, _ = model._tree.get_arrays()  # noqa: SLF001 - no public equivalent
    return graph.add(
        s.Neighbours(
            inputs,
            graph.numbered("neighbours", values.shape[1]),
            graph.path.rsplit(".", 1)[-1],
            np.array(points, np.float64),
            values,
            np.array(order, np.int64),
            len(nodes).bit_length() - 1,
            int(model.n_neighbors),
            metric,
            weighting,
            mean,
        )
    )


def require_tree(model: Any, graph: Graph) -> Metric:
    """Give the metric of a fitted k-d tree, or refuse another search or metric."""
    metric = require_fitted(model, "effective_metric_", graph)
    if not isinstance(metric, str) or metric not in _METRICS:
        raise graph.refuse(
            f"metric {metric!r} has no exact translation",
            "fit with metric='euclidean', 'manhattan' or 'chebyshev'",
        )
    search = model._fit_method  # noqa: SLF001 - no public equivalent
    if search == "brute":
        raise graph.refuse(
            "it compares rows by a matrix product, whose last bits decide between two that are "
            "nearly equally near, and between equally near ones the number of threads does (the "
            "default for more than 15 columns, or where n_neighbors is half of the rows)",
            "fit with algorithm='kd_tree', which finds the nearest rows too",
        )
    if search != "kd_tree":
        raise graph.refuse(
            "which of equally near rows a ball tree takes has no exact translation",
            "fit with algorithm='kd_tree', which finds the nearest rows too",
        )
    return _METRICS[metric]


def weighting_of(model: Any, graph: Graph) -> Weighting:
    """Give how neighbours are weighted, or refuse a function of the user's."""
    if callable(model.weights):
        raise graph.refuse(
            "its weights are a function in Python", "fit with weights='uniform' or 'distance'"
        )
    return _WEIGHTINGS[model.weights]
