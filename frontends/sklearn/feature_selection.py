"""``sklearn.feature_selection``: selectors pick columns, and change none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..convert import predict, require_fitted

if TYPE_CHECKING:
    from ...ir import Outputs
    from ..graph import Graph, Names


def convert_selector(selector: Any, inputs: Names, graph: Graph) -> Names:
    """Keep the columns of ``get_support``."""
    from sklearn.utils import get_tags

    require_fitted(selector, "n_features_in_", graph)
    graph.require_numbers(inputs)
    if not _keeps_frames(selector) and not get_tags(selector).input_tags.allow_nan:
        graph.require(inputs, missing=True, infinite=True)
    return tuple(inputs[index] for index in np.flatnonzero(selector.get_support()).tolist())


def _keeps_frames(selector: Any) -> bool:
    """Whether the selector picks from a frame, which it then does not check."""
    from sklearn import get_config

    own = getattr(selector, "_sklearn_output_config", {}).get("transform")
    return (own or get_config()["transform_output"]) != "default"


def convert_eliminator(selector: Any, inputs: Names, graph: Graph) -> Outputs:
    """Keep the columns, and predict with the estimator that was fitted to them."""
    columns = convert_selector(selector, inputs, graph)
    return predict(require_fitted(selector, "estimator_", graph), columns, graph)


_ELIMINATORS = ("RFE", "RFECV")
_SELECTORS = (
    *("GenericUnivariateSelect", "SelectFdr", "SelectFpr", "SelectFromModel", "SelectFwe"),
    *("SelectKBest", "SelectPercentile", "SequentialFeatureSelector", "VarianceThreshold"),
)

PREDICTORS = dict.fromkeys(_ELIMINATORS, convert_eliminator)
TRANSFORMERS = dict.fromkeys((*_ELIMINATORS, *_SELECTORS), convert_selector)
