"""XGBoost's linear booster (``booster="gblinear"``): sums in float32, missing values left out.

Source: ``GBLinear::Pred`` in src/gbm/gblinear.cc. It starts from the bias plus the base score, and
adds one product after the other, each rounded to float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..ir import ColumnType
from ..ir import steps as s

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .graph import Graph, Names
    from .xgboost_json import ModelJson

_EXACT_INTEGERS = 2.0**53
"""Up to here float64 holds every integer."""


def require_exact_integers(inputs: Names, graph: Graph) -> None:
    """Refuse, at scoring, integers that float64 may round before float32 does."""
    integers = tuple(name for name in inputs if graph.types[name] is ColumnType.BIGINT)
    graph.require(integers, missing=False, infinite=False, largest=_EXACT_INTEGERS)


def add_linear_terms(
    model: ModelJson, start: NDArray[np.float32], inputs: Names, outputs: Names, graph: Graph
) -> Names:
    """Add biases and terms to the start of the first score, which serves all others too."""
    numbers = np.array(model.coefficients, np.float32).reshape(-1, model.outputs)
    weights, intercepts = numbers[:-1].astype(np.float64), numbers[-1] + start[0]
    return graph.add(s.Float32Dot(inputs, outputs, weights, intercepts.astype(np.float64)))
