"""``sklearn.cluster``: the nearest center, distances to the centers, and means of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import Outputs
from ...ir import steps as s
from ...ir.steps import Operator
from ..convert import require_fitted
from ..sklearn_centroids import (
    add_distances,
    add_nearest,
    add_nearest_center,
)
from ..sklearn_likelihoods import add_products, require_finite

if TYPE_CHECKING:
    from ..graph import Graph, Names


def convert_k_means(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Give the index of the nearest center, the first of equals."""
    centers = _double_centers(model, graph)
    _require_points(inputs, graph)
    return Outputs(add_nearest_center(inputs, centers, graph), tuple(range(len(centers))))


def convert_bisecting_k_means(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Go down the tree of clusters, to the nearer center of two each time."""
    _double_centers(model, graph)
    _require_points(inputs, graph)
    mean = getattr(model, "_X_mean", 0.0)
    reached: dict[int, Names] = {}

    def descend(node: Any, path: Names) -> None:
        if node.left is None:
            reached[node.label] = path
            return
        centers = np.vstack((node.left.center, node.right.center)) + mean
        side = add_nearest_center(inputs, centers, graph)
        columns = graph.numbered("side", 2)
        sides = graph.add(s.OneHot((side[0],), columns, np.array([0.0, 1.0])))
        for child, flag in zip((node.left, node.right), sides, strict=True):
            both = (*path, flag)
            if path:
                both = graph.add(s.Product(both, graph.numbered("reached", 1)))
            descend(child, both)

    descend(model._bisecting_tree, ())  # noqa: SLF001 - no public equivalent
    labels = tuple(range(len(reached)))
    if len(labels) == 1:
        return Outputs(add_nearest_center(inputs, model.cluster_centers_, graph), labels)
    flags = tuple(reached[label][0] for label in labels)
    return Outputs(graph.add(s.Argmax(flags, graph.label())), labels)


def convert_centers(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Give the index of the nearest center, the first of equals."""
    centers = getattr(model, "cluster_centers_", None)
    if centers is None or not len(centers):
        raise graph.refuse(
            "it has no centers to compare with",
            "fit it on the columns themselves until it converges (not on affinities)",
        )
    _require_points(inputs, graph)
    label = add_nearest(add_distances(inputs, centers, graph), graph)
    return Outputs(label, tuple(range(len(centers))))


def convert_birch(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Give the cluster of the nearest subcluster, the first of equals."""
    labels = [int(label) for label in require_fitted(model, "subcluster_labels_", graph)]
    _require_points(inputs, graph)
    distances = add_distances(inputs, model.subcluster_centers_, graph)
    classes = sorted(set(labels))
    nearest = add_nearest(distances, graph)
    keys = tuple(map(float, range(len(labels))))
    places = np.array([classes.index(label) for label in labels], np.float64)
    step = s.Lookup((nearest[0],), graph.label(), "Birch", keys, places, None, None)
    return Outputs(graph.add(step), tuple(classes))


def refuse_without_predict(model: Any, inputs: Names, graph: Graph) -> Outputs:  # noqa: ARG001
    """Refuse the clusterers that label the rows that they were fitted to, and no others."""
    raise graph.refuse(
        "it labels the rows that it was fitted to, and has no predict for others",
        "fit a classifier to its labels_, or use KMeans, BisectingKMeans, Birch or MeanShift",
    )


def convert_distances(model: Any, inputs: Names, graph: Graph) -> Names:
    """Give the distance to each center."""
    centers = require_fitted(model, _CENTERS[type(model).__name__], graph)
    _require_points(inputs, graph)
    return add_distances(inputs, centers, graph)


def convert_feature_agglomeration(model: Any, inputs: Names, graph: Graph) -> Names:
    """Give the mean of each cluster of columns, added in their order."""
    labels = np.asarray(require_fitted(model, "labels_", graph))
    if model.pooling_func is not np.mean:
        raise graph.refuse(
            f"pooling_func={model.pooling_func!r} has no exact translation",
            "fit with pooling_func=np.mean",
        )
    _require_points(inputs, graph)
    belongs = labels[:, np.newaxis] == np.arange(labels.max() + 1)
    sums = add_products(inputs, belongs, 0.0, graph)
    return graph.arithmetic(sums, Operator.DIVIDE, np.bincount(labels))


def _double_centers(model: Any, graph: Graph) -> np.ndarray:
    centers = require_fitted(model, "cluster_centers_", graph)
    if centers.dtype != np.float64:
        raise graph.refuse(
            f"its centers are {centers.dtype}, and its predict does not take other numbers",
            "fit it on float64 columns: df.astype(float)",
        )
    return centers


def _require_points(inputs: Names, graph: Graph) -> None:
    graph.require_dense(inputs)
    require_finite(inputs, graph)


_CENTERS = {
    "Birch": "subcluster_centers_",
    "BisectingKMeans": "cluster_centers_",
    "KMeans": "cluster_centers_",
    "MiniBatchKMeans": "cluster_centers_",
}

_WITHOUT_PREDICT = (
    *("AgglomerativeClustering", "DBSCAN", "HDBSCAN", "OPTICS"),
    *("SpectralBiclustering", "SpectralClustering", "SpectralCoclustering"),
)

PREDICTORS = {
    **dict.fromkeys(_WITHOUT_PREDICT, refuse_without_predict),
    "AffinityPropagation": convert_centers,
    "Birch": convert_birch,
    "BisectingKMeans": convert_bisecting_k_means,
    "KMeans": convert_k_means,
    "MeanShift": convert_centers,
    "MiniBatchKMeans": convert_k_means,
}
TRANSFORMERS = {
    **dict.fromkeys(_CENTERS, convert_distances),
    "FeatureAgglomeration": convert_feature_agglomeration,
}
