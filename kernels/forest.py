"""Run a forest: code the inputs once, then let the plan that fits find the leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .binmask import MAX_LEAVES, BinMask
from .coding import codings_of
from .leaves import leaf_ranges
from .traversal import Traversal

if TYPE_CHECKING:
    from ..ir.steps import Forest
    from .columns import Values

BLOCK_ROWS = 8192
"""Rows scored at once: their lanes stay in the second-level cache."""


class ForestKernel:
    """A forest, prepared once; running it keeps no state, so threads may share it."""

    def __init__(self, step: Forest) -> None:
        """Build the codings and the tables."""
        self._step = step
        self._codings = codings_of(step.trees)
        plan = BinMask if leaf_ranges(step.trees).most_leaves <= MAX_LEAVES else Traversal
        self._plan = plan.of(step.trees, self._codings)

    def run(self, values: Values) -> None:
        """Write the scores."""
        step = self._step
        scores = np.empty((len(step.outputs), values.rows), step.precision.value)
        scores[:] = step.start[:, None]
        inputs = {i: values.numbers(step.inputs[i]) for i in self._codings}
        for start in range(0, values.rows, BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            codes = {i: self._codings[i].encode(column[block]) for i, column in inputs.items()}
            self._plan.add_to(scores[:, block], codes)
        for name, column in zip(step.outputs, scores, strict=True):
            values.put(name, column.astype(np.float64, copy=False))
