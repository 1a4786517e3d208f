"""The tables that the native kernel reads: features, splits in the order of evaluation, leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...ir.trees import LEAF
from ..coding import CategoryCoding
from ..leaves import leaf_ranges, levels_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ...ir import Trees
    from ..coding import Coding

FEATURE = np.dtype(
    [
        *((name, "f8") for name in ("low", "scale", "last")),
        *((name, "i8") for name in ("thresholds", "bytes")),
        *((name, "i4") for name in ("count", "kind", "compares")),
        *((name, "i4") for name in ("missing_left", "missing_right", "other")),
    ]
)
SPLIT = np.dtype(
    [
        *(("column", "u2"), ("split", "u1"), ("flags", "u1")),
        *(("left", "u1"), ("right", "u1"), ("set", "u2")),
    ]
)
BY_GRID, BY_SEARCH, BY_CATEGORY = range(3)
LEFT_ON_STACK, RIGHT_ON_STACK, RIGHT_FIRST, IS_SET = 1, 2, 4, 8
MOST_LEAVES = 256
MOST_THRESHOLDS = 255
MOST_CATEGORIES = 254
MOST_COLUMNS = MOST_SETS = 2**16
LARGEST_CATEGORY = 2**16
_SET_BYTES = 32


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What forest.c reads; the names are those of its struct ``Forest``."""

    feature: NDArray[np.void]
    input: NDArray[np.int32]
    thresholds: NDArray[np.float64]
    bytes: NDArray[np.uint8]
    splits: NDArray[np.void]
    first_split: NDArray[np.int64]
    sets: NDArray[np.uint8]
    leaves: NDArray[np.float64]
    first_leaf: NDArray[np.int64]
    output: NDArray[np.int32]
    columns: int
    depth: int


def build_tables(trees: Trees, codings: Mapping[int, Coding]) -> Tables | None:
    """Build the tables, or give None for a forest that does not fit into bytes."""
    if not all(_fits(coding) for coding in codings.values()):
        return None
    ranges = leaf_ranges(trees)
    feature, columns, thresholds, entries = _features(trees, codings)
    set_nodes = int((trees.category_set >= 0).sum())
    if ranges.most_leaves > MOST_LEAVES or columns >= MOST_COLUMNS or set_nodes >= MOST_SETS:
        return None
    need = _stack_need(trees)
    order, first_split = _evaluation_order(trees, need)
    is_leaf = trees.feature == LEAF
    leaf_count = np.array([int(is_leaf[nodes].sum()) for nodes in trees.slices()], np.int64)
    first_leaf = np.concatenate([[0], np.cumsum(leaf_count)]).astype(np.int64)
    leaves = np.empty(int(leaf_count.sum()))
    tree_of = np.repeat(np.arange(trees.count), np.diff([*trees.root, len(trees.feature)]))
    leaves[first_leaf[tree_of[is_leaf]] + ranges.first_leaf[is_leaf]] = trees.value[is_leaf]
    splits, sets = _splits(trees, codings, feature, order, ranges.first_leaf, need)
    return Tables(
        feature=feature,
        input=np.array(sorted(codings), np.int32),
        thresholds=thresholds,
        bytes=entries,
        splits=splits,
        first_split=first_split,
        sets=sets,
        leaves=leaves,
        first_leaf=first_leaf,
        output=trees.output.astype(np.int32),
        columns=columns,
        depth=int(need.max(initial=0)) + 1,
    )


def _fits(coding: Coding) -> bool:
    if isinstance(coding, CategoryCoding):
        largest = int(coding.categories.max(initial=0))
        return len(coding.categories) <= MOST_CATEGORIES and largest < LARGEST_CATEGORY
    return len(coding.thresholds) <= MOST_THRESHOLDS


def _features(
    trees: Trees, codings: Mapping[int, Coding]
) -> tuple[NDArray[np.void], int, NDArray[np.float64], NDArray[np.uint8]]:
    """Describe each feature's coding; a feature takes a code column for each way of NaN."""
    feature = np.zeros(len(codings), FEATURE)
    thresholds: list[NDArray[np.float64]] = [np.zeros(0)]
    entries: list[NDArray[np.uint8]] = [np.zeros(0, np.uint8)]
    columns = 0
    for row, (index, coding) in zip(feature, sorted(codings.items()), strict=True):
        row["thresholds"] = sum(map(len, thresholds))
        row["bytes"] = sum(map(len, entries))
        row["missing_left"] = row["missing_right"] = -1
        if isinstance(coding, CategoryCoding):
            row["kind"], row["other"] = BY_CATEGORY, len(coding.categories)
            table = np.full(int(coding.categories.max(initial=0)) + 1, row["other"], np.uint8)
            table[coding.categories] = np.arange(len(coding.categories))
            row["count"], row["missing_left"] = len(table), columns
            entries.append(table)
            columns += 1
            continue
        row["kind"], row["count"] = BY_SEARCH, len(coding.thresholds)
        if coding.grid is not None:
            row["kind"], row["compares"] = BY_GRID, coding.grid.in_a_cell
            row["low"], row["scale"], row["last"] = coding.grid.bounds
            entries.append(coding.grid.below.astype(np.uint8))
        thresholds.append(np.append(coding.thresholds, np.full(row["compares"] + 1, np.inf)))
        ways = trees.missing_left[trees.feature == index]
        for name, needed in (("missing_left", ways.any()), ("missing_right", not ways.all())):
            if needed:
                row[name] = columns
                columns += 1
    return feature, columns, np.concatenate(thresholds), np.concatenate(entries)


def _stack_need(trees: Trees) -> NDArray[np.intp]:
    """How many results each subtree keeps at once, if the needier child goes first; 0 at leaves."""
    need = np.zeros(len(trees.feature), np.intp)
    for nodes in reversed(levels_of(trees)):
        left, right = need[trees.left[nodes]], need[trees.right[nodes]]
        both = (left > 0) & (right > 0)
        least = np.minimum(left, right) + both
        need[nodes] = np.maximum(np.maximum(np.maximum(left, right), least), 1)
    return need


def _evaluation_order(
    trees: Trees, need: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """List the splits, children before parents and the needier child first."""
    feature, left, right = trees.feature.tolist(), trees.left.tolist(), trees.right.tolist()
    needs = need.tolist()
    order: list[int] = []
    first_split = [0]
    for root in trees.root.tolist():
        backwards: list[int] = []
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if feature[node] != LEAF:
                backwards.append(node)
                a, b = left[node], right[node]
                waiting += [b, a] if needs[b] > needs[a] else [a, b]
        order += reversed(backwards)
        first_split.append(len(order))
    return np.array(order, np.intp), np.array(first_split, np.int64)


def _splits(  # noqa: PLR0913, PLR0917 - what makes up a split
    trees: Trees,
    codings: Mapping[int, Coding],
    feature: NDArray[np.void],
    order: NDArray[np.intp],
    first_leaf: NDArray[np.intp],
    need: NDArray[np.intp],
) -> tuple[NDArray[np.void], NDArray[np.uint8]]:
    left, right = trees.left[order], trees.right[order]
    splits = np.zeros(len(order), SPLIT)
    splits["left"], splits["right"] = first_leaf[left], first_leaf[right]
    splits["flags"] = (
        LEFT_ON_STACK * (need[left] > 0)
        + RIGHT_ON_STACK * (need[right] > 0)
        + RIGHT_FIRST * (need[right] > need[left])
        + IS_SET * (trees.category_set[order] >= 0)
    )
    sets: list[NDArray[np.uint8]] = []
    for row, (index, coding) in zip(feature, sorted(codings.items()), strict=True):
        here = np.flatnonzero(trees.feature[order] == index)
        nodes = order[here]
        if isinstance(coding, CategoryCoding):
            splits["column"][here] = row["missing_left"]
            splits["set"][here] = len(sets) + np.arange(len(nodes))
            sets += [_set_bits(trees, coding, int(node)) for node in nodes]
            continue
        goes_left = trees.missing_left[nodes]
        splits["column"][here] = np.where(goes_left, row["missing_left"], row["missing_right"])
        splits["split"][here] = np.searchsorted(coding.thresholds, trees.threshold[nodes])
    return splits, np.concatenate([*sets, np.zeros(_SET_BYTES, np.uint8)])


def _set_bits(trees: Trees, coding: CategoryCoding, node: int) -> NDArray[np.uint8]:
    """Mark the codes that go left: 32 bytes."""
    member = np.zeros(8 * _SET_BYTES, np.bool_)
    members = trees.categories(int(trees.category_set[node]))
    member[np.searchsorted(coding.categories, members)] = True
    member[coding.missing] = trees.missing_left[node]
    return np.packbits(member, bitorder="little")
