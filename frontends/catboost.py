"""``catboost``: its estimators, read from the bytes of the ``.cbm`` file that they save.

CatBoost casts numbers to float32, and adds leaves in float64, tree by tree. Raw scores, labels and
predictions are its own bit for bit on x86-64, where its C library is glibc.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from .catboost_file import classify, read_catboost, regress
from .convert import require_fitted

if TYPE_CHECKING:
    from ..ir import Outputs
    from .catboost_model import CatBoostModel
    from .graph import Graph, Names


def convert_classifier(estimator: Any, inputs: Names, graph: Graph) -> Outputs:
    """``CatBoostClassifier``: the class of the largest raw score, the first of equals.

    Of two classes, the second where its raw score is above that of the probability threshold.
    """
    return classify(_read(estimator, graph), inputs, graph)


def convert_regressor(estimator: Any, inputs: Names, graph: Graph) -> Outputs:
    """``CatBoostRegressor``: raw scores, or as Poisson, Tweedie and RMSEWithUncertainty have it."""
    # The parameters of the object decide, and not those of the model that it may have loaded.
    prediction = estimator._get_default_prediction_type()  # noqa: SLF001 - it has no public name
    return regress(_read(estimator, graph), inputs, graph, prediction)


def convert_raw(estimator: Any, inputs: Names, graph: Graph) -> Outputs:
    """``predict`` of a ranker, or of a plain ``CatBoost``: raw scores, whatever the loss."""
    return regress(_read(estimator, graph), inputs, graph, "RawFormulaVal")


def _read(estimator: Any, graph: Graph) -> CatBoostModel:
    if not estimator.is_fitted():
        require_fitted(None, "tree_count_", graph)
    # JSON does not tell all statistics of categories apart, and the binary file has all bits.
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.cbm"
        estimator.save_model(str(path))
        return read_catboost(path.read_bytes())


PREDICTORS = {
    "CatBoost": convert_raw,
    "CatBoostClassifier": convert_classifier,
    "CatBoostRanker": convert_raw,
    "CatBoostRegressor": convert_regressor,
}
