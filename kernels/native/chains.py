"""Put the splits of a forest into the order in which blend.h evaluates them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...ir.trees import LEAF
from ..leaves import levels_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...ir import Trees

RUN = np.dtype([("count", "i4"), ("length", "i2"), ("joins", "u1"), ("sets", "u1")])
_BATCH_CHAINS = 32
"""First splits in a batch, at least: their shapes are sorted together."""
_BATCH_TREES = 4
"""Trees in a batch, at least: their leaves are added together."""
_GROUP_CHAINS = 16
"""First splits in a group of a batch's trees, at least; groups share the slots between splits."""


@dataclass(frozen=True, slots=True, eq=False)
class Chains:
    """The order of the splits, and where their leaf numbers are kept.

    Attributes
    ----------
    order : intp[splits]
        The nodes in the order of evaluation. A tree that is a leaf comes as that leaf.
    base, other, slot : uint8[nodes]
        The two slots that a split with no leaf joins; the slot that its chain leaves.
    joins : bool[nodes]
        Whether a split joins two slots.
    runs : RUN[runs]
        Chains of one shape that follow each other.
    first_tree, first_run, first_split : int64[batches + 1]
        Where each batch begins.
    root : uint8[trees]
        The slot with each tree's leaf numbers.
    slots : int
        How many there are.
    bits : uint8[splits] or None
        Where all trees split alike at all nodes of a level: the bit of a leaf's number that a split
        sets in the rows that go right.
    """

    order: NDArray[np.intp]
    base: NDArray[np.uint8]
    other: NDArray[np.uint8]
    slot: NDArray[np.uint8]
    joins: NDArray[np.bool_]
    runs: NDArray[np.void]
    first_tree: NDArray[np.int64]
    first_run: NDArray[np.int64]
    first_split: NDArray[np.int64]
    root: NDArray[np.uint8]
    slots: int
    bits: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Shapes:
    """What is known of each node: the chain it is in, and that chain's shape.

    A chain is named by its first split. ``place`` is a split's position in it, ``nest`` how many
    joins lie below it, one above the other, ``length`` how many splits follow the first, and
    ``sets`` marks by a bit each which splits have a set.
    """

    starts: NDArray[np.bool_]
    joins: NDArray[np.bool_]
    chain: NDArray[np.intp]
    place: NDArray[np.intp]
    nest: NDArray[np.intp]
    length: NDArray[np.intp]
    sets: NDArray[np.int64]


def order_splits(trees: Trees) -> Chains:
    """Cut the trees into chains, sort these by shape, and give them slots."""
    tree = np.repeat(np.arange(trees.count), np.diff([*trees.root, len(trees.feature)]))
    shapes = _shapes(trees)
    batch, group = _batches(np.bincount(tree[shapes.starts], minlength=trees.count))
    is_split = trees.feature != LEAF
    is_split[trees.root] = True
    splits = np.flatnonzero(is_split)
    keys = (shapes.place, shapes.chain, shapes.sets, shapes.length, shapes.sets > 0, shapes.nest)
    order = splits[np.lexsort([key[splits] for key in (*keys, group[tree])])]
    chains = order[shapes.place[order] == 0]
    runs, first_of_run = _runs(shapes, chains, group[tree[chains]])
    base, other, slot, root = _slots(trees, shapes, tree, batch, group)
    return Chains(
        order=order,
        base=base,
        other=other,
        slot=slot,
        joins=shapes.joins,
        runs=runs,
        first_tree=_firsts(batch),
        first_run=_firsts(batch[tree[first_of_run]]),
        first_split=_firsts(batch[tree[order]]),
        root=root,
        slots=int(slot.max(initial=0)) + 1,
    )


def _shapes(trees: Trees) -> _Shapes:
    nodes = len(trees.feature)
    is_leaf, has_set = trees.feature == LEAF, trees.category_set >= 0
    left, right = trees.left, trees.right
    joins = ~is_leaf & ~is_leaf[left] & ~is_leaf[right]
    starts = ~is_leaf & is_leaf[left] & is_leaf[right]
    starts[trees.root] |= is_leaf[trees.root]
    chain = np.arange(nodes)
    place, nest = np.zeros(nodes, np.intp), np.zeros(nodes, np.intp)
    sets = has_set.astype(np.int64)
    for level in reversed(levels_of(trees)):
        join = level[joins[level]]
        nest[join] = np.maximum(nest[left[join]], nest[right[join]]) + 1
        node = level[~joins[level] & ~starts[level]]
        below = np.where(is_leaf[left[node]], right[node], left[node])
        chain[node], nest[node], place[node] = chain[below], nest[below], place[below] + 1
        # Beyond 62 splits the bit of a set stands for any later one.
        sets[node] = sets[below] | has_set[node].astype(np.int64) << np.minimum(place[node], 62)
    # The last split of a chain is a root or the child of a join; it has seen the whole chain.
    last = np.zeros(nodes, np.intp)
    for ends in (trees.root, left[joins], right[joins]):
        last[chain[ends]] = ends
    last = last[chain]
    return _Shapes(starts, joins, chain, place, nest, place[last], sets[last])


def _batches(starts: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give each tree the numbers of a batch and a group, by how many chains start at leaves."""
    batch, group = np.zeros(len(starts), np.intp), np.zeros(len(starts), np.intp)
    batches = groups = in_batch = in_group = trees = 0
    for tree, count in enumerate(starts.tolist()):
        if trees >= _BATCH_TREES and in_batch >= _BATCH_CHAINS:
            batches += 1
            groups += 1
            in_batch = in_group = trees = 0
        elif in_group >= _GROUP_CHAINS:
            groups += 1
            in_group = 0
        batch[tree], group[tree] = batches, groups
        in_batch, in_group, trees = in_batch + count, in_group + count, trees + 1
    return batch, group


def _runs(
    shapes: _Shapes, chains: NDArray[np.intp], group: NDArray[np.intp]
) -> tuple[NDArray[np.void], NDArray[np.intp]]:
    """Count the chains of one shape that follow each other; also give the first of each run."""
    columns = (shapes.length[chains], shapes.joins[chains], shapes.sets[chains] > 0)
    changes = np.zeros(len(chains), np.bool_)
    changes[0] = True
    for column in (*columns, group):
        changes[1:] |= column[1:] != column[:-1]
    first = np.flatnonzero(changes)
    runs = np.zeros(len(first), RUN)
    runs["count"] = np.diff(first, append=len(chains))
    runs["length"], runs["joins"], runs["sets"] = (column[first] for column in columns)
    return runs, chains[first]


def _slots(
    trees: Trees,
    shapes: _Shapes,
    tree: NDArray[np.intp],
    batch: NDArray[np.intp],
    group: NDArray[np.intp],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Give each chain that starts at leaves a slot; a join takes over that of its right child.

    The first slots of a batch are its trees' own, in which their last chains end.
    """
    nodes = len(trees.feature)
    first_tree = _firsts(batch)
    root = np.arange(trees.count) - first_tree[batch]
    start = np.flatnonzero(shapes.starts)
    group_of_start = group[tree[start]]
    base, other, slot = (np.zeros(nodes, np.intp) for _ in range(3))
    slot[start] = np.diff(first_tree)[batch[tree[start]]]
    slot[start] += np.arange(len(start)) - _firsts(group_of_start)[group_of_start]
    for nest in range(1, int(shapes.nest.max(initial=0)) + 1):
        node = np.flatnonzero(shapes.joins & (shapes.nest == nest))
        base[node] = slot[shapes.chain[trees.right[node]]]
        other[node] = slot[shapes.chain[trees.left[node]]]
        slot[node] = base[node]
    slot[shapes.chain[trees.root]] = root
    first, second, third, fourth = (a.astype(np.uint8) for a in (base, other, slot, root))
    return first, second, third, fourth


def _firsts(number: NDArray[np.intp]) -> NDArray[np.int64]:
    """Give where each number begins in an ascending list of all numbers from 0, and the end."""
    return np.searchsorted(number, np.arange(int(number[-1]) + 2)).astype(np.int64)
