"""Trees that split alike at all nodes of a level, as CatBoost's do: one split a level is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..leaves import levels_of
from .chains import RUN, Chains

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...ir import Trees

SETS_BITS = 2
"""The ``joins`` of a run whose splits set bits of a leaf's number."""

_BATCH_TREES = 8
_MOST_LEVELS = 8


def order_levels(trees: Trees) -> Chains | None:
    """Take the first split of each level, or give None where a tree is not symmetric.

    The leaves are numbered from left to right, so the split of the lowest level sets bit 0.
    """
    depth = _depths(trees)
    if depth is None or int(depth.max()) > _MOST_LEVELS:
        return None
    nodes = len(trees.feature)
    entries = np.maximum(depth, 1)
    start = np.cumsum(entries) - entries
    order, bits = np.zeros(int(entries.sum()), np.intp), np.zeros(int(entries.sum()), np.uint8)
    node = trees.root.astype(np.intp)
    for level in range(int(depth.max(initial=1)) or 1):
        here = entries > level
        order[start[here] + level] = node[here]
        bits[start[here] + level] = (1 << depth[here]) >> (level + 1)
        node = trees.left[node].astype(np.intp)
    batch = np.arange(trees.count) // _BATCH_TREES
    root = (np.arange(trees.count) % _BATCH_TREES).astype(np.uint8)
    slot = np.zeros(nodes, np.uint8)
    slot[trees.root] = root
    runs, first_run = _runs(trees, order, entries, batch)
    first_tree = np.append(np.arange(0, trees.count, _BATCH_TREES), trees.count)
    return Chains(
        order=order,
        base=np.zeros(nodes, np.uint8),
        other=np.zeros(nodes, np.uint8),
        slot=slot,
        joins=np.zeros(nodes, np.bool_),
        runs=runs,
        first_tree=first_tree.astype(np.int64),
        first_run=first_run,
        first_split=np.append(start, len(order))[first_tree].astype(np.int64),
        root=root,
        slots=_BATCH_TREES,
        bits=bits,
    )


def _depths(trees: Trees) -> NDArray[np.intp] | None:
    """Give the number of levels of each tree, or None where one is not symmetric."""
    tree_of = np.repeat(np.arange(trees.count), np.diff([*trees.root, len(trees.feature)]))
    depth = np.zeros(trees.count, np.intp)
    for number, nodes in enumerate(levels_of(trees)):
        of = tree_of[nodes]
        # All nodes of a level must be splits, and the same one.
        if not (np.bincount(of)[of] == 1 << number).all():
            return None
        first = np.zeros(trees.count, np.intp)
        first[of] = nodes
        for array in (trees.feature, trees.threshold, trees.missing_left, trees.category_set):
            if not np.array_equal(array[nodes], array[first[of]]):
                return None
        depth[of] = number + 1
    return depth


def _runs(
    trees: Trees, order: NDArray[np.intp], entries: NDArray[np.intp], batch: NDArray[np.intp]
) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """Count the trees of one depth that follow each other within a batch."""
    start = np.cumsum(entries) - entries
    has_sets = np.logical_or.reduceat(trees.category_set[order] >= 0, start)
    changes = np.ones(len(entries), np.bool_)
    changes[1:] = np.diff(batch) != 0
    changes[1:] |= (np.diff(entries) != 0) | (np.diff(has_sets.astype(np.int8)) != 0)
    first = np.flatnonzero(changes)
    runs = np.zeros(len(first), RUN)
    runs["count"] = np.diff(first, append=len(entries))
    runs["length"], runs["sets"], runs["joins"] = entries[first] - 1, has_sets[first], SETS_BITS
    return runs, np.searchsorted(batch[first], np.arange(int(batch[-1]) + 2)).astype(np.int64)
