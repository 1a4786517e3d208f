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
    model: ModelJson, start: NDArray[np.float64], inputs: Names, outputs: Names, graph: Graph
) -> Names:
    """Add the terms to ``start``, which is what a row of missing values gets."""
    weights = np.array(model.coefficients, np.float32).reshape(-1, model.outputs)[:-1]
    return graph.add(s.Float32Dot(inputs, outputs, weights.astype(np.float64), start))
