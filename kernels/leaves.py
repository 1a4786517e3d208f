"""Number the leaves of every tree from left to right."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..ir.trees import LEAF

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..ir import Trees


class LeafRanges(NamedTuple):
    """The leaves below each node: ``first_leaf`` within its tree and how many, intp[nodes]."""

    first_leaf: NDArray[np.intp]
    leaf_count: NDArray[np.intp]
    depth: int

    @property
    def most_leaves(self) -> int:
        """The leaves of the largest tree."""
        return int(self.leaf_count.max(initial=1))


def leaf_ranges(trees: Trees) -> LeafRanges:
    """Count and number leaves for all trees at once, a level at a time."""
    levels = [trees.root.astype(np.intp)]
    while True:
        inner = levels[-1][trees.feature[levels[-1]] != LEAF]
        if not len(inner):
            break
        levels[-1] = inner
        levels.append(np.concatenate([trees.left[inner], trees.right[inner]]).astype(np.intp))
    levels.pop()
    leaf_count = np.ones(len(trees.feature), np.intp)
    first_leaf = np.zeros(len(trees.feature), np.intp)
    for nodes in reversed(levels):
        leaf_count[nodes] = leaf_count[trees.left[nodes]] + leaf_count[trees.right[nodes]]
    for nodes in levels:
        left = trees.left[nodes]
        first_leaf[left] = first_leaf[nodes]
        first_leaf[trees.right[nodes]] = first_leaf[nodes] + leaf_count[left]
    return LeafRanges(first_leaf, leaf_count, len(levels))
