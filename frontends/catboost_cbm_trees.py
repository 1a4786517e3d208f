"""The trees of CatBoost's ``.cbm`` files, symmetric or not.

Source: ``TModelTrees`` in catboost/libs/model, in flatbuffers/model.fbs and in model.h.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .catboost_model import Tree, fail, grow_symmetric, weigh

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .catboost_flatbuffer import Table

_STEP = np.dtype([("left", np.uint16), ("right", np.uint16)])


def read_trees(table: Table, dimension: int) -> list[Tree]:
    """Read the trees from the table that holds them."""
    sizes = table.array(2, np.int32).astype(np.int64)
    starts = table.array(3, np.int32).astype(np.int64)
    splits = table.array(1, np.int32)
    values = table.array(8, np.float64)
    weights = table.array(9, np.float64)
    if len(sizes) != len(starts) or (sizes < 0).any() or (starts < 0).any():
        fail("its trees have no sizes")
    if (starts + sizes > len(splits)).any() or len(values) % dimension:
        fail("a tree ends beyond its splits")
    by_leaf = values.reshape(-1, dimension)
    slices = [slice(a, a + n) for a, n in zip(starts.tolist(), sizes.tolist(), strict=True)]
    if len(table.array(10, _STEP)):
        return _read_asymmetric(table, slices, by_leaf, weights)
    trees: list[Tree] = []
    first = 0
    for part in slices:
        # A hostile size is no shift to make: the leaves are bounded by those that are there.
        leaves = 1 << min(part.stop - part.start, 62)
        if leaves > len(by_leaf) - first:
            fail("a tree has fewer leaves than its splits make")
        here = slice(first, first + leaves)
        trees.append(grow_symmetric(splits[part], by_leaf[here], weights[here]))
        first += leaves
    return trees


def _read_asymmetric(
    table: Table,
    slices: list[slice],
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> list[Tree]:
    """Read trees whose nodes name their children by distance; 0 ends the walk at the node.

    Source: ``CalcIndexesNonSymmetric`` in catboost/libs/model/cpu/evaluator_impl.cpp.
    """
    splits, steps = table.array(1, np.int32), table.array(10, _STEP)
    leaf_of = table.array(11, np.uint32).astype(np.int64)
    if not len(splits) == len(steps) == len(leaf_of):
        fail("its trees have not one split, step and leaf for each node")
    if len(weights) not in {0, len(values)}:
        fail(f"its {len(values)} leaves have {len(weights)} weights")
    dimension = values.shape[1]
    trees: list[Tree] = []
    for part in slices:
        left, right = steps[part]["left"].astype(np.int64), steps[part]["right"].astype(np.int64)
        ends = (left == 0) | (right == 0)
        leaf = np.where(ends, leaf_of[part], 0)
        if (leaf % dimension).any() or (leaf // dimension >= len(values)).any() or not len(left):
            fail("a node names a leaf that is not there")
        leaf //= dimension
        trees.append(_link(splits[part], left, right, (values[leaf], weights, leaf)))
    return trees


def _link(
    split: NDArray[np.int32],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    leaves: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]],
) -> Tree:
    """Find the children; where one side of a node alone ends there, a leaf is put behind."""
    values, weights, leaf = leaves
    is_leaf = (left == 0) & (right == 0)
    halves = np.flatnonzero(((left == 0) | (right == 0)) & ~is_leaf)
    numbers = np.arange(len(split))
    behind = len(split) + np.arange(len(halves))
    lefts, rights = numbers + left, numbers + right
    if max(lefts.max(), rights.max()) >= len(split):
        fail("a node names a child beyond its tree")
    on_left = left[halves] == 0
    lefts[halves[on_left]], rights[halves[~on_left]] = behind[on_left], behind[~on_left]
    links = [np.where(is_leaf, 0, links) for links in (lefts, rights)]
    more = np.zeros(len(halves), np.int64)
    found = Tree(
        split=np.concatenate([np.where(is_leaf, -1, split), more - 1]).astype(np.int32),
        left=np.concatenate([links[0], more]).astype(np.int32),
        right=np.concatenate([links[1], more]).astype(np.int32),
        values=np.concatenate([np.where(is_leaf[:, None], values, 0.0), values[halves]]),
        weights=np.zeros(len(split) + len(halves)),
    )
    if not len(weights):
        return found
    by_node = np.concatenate([np.where(is_leaf, weights[leaf], 0.0), weights[leaf[halves]]])
    return replace(found, weights=weigh(found.split, found.left, found.right, by_node))
