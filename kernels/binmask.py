"""The bin-mask plan: a row's leaf is the lowest bit that all of the tree's features leave set.

Number a tree's leaves from left to right. A split that sends a row right rules out every leaf of
its left subtree, and among the leaves never ruled out the leftmost is the row's own. Which splits
on a feature send a row right depends on the value's code alone, so each feature contributes one
precomputed mask, found by its code. Several trees share a 32-byte lane, which numpy copies and
combines as fast as a single word.

Source: Lucchese et al., QuickScorer (SIGIR 2015), for the masks; the tables by code are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..ir.trees import LEAF
from .coding import CategoryCoding, NumericCoding
from .leaves import leaf_ranges

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from ..ir import Trees
    from .coding import Coding
    from .leaves import LeafRanges

LANE_BYTES = 32
LANE = np.dtype(f"V{LANE_BYTES}")
MAX_LEAVES = 8 * LANE_BYTES
_WORD_BITS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Consecutive trees that share a lane.

    ``tables`` pairs an input's index with its masks, one 32-byte lane a code; ``leaves`` holds the
    leaf values of each tree from left to right, ``outputs`` the score that each tree adds to.
    """

    tables: tuple[tuple[int, NDArray[np.void]], ...]
    leaves: tuple[NDArray[np.float64], ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class BinMask:
    """A forest whose trees have at most 256 leaves, ready to run."""

    groups: tuple[Group, ...]
    bits: int

    @classmethod
    def of(cls, trees: Trees, codings: Mapping[int, Coding]) -> BinMask:
        """Build the tables."""
        ranges = leaf_ranges(trees)
        bits = next(b for b in (8, 16, 32, 64, 128, 256) if b >= ranges.most_leaves)
        together = MAX_LEAVES // bits
        slices = list(trees.slices())
        groups: list[Group] = []
        for first in range(0, trees.count, together):
            members = slices[first : first + together]
            tables = _tables(trees, codings, ranges, members, bits)
            leaves = tuple(_leaf_values(trees, ranges.first_leaf, nodes) for nodes in members)
            outputs = tuple(trees.output[first : first + together].tolist())
            groups.append(Group(tables, leaves, outputs))
        return cls(tuple(groups), bits)

    def add_to(self, scores: NDArray[np.float64], codes: Mapping[int, NDArray[np.intp]]) -> None:
        """Add every tree's leaf to ``scores``, float64[outputs, rows], in the order of the trees.

        ``codes`` holds intp[rows] for each input.
        """
        rows = scores.shape[1]
        value = np.empty(rows)
        sums = list(scores)
        trees = ((group, tree) for group in self.groups for tree in range(len(group.leaves)))
        for (group, tree), found in zip(trees, self.positions(codes, rows), strict=True):
            group.leaves[tree].take(found, out=value, mode="clip")
            total = sums[group.outputs[tree]]
            np.add(total, value, out=total)

    def positions(
        self, codes: Mapping[int, NDArray[np.intp]], rows: int
    ) -> Iterator[NDArray[np.intp]]:
        """Give, tree by tree, which leaf from the left is each row's: intp[rows].

        The arrays are used again for later trees.
        """
        lanes = np.empty(rows, LANE)
        scratch = np.empty(rows, LANE)
        # take wants indices of this type, side by side: one copy of a lane's trees is cheaper.
        place = np.empty((MAX_LEAVES // self.bits, rows), np.intp)
        for group in self.groups:
            _combine(group, codes, lanes, scratch)
            np.copyto(place, _lowest_bits(lanes, scratch, self.bits).T)
            yield from place[: len(group.leaves)]


def _combine(
    group: Group,
    codes: Mapping[int, NDArray[np.intp]],
    lanes: NDArray[np.void],
    scratch: NDArray[np.void],
) -> None:
    """AND the masks of all features into ``lanes``."""
    words, more = lanes.view(np.uint64), scratch.view(np.uint64)
    if not group.tables:
        words.fill(np.iinfo(np.uint64).max)
        return
    (feature, table), *rest = group.tables
    # mode="clip" lets numpy skip its bounds check; codes are within the table by construction. The
    # method has a third of the overhead of np.take, which counts in batches of 2,048 rows.
    table.take(codes[feature], out=lanes, mode="clip")
    for feature, table in rest:
        table.take(codes[feature], out=scratch, mode="clip")
        np.bitwise_and(words, more, out=words)


def _lowest_bits(
    lanes: NDArray[np.void], scratch: NDArray[np.void], bits: int
) -> NDArray[np.uint8] | NDArray[np.intp]:
    """Find the position of the lowest set bit of each tree: [rows, trees in a lane]."""
    word = np.dtype(f"u{min(bits, _WORD_BITS) // 8}")
    words = lanes.view(word).reshape(len(lanes), -1)
    less_one = scratch.view(word).reshape(len(lanes), -1)
    # The bits below the lowest set one are those of ~x & (x - 1); an empty word has all of them.
    np.subtract(words, 1, out=less_one)
    np.invert(words, out=words)
    np.bitwise_and(words, less_one, out=words)
    below = np.bitwise_count(words)
    if bits <= _WORD_BITS:
        return below
    by_tree = below.reshape(len(lanes), -1, bits // _WORD_BITS).astype(np.intp)
    position = by_tree[:, :, -1]
    for index in range(bits // _WORD_BITS - 2, -1, -1):
        here = by_tree[:, :, index]
        position = np.where(here == _WORD_BITS, here + position, here)
    return position


def _tables(
    trees: Trees,
    codings: Mapping[int, Coding],
    ranges: LeafRanges,
    members: Sequence[slice],
    bits: int,
) -> tuple[tuple[int, NDArray[np.void]], ...]:
    nodes = np.arange(members[0].start, members[-1].stop)
    tree_of = np.repeat(np.arange(len(members)), [m.stop - m.start for m in members])
    inner = trees.feature[nodes] != LEAF
    nodes, tree_of = nodes[inner], tree_of[inner]
    left = trees.left[nodes]
    start = ranges.first_leaf[left]
    clear = _all_but(start, start + ranges.leaf_count[left], bits)
    full = np.iinfo(clear.dtype).max
    tables: list[tuple[int, NDArray[np.void]]] = []
    for feature in np.unique(trees.feature[nodes]).tolist():
        here = trees.feature[nodes] == feature
        make = _category_masks if isinstance(codings[feature], CategoryCoding) else _numeric_masks
        table = np.full(
            (codings[feature].codes, MAX_LEAVES // bits, clear.shape[1]), full, clear.dtype
        )
        make(table, trees, nodes[here], codings[feature], (tree_of[here], clear[here]))
        tables.append((feature, table.reshape(len(table), -1).view(LANE).ravel()))
    return tuple(tables)


def _numeric_masks(
    table: NDArray[np.unsignedinteger],
    trees: Trees,
    nodes: NDArray[np.intp],
    coding: Coding,
    splits: tuple[NDArray[np.intp], NDArray[np.unsignedinteger]],
) -> None:
    """Combine the splits on one feature: for each code, the leaves that they leave possible.

    A split sends every code above its own right, and so do all splits below it: each is noted at
    the first code that it sends right, and the codes above take it over.
    """
    tree_of, clear = splits
    thresholds = coding.thresholds if isinstance(coding, NumericCoding) else np.empty(0)
    first = np.searchsorted(thresholds, trees.threshold[nodes]) + 1
    np.bitwise_and.at(table, (first, tree_of), clear)
    present = table[: coding.missing]
    np.bitwise_and.accumulate(present, axis=0, out=present)
    _missing_masks(table, trees, nodes, coding, splits)


def _category_masks(
    table: NDArray[np.unsignedinteger],
    trees: Trees,
    nodes: NDArray[np.intp],
    coding: Coding,
    splits: tuple[NDArray[np.intp], NDArray[np.unsignedinteger]],
) -> None:
    """Combine the splits of one feature by sets: what is in a split's set goes left."""
    known = coding.categories if isinstance(coding, CategoryCoding) else np.empty(0, np.int32)
    for node, tree, mask in zip(nodes.tolist(), *splits, strict=True):
        goes_right = np.ones(len(table), np.bool_)
        members = trees.categories(int(trees.category_set[node]))
        goes_right[np.searchsorted(known, members)] = False
        goes_right[coding.missing] = False
        table[goes_right, tree] &= mask
    _missing_masks(table, trees, nodes, coding, splits)


def _missing_masks(
    table: NDArray[np.unsignedinteger],
    trees: Trees,
    nodes: NDArray[np.intp],
    coding: Coding,
    splits: tuple[NDArray[np.intp], NDArray[np.unsignedinteger]],
) -> None:
    tree_of, clear = splits
    goes_right = ~trees.missing_left[nodes]
    np.bitwise_and.at(table[coding.missing], tree_of[goes_right], clear[goes_right])


def _all_but(
    start: NDArray[np.intp], stop: NDArray[np.intp], bits: int
) -> NDArray[np.unsignedinteger]:
    """Masks with all bits set but ``start`` to ``stop``: [splits, words of a tree]."""
    width = min(bits, _WORD_BITS)
    offsets = np.arange(0, bits, width)
    low = _ones(np.clip(start[:, None] - offsets, 0, width))
    high = _ones(np.clip(stop[:, None] - offsets, 0, width))
    return ~(high & ~low).astype(np.dtype(f"u{width // 8}"))


def _ones(count: NDArray[np.intp]) -> NDArray[np.uint64]:
    """Words whose lowest ``count`` bits are set; a shift by 64 would be undefined."""
    shift = np.minimum(count, _WORD_BITS - 1).astype(np.uint64)
    ones = (np.uint64(1) << shift) - np.uint64(1)
    return np.where(count == _WORD_BITS, np.iinfo(np.uint64).max, ones)


def _leaf_values(trees: Trees, first_leaf: NDArray[np.intp], nodes: slice) -> NDArray[np.float64]:
    is_leaf = trees.feature[nodes] == LEAF
    values = np.empty(int(is_leaf.sum()))
    values[first_leaf[nodes][is_leaf]] = trees.value[nodes][is_leaf]
    return values
