"""``sklearn.model_selection``: searches, and classifiers with a threshold of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import steps as s
from ...ir.steps import Operator
from ..convert import predict, require_fitted, transform
from ..sklearn_responses import is_float32, response_of
from ..values import labels_of

if TYPE_CHECKING:
    from ...ir import Outputs
    from ..graph import Graph, Names


def convert_search(search: Any, inputs: Names, graph: Graph) -> Outputs:
    """Predict with the best estimator, which was fitted again on all rows."""
    return predict(_best(search, graph), inputs, graph)


def convert_search_transformer(search: Any, inputs: Names, graph: Graph) -> Names:
    """Transform with the best transformer."""
    return transform(_best(search, graph), inputs, graph)


def _best(search: Any, graph: Graph) -> Any:
    if not search.refit:
        raise graph.refuse("refit=False keeps no fitted estimator", "search with refit=True")
    return require_fitted(search, "best_estimator_", graph)


def convert_fixed_threshold(classifier: Any, inputs: Names, graph: Graph) -> Outputs:
    """Compare the classifier's scores with a threshold that was given."""
    # A frozen estimator may be used as it is, without a fit of its own.
    inner = getattr(classifier, "estimator_", None) or classifier.estimator
    outputs = predict(inner, inputs, graph)
    method = _method(classifier, inner)
    threshold = classifier.threshold
    if threshold == "auto":
        threshold = 0.5 if method == "predict_proba" else 0.0
    scores = response_of(outputs, method, graph)
    return _with_threshold(classifier, outputs, scores, threshold, classifier.pos_label, graph)


def convert_tuned_threshold(classifier: Any, inputs: Names, graph: Graph) -> Outputs:
    """Compare the classifier's scores with the threshold that scored best."""
    inner = require_fitted(classifier, "estimator_", graph)
    outputs = predict(inner, inputs, graph)
    scores = response_of(outputs, _method(classifier, inner), graph)
    positive = classifier._curve_scorer._get_pos_label()  # noqa: SLF001 - no public equivalent
    return _with_threshold(classifier, outputs, scores, classifier.best_threshold_, positive, graph)


def _method(classifier: Any, inner: Any) -> str:
    """Name the method whose score the threshold is compared with."""
    is_asked = classifier.response_method in {"auto", "predict_proba"}
    return "predict_proba" if is_asked and hasattr(inner, "predict_proba") else "decision_function"


def _with_threshold(  # noqa: PLR0913, PLR0917 - each is part of the comparison
    classifier: Any, outputs: Outputs, scores: Names, threshold: Any, positive: Any, graph: Graph
) -> Outputs:
    """Predict the positive label where its score is at least the threshold."""
    classes = labels_of(classifier.classes_)
    is_second = positive is None or positive == classifier.classes_[1]
    score = scores[-1] if is_second else scores[0]
    if len(scores) == 1 and not is_second:
        (score,) = graph.arithmetic((score,), Operator.MULTIPLY, -1.0)
    if type(threshold) is float and is_float32(score, graph):
        # numpy brings a plain number to the precision of the array that it is compared with.
        threshold = np.float32(threshold)
    below = float(np.nextafter(np.float64(threshold), -np.inf))
    label = graph.add(s.Exceeds((score,), graph.label(), below))
    if not is_second:
        label = graph.arithmetic(label, Operator.SUBTRACT_FROM, 1.0)
    return replace(outputs, prediction=label, classes=classes)


_SEARCHES = (
    *("GridSearchCV", "RandomizedSearchCV"),
    *("HalvingGridSearchCV", "HalvingRandomSearchCV"),
)

PREDICTORS = {
    **dict.fromkeys(_SEARCHES, convert_search),
    "FixedThresholdClassifier": convert_fixed_threshold,
    "TunedThresholdClassifierCV": convert_tuned_threshold,
}
TRANSFORMERS = dict.fromkeys(_SEARCHES, convert_search_transformer)
