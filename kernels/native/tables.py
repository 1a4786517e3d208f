"""The tables that the native kernel reads: splits in the order of evaluation, sets, leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...ir.trees import LEAF
from ..coding import CategoryCoding
from ..leaves import leaf_ranges
from .chains import order_splits
from .features import build_features
from .symmetric import order_levels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ...ir import Trees
    from ..coding import Coding
    from .chains import Chains
    from .features import Features

SPLIT = np.dtype(
    [
        ("column", "u2"),
        *((name, "u1") for name in ("low", "width", "leaf", "base", "other", "slot")),
        ("set", "i4"),
    ]
)
MOST_LEAVES = 256
MOST_COLUMNS = 2**16
_SET_BYTES = 32
_CODES = 256


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What the kernel reads; the names are those of the struct ``Forest`` in forest.h."""

    feature: NDArray[np.void]
    input: NDArray[np.int32]
    thresholds: NDArray[np.float64]
    keys: NDArray[np.int32]
    bytes: NDArray[np.uint8]
    splits: NDArray[np.void]
    runs: NDArray[np.void]
    first_tree: NDArray[np.int64]
    first_run: NDArray[np.int64]
    first_split: NDArray[np.int64]
    sets: NDArray[np.uint8]
    root: NDArray[np.uint8]
    leaves: NDArray[np.float64]
    first_leaf: NDArray[np.int64]
    output: NDArray[np.int32]
    columns: int
    slots: int

    @property
    def batches(self) -> int:
        """How many batches of trees there are."""
        return len(self.first_tree) - 1


def build_tables(
    trees: Trees, codings: Mapping[int, Coding], *, is_single: bool = False
) -> Tables | None:
    """Build the tables, or give None for a forest that does not fit into bytes.

    With ``is_single`` the sums are in float32, and so must the leaves be: to add any other and
    round the sum is not to round the leaf and add it. No library's forest has such.
    """
    if is_single and not _are_float32(trees.value[trees.feature == LEAF]):
        return None
    ranges = leaf_ranges(trees)
    features = build_features(trees, codings)
    if features is None or features.columns >= MOST_COLUMNS or ranges.most_leaves > MOST_LEAVES:
        return None
    chains = order_levels(trees) or order_splits(trees)
    leaves, first_leaf = _leaves(trees, ranges.first_leaf)
    splits, sets = _splits(trees, codings, features, chains, ranges.first_leaf)
    return Tables(
        feature=features.feature,
        input=features.input,
        thresholds=features.thresholds,
        keys=features.keys,
        bytes=features.bytes,
        splits=splits,
        runs=chains.runs,
        first_tree=chains.first_tree,
        first_run=chains.first_run,
        first_split=chains.first_split,
        sets=sets,
        root=chains.root,
        leaves=leaves,
        first_leaf=first_leaf,
        output=trees.output.astype(np.int32),
        columns=features.columns,
        slots=chains.slots,
    )


def _are_float32(leaves: NDArray[np.float64]) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.array_equal(leaves.astype(np.float32), leaves, equal_nan=True)


def _leaves(
    trees: Trees, number: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """List the values of each tree's leaves by their numbers, and where each tree's begin."""
    is_leaf = trees.feature == LEAF
    counts = np.add.reduceat(is_leaf.astype(np.int64), trees.root)
    first_leaf = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    leaves = np.empty(int(first_leaf[-1]))
    tree_of = np.repeat(np.arange(trees.count), np.diff([*trees.root, len(trees.feature)]))
    leaves[first_leaf[tree_of[is_leaf]] + number[is_leaf]] = trees.value[is_leaf]
    return leaves, first_leaf


def _splits(
    trees: Trees,
    codings: Mapping[int, Coding],
    features: Features,
    chains: Chains,
    number: NDArray[np.intp],
) -> tuple[NDArray[np.void], NDArray[np.uint8]]:
    """Describe the splits. Each says which rows take its leaf, or the slot ``other``."""
    order, joins = chains.order, chains.joins[chains.order]
    is_leaf = trees.feature == LEAF
    left, right = trees.left[order], trees.right[order]
    # What a row takes is the right child only where that is the one leaf.
    takes_right = ~is_leaf[left] & is_leaf[right] | (chains.bits is not None)
    splits = np.zeros(len(order), SPLIT)
    splits["leaf"] = np.where(joins, 0, number[np.where(takes_right, right, left)])
    splits["base"] = np.where(joins, chains.base[order], number[right])
    if chains.bits is not None:
        splits["leaf"], splits["base"] = chains.bits, 0
    splits["other"], splits["slot"] = chains.other[order], chains.slot[order]
    splits["set"] = -1
    is_tree = is_leaf[order]
    splits["leaf"][is_tree] = splits["base"][is_tree] = 0
    splits["width"][is_tree] = _CODES - 1
    sets: list[NDArray[np.uint8]] = []
    for index, coding in codings.items():
        here = np.flatnonzero(trees.feature[order] == index)
        nodes = order[here]
        splits["column"][here] = features.columns_of(index, trees.missing_left[nodes])
        if isinstance(coding, CategoryCoding):
            splits["set"][here] = sum(map(len, sets)) + np.arange(len(here))
            sets.append(_set_bits(trees, coding, nodes, takes_right[here]))
            continue
        limit = np.searchsorted(coding.thresholds, trees.threshold[nodes])
        below = features.missing_is_last(index) & trees.missing_left[nodes]
        low, width = _interval(limit, takes_right[here], missing_left=below)
        splits["low"][here], splits["width"][here] = low, width
    return splits, np.concatenate([*sets, np.zeros((1, _SET_BYTES), np.uint8)]).reshape(-1)


def _interval(
    limit: NDArray[np.intp], takes_right: NDArray[np.bool_], *, missing_left: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give the codes of a side of numeric splits as ``low .. low + width``, modulo 256.

    Codes up to ``limit`` go left, those above go right; so does 255, NaN, unless
    ``missing_left``: then the codes of the left side are 255, 0, ..., ``limit``.
    """
    low = np.where(takes_right, limit + 1, np.where(missing_left, _CODES - 1, 0))
    left_width = limit + missing_left
    width = np.where(takes_right, _CODES - 2 - left_width, left_width)
    return low, width


def _set_bits(
    trees: Trees, coding: CategoryCoding, nodes: NDArray[np.intp], takes_right: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Mark the codes that each node takes: uint8[nodes, 32]."""
    used, row = np.unique(trees.category_set[nodes], return_inverse=True)
    members, sizes = trees.members(used)
    is_member = np.zeros((len(used), _CODES), np.bool_)
    is_member[
        np.repeat(np.arange(len(used)), sizes), np.searchsorted(coding.categories, members)
    ] = True
    member = is_member[row]
    member[:, coding.missing] = trees.missing_left[nodes]
    return np.packbits(member ^ takes_right[:, None], axis=1, bitorder="little")
