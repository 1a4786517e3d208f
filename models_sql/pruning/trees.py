"""Trees without the splits whose outcome is certain.

Each input's possible numbers fall into cells, between which no split tells apart: a split by order
is then a number of cells that go left, one by set a mask of cells. Every node is visited once, a
level of all trees at a time, with the cells that reach it. Its ancestors' splits narrow these, so
``x <= 5`` below the left side of ``x <= 3`` is certain whatever ``x`` is. A missing value is a cell
of its own: it follows each split's own direction, so it is narrowed as exactly as numbers are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ...ir.trees import LEAF, Trees
from .cells import cells_of
from .reaching import BOTH, LEFT, reach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .cells import Cells
    from .domain import Known
    from .reaching import Reached


@dataclass(frozen=True, slots=True, eq=False)
class PrunedTrees:
    """What is left of a forest.

    ``trees`` read the inputs under their old indices. ``content`` names, for each node, the node
    of the old trees whose leaf it is: intp[nodes].
    """

    trees: Trees
    content: NDArray[np.intp]


def prune_trees(trees: Trees, inputs: Sequence[Known], leaves: NDArray[np.int64]) -> PrunedTrees:
    """Drop what no row can reach, and splits between equal leaves.

    Parameters
    ----------
    trees
        The trees; as many come back, in their order.
    inputs
        What is known of each input.
    leaves
        A number for each node: leaves that are equal, bit for bit, have the same.
    """
    cells = cells_of(trees, inputs)
    reached = reach(trees, cells)
    links = _merged(trees, reached, leaves)
    return _rebuilt(trees, cells, reached, links)


@dataclass(frozen=True, slots=True, eq=False)
class _Links:
    """The links that are left, and by node what stands for it, and whose leaf it is."""

    feature: NDArray[np.int32]
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    stands_for: NDArray[np.intp]
    content: NDArray[np.intp]


def _merged(trees: Trees, reached: Reached, leaves: NDArray[np.int64]) -> _Links:
    """Go from the leaves up: what rows pass on one way is its child there, two equal leaves one."""
    feature, leaves = trees.feature.copy(), leaves.copy()
    left, right = trees.left.astype(np.intp), trees.right.astype(np.intp)
    stands_for, content = np.arange(len(feature)), np.arange(len(feature))
    for nodes in reversed(reached.levels):
        ways = reached.ways[nodes]
        to_left, to_right = stands_for[left[nodes]], stands_for[right[nodes]]
        left[nodes], right[nodes] = to_left, to_right
        passed = ways != BOTH
        stands_for[nodes[passed]] = np.where(ways == LEFT, to_left, to_right)[passed]
        are_leaves = (feature[to_left] == LEAF) & (feature[to_right] == LEAF)
        equal = ~passed & are_leaves & (leaves[to_left] == leaves[to_right])
        merged, same = nodes[equal], to_left[equal]
        feature[merged] = LEAF
        leaves[merged], content[merged] = leaves[same], content[same]
    return _Links(feature, left, right, stands_for, content)


def _rebuilt(trees: Trees, cells: Cells, reached: Reached, links: _Links) -> PrunedTrees:
    """Leave out the nodes that rows do not reach."""
    roots = links.stands_for[trees.root]
    kept = np.zeros(len(links.feature), np.bool_)
    kept[roots] = True
    for level in reached.levels:
        nodes = level[kept[level] & (links.feature[level] != LEAF)]
        kept[links.left[nodes]] = kept[links.right[nodes]] = True
    order = np.flatnonzero(kept)
    features = links.feature[order]
    number = np.cumsum(kept) - 1
    inner = features != LEAF
    source = links.content[order]
    pruned = replace(
        trees,
        feature=features,
        threshold=np.where(inner, trees.threshold[order], 0.0),
        left=np.where(inner, number[links.left[order]], 0).astype(np.int32),
        right=np.where(inner, number[links.right[order]], 0).astype(np.int32),
        missing_left=inner & reached.missing_left[order],
        value=np.where(inner, trees.value[order], trees.value[source]),
        cover=trees.cover[order],
        root=number[roots].astype(np.int32),
        **_sets(trees, cells, reached, order, features),
    )
    return PrunedTrees(pruned, source)


def _sets(
    trees: Trees,
    cells: Cells,
    reached: Reached,
    order: NDArray[np.intp],
    features: NDArray[np.int32],
) -> dict[str, NDArray[np.int32] | NDArray[np.int64]]:
    """List the category sets again: of their members only those that reach the split."""
    place = np.full(len(order), -1, np.int32)
    by_set = (features != LEAF) & (trees.category_set[order] >= 0)
    lengths, values = [np.zeros(1, np.int64)], [np.zeros(0, np.int32)]
    count = 0
    for feature, (nodes, masks) in reached.masks.items():
        mine = np.flatnonzero(by_set & (features == feature))
        wanted = masks[np.searchsorted(nodes, order[mine])]
        distinct, numbers = np.unique(wanted, axis=0, return_inverse=True)
        place[mine] = count + numbers.reshape(-1)
        members, sizes = cells.sets[feature].members(distinct)
        lengths.append(sizes)
        values.append(members)
        count += len(distinct)
    return {
        "category_set": place,
        "set_start": np.cumsum(np.concatenate(lengths)),
        "set_values": np.concatenate(values).astype(np.int32),
    }
