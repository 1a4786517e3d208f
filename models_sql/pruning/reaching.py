"""Which cells of each input reach a node, for the nodes of all trees at once, level by level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...ir.trees import LEAF

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ...ir import Trees
    from .cells import Cells

LEFT, RIGHT, BOTH = 1, 2, 3
_MOST_BYTES = 2**25
"""What the cells of one level may take; of larger forests some trees go first."""


@dataclass(slots=True, eq=False)
class Reached:
    """What rows reach.

    Attributes
    ----------
    levels
        The splits that rows reach, each level before the next one below it.
    ways
        On which sides rows go on behind a split: int8[nodes].
    missing_left
        Whether a missing value goes left there: where none comes, none does.
    masks
        Of each input that is split by sets, by node, the bits that go left there: of its nodes the
        numbers, ascending, and the words.
    """

    levels: list[NDArray[np.intp]]
    ways: NDArray[np.int8]
    missing_left: NDArray[np.bool_]
    masks: dict[int, tuple[NDArray[np.intp], NDArray[np.uint64]]]


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """Nodes, and what reaches them: of inputs that are split by order the first cell, the one
    behind the last, and whether a missing value does; of the others the bits.
    """  # noqa: D205 - one sentence says what is there

    nodes: NDArray[np.intp]
    low: NDArray[np.int32]
    high: NDArray[np.int32]
    missing: NDArray[np.bool_]
    bits: NDArray[np.uint64]

    def below(self, rows: NDArray[np.intp], nodes: NDArray[np.intp]) -> _Level:
        """Copy what reaches some rows' nodes, for nodes below them."""
        bits = self.bits[rows]
        return _Level(nodes, self.low[rows], self.high[rows], self.missing[rows], bits)


@dataclass(frozen=True, slots=True, eq=False)
class _Parted:
    """What goes left and right at each node of a level.

    ``middle`` is the cell that parts those of an order; ``bits`` are those that go left.
    """

    middle: NDArray[np.int32]
    missing_left: NDArray[np.bool_]
    is_left: NDArray[np.bool_]
    is_right: NDArray[np.bool_]
    bits: dict[int, tuple[NDArray[np.intp], NDArray[np.uint64]]]

    @property
    def ways(self) -> NDArray[np.int8]:
        """On which sides rows go on; where no row comes at all, either side will do."""
        return np.where(~self.is_right, LEFT, np.where(self.is_left, BOTH, RIGHT)).astype(np.int8)


def reach(trees: Trees, cells: Cells) -> Reached:
    """Follow the cells from the roots down."""
    ways, missing_left = np.zeros(len(trees.feature), np.int8), trees.missing_left.copy()
    levels: list[list[NDArray[np.intp]]] = []
    masks: dict[int, list[tuple[NDArray[np.intp], NDArray[np.uint64]]]] = {}
    for roots in _parts(trees, cells):
        level, depth = _first(roots[trees.feature[roots] != LEAF], cells), 0
        while len(level.nodes):
            parted = _part(trees, cells, level)
            ways[level.nodes] = parted.ways
            missing_left[level.nodes] = parted.missing_left
            for feature, (rows, bits) in parted.bits.items():
                masks.setdefault(feature, []).append((level.nodes[rows], bits))
            if depth == len(levels):
                levels.append([])
            levels[depth].append(level.nodes)
            level, depth = _below(trees, cells, level, parted), depth + 1
    return Reached(
        [np.concatenate(level) for level in levels],
        ways,
        missing_left,
        {feature: _in_order(parts) for feature, parts in masks.items()},
    )


def _parts(trees: Trees, cells: Cells) -> Iterator[NDArray[np.intp]]:
    """Give the roots of as many trees at a time as memory allows."""
    size = 9 * len(cells.counts) + 8 * cells.words + 16
    ends = np.append(trees.root[1:], len(trees.feature)).astype(np.int64)
    part = ends * size // _MOST_BYTES
    yield from np.split(trees.root.astype(np.intp), np.flatnonzero(np.diff(part)) + 1)


def _first(roots: NDArray[np.intp], cells: Cells) -> _Level:
    shape = (len(roots), 1)
    bits = np.concatenate([np.zeros(0, np.uint64), *(s.occurring for s in cells.sets.values())])
    high = np.tile(cells.counts, shape)
    return _Level(
        roots, np.zeros_like(high), high, np.tile(cells.missing, shape), np.tile(bits, shape)
    )


def _part(trees: Trees, cells: Cells, level: _Level) -> _Parted:
    """Say what goes left and right at each node."""
    nodes = level.nodes
    feature, given_left = trees.feature[nodes], trees.missing_left[nodes]
    middle = np.zeros(len(nodes), np.int32)
    missing_left, is_left, is_right = (np.zeros(len(nodes), np.bool_) for _ in range(3))
    rows = np.flatnonzero(trees.category_set[nodes] < 0)
    columns = cells.column[feature[rows]]
    low, high, missing = (x[rows, columns] for x in (level.low, level.high, level.missing))
    middle[rows] = np.minimum(np.maximum(cells.split[nodes[rows]], low), high)
    missing_left[rows] = missing & given_left[rows]
    is_left[rows] = (low < middle[rows]) | missing_left[rows]
    is_right[rows] = (middle[rows] < high) | (missing & ~given_left[rows])
    bits: dict[int, tuple[NDArray[np.intp], NDArray[np.uint64]]] = {}
    for each, sets in cells.sets.items():
        rows = np.flatnonzero(feature == each)
        if len(rows):
            before, wanted = level.bits[rows, sets.words], sets.masks[cells.split[nodes[rows]]]
            word, bit = sets.missing
            wanted[given_left[rows], word] |= bit
            left = before & wanted
            missing_left[rows] = (left[:, word] & bit) > 0
            is_left[rows], is_right[rows] = left.any(axis=1), (before & ~wanted).any(axis=1)
            bits[each] = rows, left
    return _Parted(middle, missing_left, is_left, is_right, bits)


def _below(trees: Trees, cells: Cells, level: _Level, parted: _Parted) -> _Level:
    """Go on to the splits below, with what reaches them."""
    nodes, ways = level.nodes, parted.ways
    goes = [(trees.left[nodes], ways != RIGHT), (trees.right[nodes], ways != LEFT)]
    left, right = (
        np.flatnonzero(goes_on & (trees.feature[child] != LEAF)) for child, goes_on in goes
    )
    children = np.concatenate([trees.left[nodes[left]], trees.right[nodes[right]]])
    from_rows = np.concatenate([left, right])
    below = level.below(from_rows, children.astype(np.intp))
    is_left = np.arange(len(children)) < len(left)
    parents = nodes[from_rows]
    rows = np.flatnonzero(trees.category_set[parents] < 0)
    columns = cells.column[trees.feature[parents[rows]]]
    above, on_left = from_rows[rows], is_left[rows]
    middle, missing_left = parted.middle[above], parted.missing_left[above]
    to_left, to_right = (rows[on_left], columns[on_left]), (rows[~on_left], columns[~on_left])
    below.high[to_left], below.low[to_right] = middle[on_left], middle[~on_left]
    # What does not go left goes right.
    below.missing[rows, columns] &= missing_left == on_left
    place = np.zeros(len(nodes), np.intp)
    for feature, (split_rows, bits) in parted.bits.items():
        place[split_rows] = np.arange(len(split_rows))
        mine = np.flatnonzero(trees.feature[parents] == feature)
        gone = bits[place[from_rows[mine]]]
        words = cells.sets[feature].words
        whole = below.bits[mine, words]
        below.bits[mine, words] = np.where(is_left[mine, None], gone, whole & ~gone)
    return below


def _in_order(
    parts: Sequence[tuple[NDArray[np.intp], NDArray[np.uint64]]],
) -> tuple[NDArray[np.intp], NDArray[np.uint64]]:
    nodes = np.concatenate([nodes for nodes, _ in parts])
    order = np.argsort(nodes)
    return nodes[order], np.concatenate([bits for _, bits in parts])[order]
