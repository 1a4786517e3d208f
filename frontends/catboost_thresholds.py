"""CatBoost's borders as thresholds: ``float32(x) > border`` is ``x > threshold`` in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..ir import ColumnType
from ..ir.thresholds import at_most_float32

if TYPE_CHECKING:
    from .graph import Graph

_EXACT_INTEGERS = 2.0**52


def threshold_of(border: float, name: str, graph: Graph) -> float:
    """Give the largest number of a column that is not above a border.

    Raises
    ------
    UnsupportedModelError
        If the column holds no numbers, or integers so large that float64, in between, would round
        them before float32 does.
    """
    graph.require_numbers((name,))
    if graph.types[name] is ColumnType.BIGINT and abs(border) >= _EXACT_INTEGERS:
        raise graph.refuse(
            f"it splits integers of column {name!r} beyond 2**52",
            "train on the column as float64, or divided by a power of two",
        )
    return float(at_most_float32(np.array([border]))[0])
