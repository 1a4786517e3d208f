"""Forests from tables: each row walks down the trees, for forests of any size.

The model brings its nodes as arrays or as rows, whichever the engine finds by number without a
search. The text of the query grows with the depth of the trees, not with their number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...ir.trees import LEAF
from ..walks import ArrayWalk, RowWalk
from .packing import pack
from .splits import Splits
from .sums import check_leaves, sum_problem
from .walk_arrays import walk_arrays
from .walk_rows import walk_rows

if TYPE_CHECKING:
    from ...ir.steps import Forest
    from ..builder import Builder


class WalkStrategy:
    """Nodes in tables, found by their numbers."""

    name = "walk"

    def problem(self, step: Forest, builder: Builder) -> str | None:
        """Refuse targets that have no such walk, and float32 where there is none."""
        target, trees = builder.target, step.trees
        if target.walk is None:
            return f"{target.title} has no walk through tables of nodes that is certain to be exact"
        thresholds = trees.threshold[(trees.feature != LEAF) & (trees.category_set < 0)]
        if target.minus_infinity is None and (thresholds == -np.inf).any():
            return f"a threshold is -inf, which {target.title} lacks"
        is_tiny = (thresholds != 0) & (np.abs(thresholds) < np.finfo(np.float64).smallest_normal)
        if target.has_denormals is None and is_tiny.any():
            return f"a threshold is {thresholds[is_tiny][0]!r}, which {target.title} may lack"
        return sum_problem(step, builder)

    def emit(self, step: Forest, builder: Builder) -> None:
        """Write one sum an output."""
        trees, target = step.trees, builder.target
        check_leaves(step, builder)
        splits = Splits(trees, step.inputs, builder)
        nullable = {feature for feature, column in splits.columns.items() if column.null}
        packed = pack(trees, len(step.outputs), nullable, denormals=bool(target.has_denormals))
        if not packed.fits:
            builder.refuse("its nodes and thresholds are too many for records of 64 bits")
        match target.walk:
            case ArrayWalk() as walk:
                walk_arrays(step, packed, splits, builder, walk)
            case RowWalk() as walk:
                walk_rows(step, packed, splits, builder, walk)
            case None:
                builder.refuse("the target has no walk")
