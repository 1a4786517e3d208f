"""What scikit-learn's meta estimators ask of their members, and how they add the answers up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import steps as s
from ..ir.steps import Function, Precision
from .convert import predict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..ir import Outputs
    from .graph import Graph, Names


def respond(estimator: Any, method: str, inputs: Names, graph: Graph) -> Names:
    """Give what a method of the estimator answers, by the method's name: one column or several."""
    return response_of(predict(estimator, inputs, graph), method, graph)


def response_of(answer: Outputs, method: str, graph: Graph) -> Names:
    """Choose the columns that a method answers with; for ``predict`` the labels as numbers."""
    if method == "predict":
        return _label_values(answer, graph)
    found = answer.probabilities if method == "predict_proba" else answer.margins
    if not found:
        raise graph.refuse(
            f"the {method} of one of its estimators has no translation",
            "use an estimator with probabilities, or one whose decision function is covered",
        )
    return found


def _label_values(answer: Outputs, graph: Graph) -> Names:
    """Give a prediction as numbers: the labels themselves, and not their indices."""
    labels = answer.classes
    if labels is None:
        return answer.prediction
    if isinstance(labels[0], str):
        raise graph.refuse(
            "it computes with the labels of a classifier, which are text",
            "let it read probabilities (stack_method='predict_proba')",
        )
    values = np.array(labels, np.float64)
    keys = tuple(float(index) for index in range(len(labels)))
    if values.tolist() == list(keys):
        return answer.prediction
    output = graph.fresh(answer.prediction, "value")
    where = graph.path
    return graph.add(
        s.Lookup((answer.prediction[0],), (output[0],), where, keys, values, None, None)
    )


def scoring_method(estimator: Any) -> str:
    """Name the method that calibration and the multiclass strategies read first."""
    return "decision_function" if hasattr(estimator, "decision_function") else "predict_proba"


def add_up(groups: Sequence[Names], graph: Graph) -> Names:
    """Add the columns of all groups, one sum a place, from the first group to the last."""
    if len(groups) == 1:
        return groups[0]
    outputs = graph.numbered("sum", len(groups[0]))
    return graph.add(s.Sum(tuple(name for group in groups for name in group), outputs))


def require_places(answer: Outputs, places: Sequence[int], graph: Graph) -> None:
    """Refuse a member that does not predict the places of the classes, as the library has it do.

    A frozen estimator is not fitted again, and predicts the labels that it knows.
    """
    if answer.classes != tuple(places):
        raise graph.refuse(
            f"one of its estimators predicts the labels {answer.classes}, where the library reads "
            f"their places, {tuple(places)}",
            "let it fit its estimators itself, without FrozenEstimator",
        )


def hot_labels(answer: Outputs, places: Sequence[int], graph: Graph) -> Names:
    """Spread a label over columns: column ``j`` is 1 where the label's index is ``places[j]``.

    An index of -1 is no label, and its column is 0.
    """
    columns = graph.numbered("vote", len(places))
    label = (answer.prediction[0],)
    return graph.add(s.OneHot(label, columns, np.array(places, np.float64)))


def refuse_float32(groups: Sequence[Names], graph: Graph) -> None:
    """Refuse to compute with columns that are all float32: numpy then stays in that precision."""
    if all(is_float32(name, graph) for group in groups for name in group):
        raise graph.refuse(
            "its estimators predict in float32, and numpy goes on in that precision",
            "put an estimator of scikit-learn or LightGBM in their place, or publish the XGBoost "
            "model itself",
        )


def is_float32(name: str, graph: Graph) -> bool:
    """Whether the library holds a column in float32, as XGBoost's answers are."""
    if name in graph.signature:
        return False
    step = next(step for step in graph.steps if name in s.outputs_of(step))
    match step:
        case s.Forest() | s.Softmax():
            return step.precision is Precision.FLOAT32
        case s.Elementwise():
            return step.function in {
                Function.FLOAT32,
                Function.FLOAT32_EXP,
                Function.FLOAT32_SIGMOID,
            }
        case s.Arithmetic() | s.Clip() | s.Exceeds():
            return is_float32(step.inputs[step.outputs.index(name)], graph)
        case s.Argmax():
            return is_float32(step.inputs[0], graph)
        case _:
            return False
