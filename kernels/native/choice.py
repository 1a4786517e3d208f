"""Choose between the native kernels, for a forest and for each batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..coding import codings_of
from ..threads import BLOCK_ROWS, run_in_parts
from .forest import NativeForest
from .tables import MOST_LEAVES
from .walk import NativeWalk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ...ir import Trees
    from ...ir.steps import Forest

NANOSECONDS_A_STEP = 1.2
"""One row goes down one level of one tree."""

NANOSECONDS_A_SPLIT = (30.0, 10.0, 9.0)
"""One split is blended for a block of 512 rows: without vector instructions, AVX2, AVX-512."""

NANOSECONDS_A_TREE = 160.0
"""The leaves of one tree are added for a block."""


@dataclass(frozen=True, slots=True, eq=False)
class NativePlan:
    """A forest in one native kernel, or in both; the bits are the same.

    Byte-blend evaluates all splits of a tree on 512 rows, however many there are. The walk takes a
    row from the root to its leaf, whose depth lies about midway between the tree's depth and that
    of a balanced tree. So the kernels are even at a number of rows that follows from the forest
    alone, ``least_rows``. Measured on an EPYC (Zen 4) with AVX-512, in processor time:

    ===================================  ==========  =============  ==========  ==========
    forest                               walk a row  blend a block  even, rule  even, seen
    ===================================  ==========  =============  ==========  ==========
    LightGBM, 500 trees of 127 leaves    7.8 us      0.63 ms        87 rows     80 rows
    XGBoost, 300 trees of depth 6        1.9 us      0.23 ms        97 rows     120 rows
    scikit-learn HGB, 200 trees of 31    1.6 us      0.09 ms        49 rows     45 rows
    CatBoost, 500 trees of depth 6       3.1 us      0.10 ms        30 rows     23 rows
    ===================================  ==========  =============  ==========  ==========

    What does not fit into bytes is walked: 14 ns a row and tree for a random forest of depth 12,
    20 for 1,000 leaves, 8 for 176 leaves on 3,000 thresholds. Cutting the large trees into blended
    ones, or codes of 16 bits for the small ones, would take at least 17 and 6 by the figures above.
    """

    blend: NativeForest | None
    walk: NativeWalk | None
    least_rows: float

    @classmethod
    def of(cls, step: Forest) -> NativePlan | None:
        """Prepare a forest, or give None where no kernel is there or takes it."""
        walk = NativeWalk.of(step)
        blend = None
        if _most_leaves(step.trees) <= MOST_LEAVES:
            blend = NativeForest.of(step, codings_of(step.trees))
        if walk is None and blend is None:
            return None
        return cls(blend, walk, _least_rows(blend, walk))

    def add_to(
        self,
        scores: NDArray[np.float64],
        inputs: Mapping[int, NDArray[np.float64]],
        threads: int = 1,
    ) -> None:
        """Add every tree's leaf to ``scores``, float64[outputs, rows], in the trees' order."""

        def add_part(rows: slice) -> None:
            part = {index: column[rows] for index, column in inputs.items()}
            self._add_part(scores[:, rows], part)

        run_in_parts(add_part, scores.shape[1], threads)

    def _add_part(
        self, scores: NDArray[np.float64], inputs: Mapping[int, NDArray[np.float64]]
    ) -> None:
        rows = scores.shape[1]
        blended = self.blended(rows)
        for kernel, part in ((self.blend, slice(blended)), (self.walk, slice(blended, rows))):
            if kernel is not None and part.start != part.stop:
                kernel.add_to(scores[:, part], {i: column[part] for i, column in inputs.items()})

    def blended(self, rows: int) -> int:
        """Say how many rows of a batch to blend: whole blocks, and the rest if it is worth one."""
        if self.blend is None or self.least_rows > BLOCK_ROWS:
            return 0
        rest = rows % BLOCK_ROWS
        return rows if rest >= self.least_rows else rows - rest


def _most_leaves(trees: Trees) -> int:
    """Count the leaves of the largest tree: a binary tree has one leaf more than splits."""
    return (int(np.diff([*trees.root, len(trees.feature)]).max()) + 1) // 2


def _least_rows(blend: NativeForest | None, walk: NativeWalk | None) -> float:
    """From how many rows on a block is worth it; 0 where the walk does not take the forest."""
    if blend is None or walk is None:
        return 0.0
    tree = walk.tables.tree
    steps = float((tree["depth"] + np.log2(tree["leaves"])).sum()) / 2
    block = NANOSECONDS_A_SPLIT[blend.variant] * blend.splits
    block += NANOSECONDS_A_TREE * blend.trees
    return block / (NANOSECONDS_A_STEP * max(steps, 1.0))
