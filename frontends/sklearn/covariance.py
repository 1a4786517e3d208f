"""``sklearn.covariance``: outliers by their distance from the centre."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import steps as s
from ...ir.steps import Function, Operator
from ..convert import add_link, require_fitted
from ..sklearn_outliers import answer_outlier

if TYPE_CHECKING:
    from ...ir import Outputs
    from ..graph import Graph, Names


def convert_elliptic_envelope(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Compare the squared Mahalanobis distance with the offset; 1 is an inlier, -1 is none.

    Source: ``mahalanobis_distance_double`` in scipy/spatial/src/distance_impl.h: a root of products
    of differences, which scikit-learn squares again.
    """
    centre = require_fitted(model, "location_", graph)
    graph.require_numbers(inputs)
    graph.require_dense(inputs)
    graph.require(inputs, missing=True, infinite=True)
    precision = np.ascontiguousarray(model.get_precision().T, np.float64)
    width = len(inputs)
    away = graph.arithmetic(inputs, Operator.SUBTRACT, centre)
    turned = graph.add(s.Dot(away, graph.numbered("turned", width), precision, np.zeros(width)))
    terms = graph.add(s.Product(away + turned, graph.numbered("term", width)))
    total = graph.add(s.Dot(terms, graph.numbered("sum", 1), np.ones((width, 1)), np.zeros(1)))
    distance = add_link(graph, add_link(graph, total, Function.SQRT), Function.SQUARE)
    score = graph.arithmetic(distance, Operator.MULTIPLY, -1.0)
    return answer_outlier(graph.arithmetic(score, Operator.SUBTRACT, model.offset_), graph)


PREDICTORS = {"EllipticEnvelope": convert_elliptic_envelope}
