"""Ask the library itself."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Answers(
                np.asarray(estimator.predict(frame)),
                _probabilities(estimator, frame),
                _margins(estimator, frame),
            )
    except _refusals() as error:
        return f"{type(error).__name__}: {error}"


def _refusals() -> tuple[type[Exception], ...]:
    """List the errors by which libraries refuse data."""
    lightgbm = sys.modules.get("lightgbm")
    own = (lightgbm.basic.LightGBMError,) if lightgbm is not None else ()
    return (ValueError, TypeError, *own)


def _probabilities(estimator: Any, frame: Any) -> NDArray[np.float64]:
    if not hasattr(estimator, "predict_proba"):
        return np.empty((0, 0))
    return np.asarray(estimator.predict_proba(frame), np.float64)


def _margins(estimator: Any, frame: Any) -> NDArray[np.float64]:
    """Raw scores: LightGBM's ``raw_score``, scikit-learn's ``decision_function``."""
    if _last(estimator).__module__.startswith("lightgbm"):
        raw = np.asarray(estimator.predict(frame, raw_score=True), np.float64)
    elif hasattr(estimator, "decision_function"):
        raw = np.asarray(estimator.decision_function(frame), np.float64)
    else:
        return np.empty((0, 0))
    return raw.reshape(len(raw), -1)


def _last(estimator: Any) -> type:
    """Give the class that predicts: of a pipeline, that of its last step."""
    steps = getattr(estimator, "steps", None)
    return _last(steps[-1][1]) if steps else type(estimator)
