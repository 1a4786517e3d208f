"""A forest in numpy: code the inputs once, then let the plan that fits find the leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .binmask import MAX_LEAVES, BinMask
from .leaves import leaf_ranges

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from ..ir.steps import Forest
    from .coding import Coding
    from .traversal import Traversal

BLOCK_ROWS = 8192
"""Rows scored at once: their lanes stay in the second-level cache."""


@dataclass(frozen=True, slots=True, eq=False)
class NumpyForest:
    """A forest's codings and tables."""

    codings: Mapping[int, Coding]
    plan: BinMask | Traversal
    precision: str

    @classmethod
    def of(cls, step: Forest, codings: Mapping[int, Coding]) -> NumpyForest:
        """Choose the plan by the size of the largest tree."""
        if leaf_ranges(step.trees).most_leaves <= MAX_LEAVES:
            return cls(codings, BinMask.of(step.trees, codings), step.precision.value)
        # Few forests have such trees, and a fresh process is ready sooner without it.
        from .traversal import Traversal

        return cls(codings, Traversal.of(step.trees, codings), step.precision.value)

    def add_to(
        self, scores: NDArray[np.float64], inputs: Mapping[int, NDArray[np.float64]]
    ) -> None:
        """Add every tree's leaf to ``scores``, float64[outputs, rows], in the trees' order.

        ``inputs`` holds float64[rows] for each input that a split reads.
        """
        sums = scores.astype(self.precision, copy=False)
        for start in range(0, scores.shape[1], BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            codes = {i: self.codings[i].encode(column[block]) for i, column in inputs.items()}
            self.plan.add_to(sums[:, block], codes)
        if sums is not scores:
            scores[:] = sums
