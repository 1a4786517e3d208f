"""``sklearn.isotonic``: one column through a line that never falls, or never rises."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import Outputs
from ...ir import steps as s
from ..convert import require_fitted

if TYPE_CHECKING:
    from ..graph import Graph, Names


def convert_isotonic(model: Any, inputs: Names, graph: Graph) -> Outputs:
    """Interpolate between the thresholds; beyond them a missing value, or the last one."""
    require_fitted(model, "X_thresholds_", graph)
    graph.require_numbers(inputs)
    graph.require_dense(inputs)
    graph.require(inputs, missing=True, infinite=True)
    return Outputs(add_isotonic(model, inputs[0], graph))


def add_isotonic(model: Any, name: str, graph: Graph) -> Names:
    """Append the line of a fitted isotonic regression.

    Source: ``scipy.interpolate.interp1d``, which calls ``numpy.interp`` and puts NaN outside.
    """
    xs, ys = np.asarray(model.X_thresholds_), np.asarray(model.y_thresholds_)
    if xs.dtype != np.float64 or ys.dtype != np.float64:
        raise graph.refuse("it was fitted in float32", "fit it to numbers in float64")
    if model.out_of_bounds == "raise" and len(xs) > 1:
        raise graph.refuse(
            "out_of_bounds='raise' fails for values beyond those of the training rows",
            "fit with out_of_bounds='nan' or 'clip'",
        )
    if model.out_of_bounds == "nan" and len(xs) > 1:
        below, above = float(np.nextafter(xs[0], -np.inf)), float(np.nextafter(xs[-1], np.inf))
        for low, high in ((-math.inf, below), (above, math.inf)):
            (output,) = graph.fresh([name], "null")
            (name,) = graph.add(s.NullIf((name,), (output,), low, high))
    (output,) = graph.fresh([name], "isotonic")
    return graph.add(s.Interpolate((name,), (output,), xs.copy(), ys.copy()))


PREDICTORS = {"IsotonicRegression": convert_isotonic}
