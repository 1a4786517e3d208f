"""``sklearn.semi_supervised``: labels for rows that came without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir import Outputs
from ...ir import steps as s
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
    # Where no label reaches a row, 0 over 0 is what scikit-learn gives.
    shares = graph.columnwise(
        sums, "share", lambda read, written: s.Normalize(read, written, s.Norm.SUM_OR_MISSING)
    )
    label = graph.add(s.Argmax(shares, graph.label()))
    return Outputs(label, labels_of(model.classes_), shares)


def convert_self_training(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Predict with the classifier that was fitted last."""
    graph.require_numbers(inputs)
    return predict(require_fitted(model, "estimator_", graph), inputs, graph)


PREDICTORS = {
    "LabelPropagation": convert_propagation,
    "LabelSpreading": convert_propagation,
    "SelfTrainingClassifier": convert_self_training,
}
