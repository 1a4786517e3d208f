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


def levels_of(trees: Trees) -> list[NDArray[np.intp]]:
    """List the splits of all trees by their depth, roots first."""
    levels: list[NDArray[np.intp]] = []
    nodes = trees.root.astype(np.intp)
    while len(nodes := nodes[trees.feature[nodes] != LEAF]):
        levels.append(nodes)
        nodes = np.concatenate([trees.left[nodes], trees.right[nodes]]).astype(np.intp)
    return levels


def leaf_nodes(trees: Trees, ranges: LeafRanges) -> list[NDArray[np.intp]]:
    """List each tree's leaves from left to right: nodes, intp[leaves of the tree]."""
    found: list[NDArray[np.intp]] = []
    for nodes in trees.slices():
        leaves = np.flatnonzero(trees.feature[nodes] == LEAF) + nodes.start
        found.append(leaves[np.argsort(ranges.first_leaf[leaves])])
    return found


def leaf_ranges(trees: Trees) -> LeafRanges:
    """Count and number leaves for all trees at once, a level at a time."""
    levels = levels_of(trees)
    leaf_count = np.ones(len(trees.feature), np.intp)
    first_leaf = np.zeros(len(trees.feature), np.intp)
    for nodes in reversed(levels):
        leaf_count[nodes] = leaf_count[trees.left[nodes]] + leaf_count[trees.right[nodes]]
    for nodes in levels:
        left = trees.left[nodes]
        first_leaf[left] = first_leaf[nodes]
        first_leaf[trees.right[nodes]] = first_leaf[nodes] + leaf_count[left]
    return LeafRanges(first_leaf, leaf_count, len(levels))
