"""``sklearn.semi_supervised``: labels for rows that came without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import Outputs
from ...ir import steps as s
from ...ir.steps import Operator
from ..convert import predict, require_fitted
from ..sklearn_kernels import Expansion, add_kernel_sum, pairwise_kernel, require_rows
from ..values import labels_of

if TYPE_CHECKING:
    from ..graph import Graph, Names


def convert_propagation(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Sum the training rows' labels, each weighted by its kernel; kernel='knn' is refused."""
    labels = require_fitted(model, "label_distributions_", graph)
    if model.kernel != "rbf":
        shown = repr(model.kernel) if isinstance(model.kernel, str) else "that is a function"
        raise graph.refuse(f"kernel {shown} has no exact translation", "fit with kernel='rbf'")
    require_rows(inputs, graph)
    kernel = pairwise_kernel("rbf", {"gamma": model.gamma}, len(inputs), graph)
    sums = add_kernel_sum(Expansion(model.X_, labels), [kernel], inputs, graph)
    shares = graph.columnwise(
        _missing_where_zero(sums, graph),
        "share",
        lambda read, written: s.Normalize(read, written, s.Norm.SUM),
    )
    label = graph.add(s.Argmax(shares, graph.label()))
    return Outputs(label, labels_of(model.classes_), shares)


def _missing_where_zero(sums: Names, graph: Graph) -> Names:
    """Make all sums of a row missing where they sum to 0: 0 over 0 is what scikit-learn gives."""
    ones = np.ones((len(sums), 1))
    total = graph.add(s.Dot(sums, graph.numbered("total", 1), ones, np.zeros(1)))
    known = graph.columnwise(total, "known", lambda read, written: s.NullIf(read, written, 0, 0))
    zero = graph.arithmetic(known, Operator.MULTIPLY, 0.0)
    weights = np.concatenate([np.eye(len(sums)), np.ones((1, len(sums)))])
    outputs = graph.numbered("sum", len(sums))
    return graph.add(s.Dot((*sums, *zero), outputs, weights, np.zeros(len(sums))))


def convert_self_training(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Predict with the classifier that was fitted last."""
    graph.require_numbers(inputs)
    return predict(require_fitted(model, "estimator_", graph), inputs, graph)


PREDICTORS = {
    "LabelPropagation": convert_propagation,
    "LabelSpreading": convert_propagation,
    "SelfTrainingClassifier": convert_self_training,
}
