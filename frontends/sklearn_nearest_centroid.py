"""scikit-learn's NearestCentroid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import Outputs
from ..ir import steps as s
from ..ir.steps import Operator
from .convert import add_link, require_fitted
from .sklearn_centroids import (
    add_distances,
    add_manhattan_distances,
    add_nearest,
)
from .sklearn_likelihoods import answer_by_discriminants, finite_log, require_finite
from .values import labels_of

if TYPE_CHECKING:
    from .graph import Graph, Names


def convert_nearest_centroid(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Give the class of the nearest centroid; where priors differ, of the best score.

    Scores and probabilities come from distances on scaled columns, and exist for
    ``metric="euclidean"``.
    """
    centroids = require_fitted(model, "centroids_", graph)
    graph.require_dense(inputs)
    require_finite(inputs, graph)
    classes = labels_of(model.classes_)
    is_euclidean = model.metric == "euclidean"
    label: Names = ()
    if np.isclose(model.class_prior_, 1 / len(classes)).all():
        add = add_distances if is_euclidean else add_manhattan_distances
        label = add_nearest(add(inputs, centroids, graph), graph)
        if not is_euclidean:
            return Outputs(label, classes)
    scores = _add_scores(model, inputs, graph)
    label = label or graph.add(s.Argmax(scores, graph.label()))
    if not is_euclidean:
        return Outputs(label, classes)
    return answer_by_discriminants(classes, scores, label, graph)


def _add_scores(model: Any, inputs: Names, graph: Graph) -> Names:
    """Append a score a class: the negative squared distance, plus twice the prior's logarithm.

    Source: ``_decision_function`` in sklearn/neighbors/_nearest_centroid.py.
    """
    spread = np.where(model.within_class_std_dev_ != 0, model.within_class_std_dev_, 1.0)
    scaled = graph.arithmetic(inputs, Operator.DIVIDE, spread)
    graph.require(scaled, missing=False, infinite=True)
    add = add_distances if model.metric == "euclidean" else add_manhattan_distances
    distances = add(scaled, model.centroids_ / spread, graph)
    squares = add_link(graph, distances, s.Function.SQUARE)
    priors = 2.0 * finite_log(model.class_prior_, graph)
    return graph.arithmetic(squares, Operator.SUBTRACT_FROM, priors)
