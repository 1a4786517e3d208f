"""How far an answer for a golden row may be from the one that is kept.

Kept in the card beside the rows, so that a route can be held against them where nothing else of the
gate is: in a data test of dbt, say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..kernels import Scorer
from .compare import RELATIVE, RELATIVE_PROBABILITY, allowed_gap, label_doubts, rounding_bound
from .probes import table_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..ir import Model
    from .golden import Golden


def golden_bounds(model: Model, golden: Golden) -> dict[str, Any]:
    """Give plain JSON values: absolute differences that the gate allows, one a row.

    Returns
    -------
    dict
        ``prediction``, empty where the prediction is a label; ``probability``; and ``uncertain``,
        the numbers of the rows of which nothing can be asked, since they hang on a rounding.
    """
    if not golden.rows:
        return {"prediction": [], "probability": [], "uncertain": []}
    table = table_of(model, [list(values) for values in zip(*golden.rows, strict=True)])
    scorer = Scorer(model, None)
    values = scorer.run(scorer.decoder.decode(table))
    doubts = label_doubts(model, values)
    bound = rounding_bound(model, values)
    bound = np.zeros(len(golden.rows)) if bound is None else bound
    uncertain = doubts.ties | doubts.overflows | ~np.isfinite(bound)
    bound = np.where(uncertain, 0.0, bound)
    predictions = () if model.outputs.classes is not None else golden.prediction
    return {
        "prediction": _allowed(predictions, bound, RELATIVE),
        "probability": _allowed(golden.probabilities, bound, RELATIVE_PROBABILITY),
        "uncertain": np.flatnonzero(uncertain).tolist(),
    }


def _allowed(answers: Any, bound: NDArray[np.float64], relative: float) -> list[float]:
    if not len(answers) or not np.size(answers[0]):
        return []
    size = np.abs(np.array(answers, np.float64).reshape(len(answers), -1))
    size = np.where(np.isfinite(size), size, 0.0).max(axis=1)
    return np.maximum(allowed_gap(size, relative), bound).tolist()
