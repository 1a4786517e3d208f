"""Ask the library itself."""

from __future__ import annotations

import sys
import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_RAW_SCORES: Mapping[str, Mapping[str, bool | str]] = {
    "catboost": {"prediction_type": "RawFormulaVal"},
    "lightgbm": {"raw_score": True},
    "xgboost": {"output_margin": True},
}


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a route says about a batch; empty arrays where it has no such answer.

    ``prediction`` is [rows] of values or labels, or [rows, outputs]; ``probabilities`` and
    ``margins`` are float64[rows, columns].
    """

    prediction: NDArray[Any]
    probabilities: NDArray[np.float64]
    margins: NDArray[np.float64]


def ask_library(estimator: Any, frame: Any) -> Answers | str:
    """Give the library's answers for a frame, or the error with which it refuses the frame."""
    try:
        with warnings.catch_warnings(), _one_job():
            warnings.simplefilter("ignore")
            return Answers(
                _prediction(estimator, frame),
                _probabilities(estimator, frame),
                _margins(estimator, frame),
            )
    except _refusals() as error:
        return f"{type(error).__name__}: {error}"


def _one_job() -> AbstractContextManager[object]:
    """Let scikit-learn add the trees of a forest in their order, whatever its ``n_jobs``.

    Its threads add each tree when they are done with it, so the sums are not the same twice.
    """
    joblib = sys.modules.get("joblib")
    return nullcontext() if joblib is None else joblib.parallel_config("sequential")


def _refusals() -> tuple[type[Exception], ...]:
    """List the errors by which libraries refuse data."""
    lightgbm, catboost = sys.modules.get("lightgbm"), sys.modules.get("catboost")
    own = (lightgbm.basic.LightGBMError,) if lightgbm is not None else ()
    others = (catboost.CatBoostError,) if catboost is not None else ()
    # CategoricalNB looks a category that it never saw up behind the end of its table.
    return (ValueError, TypeError, IndexError, *own, *others)


def _prediction(estimator: Any, frame: Any) -> NDArray[Any]:
    """Ask for values or labels; CatBoost gives labels of several classes as a column."""
    found = np.asarray(estimator.predict(_as_asked(estimator, frame), **_one_thread(estimator)))
    is_column = found.shape[1:] == (1,) and hasattr(estimator, "predict_proba")
    return found[:, 0] if is_column else found


def _one_thread(estimator: Any) -> dict[str, Any]:
    """Keep CatBoost to one thread; the others are asked as they are set."""
    return {"thread_count": 1} if _library(estimator) == "catboost" else {}


def _library(estimator: Any) -> str:
    return _last(estimator).__module__.split(".")[0]


def _probabilities(estimator: Any, frame: Any) -> NDArray[np.float64]:
    if not hasattr(estimator, "predict_proba"):
        return np.empty((0, 0))
    asked = _as_asked(estimator, frame)
    return np.asarray(estimator.predict_proba(asked, **_one_thread(estimator)), np.float64)


def _margins(estimator: Any, frame: Any) -> NDArray[np.float64]:
    """Raw scores, as each library names them."""
    library = _library(estimator)
    if library in _RAW_SCORES:
        asked = _as_asked(estimator, frame)
        # CatBoost's ranker has no such option: it predicts raw scores.
        is_ranker = _last(estimator).__name__ == "CatBoostRanker"
        options = {**_one_thread(estimator), **({} if is_ranker else _RAW_SCORES[library])}
        raw = np.asarray(estimator.predict(asked, **options), np.float64)
    elif hasattr(estimator, "decision_function"):
        raw = np.asarray(estimator.decision_function(frame), np.float64)
    else:
        return np.empty((0, 0))
    return raw.reshape(len(raw), -1)


def _as_asked(estimator: Any, frame: Any) -> Any:
    """Give a frame as the estimator takes it: XGBoost's Booster alone has a type of its own."""
    if type(estimator).__module__.startswith("catboost"):
        return _with_whole_categories(estimator, frame)
    if not type(estimator).__module__.startswith("xgboost"):
        return frame
    _refuse_unknown_categories(estimator, frame)
    if type(estimator).__module__ != "xgboost.core":
        return frame
    import xgboost

    return xgboost.DMatrix(frame, enable_categorical=True)


def _with_whole_categories(estimator: Any, frame: Any) -> Any:
    """Write categories as integers in an array that missing numbers made one of floats.

    CatBoost takes no categories from an array of floats, so training had one of integers.
    """
    places = estimator.get_cat_feature_indices() if estimator.is_fitted() else []
    if not (isinstance(frame, np.ndarray) and frame.dtype.kind == "f" and places):
        return frame
    cells = frame.astype(object)
    for place in places:
        cells[:, place] = [int(cell) if cell == cell // 1 else cell for cell in frame[:, place]]
    return cells


def _refuse_unknown_categories(estimator: Any, frame: Any) -> None:
    """Refuse what XGBoost means to refuse, and 3.2 does only where it sorts behind all others.

    Elsewhere it takes the next category in order. Source: ``SearchSorted`` in
    src/encoder/ordinal.h of XGBoost, which compares for equality from 3.3 on.
    """
    dtypes = getattr(frame, "dtypes", None)
    if not any(hasattr(dtype, "categories") for dtype in (() if dtypes is None else dtypes)):
        return
    booster = estimator.get_booster() if hasattr(estimator, "get_booster") else estimator
    known = dict(booster.get_categories(export_to_arrow=True).to_arrow())
    for name, dtype in frame.dtypes.items():
        if hasattr(dtype, "categories") and known.get(name) is not None:
            unknown = set(dtype.categories) - set(known[name].to_pylist())
            if unknown:
                message = f"Found a category not in the training set in column {name!r}: {unknown}"
                raise ValueError(message)


def _last(estimator: Any) -> type:
    """Give the class that predicts: of a pipeline, that of its last step."""
    steps = getattr(estimator, "steps", None)
    return _last(steps[-1][1]) if steps else type(estimator)
