"""Forests as arrays of whole numbers: one record a node, one code for what a split compares.

Every number of a row is coded once, by how many thresholds of its column lie below it. Then a
split is a comparison of two codes, missing values and categories included, and a step down a tree
is a subtraction and a look-up:

- The record of a split is ``position of its left child | code | entry``, whose fields have
  ``code_bits`` and ``entry_bits`` at the low end.
- The row has a list with one whole number an entry: the code of what the entry reads, shifted by
  ``entry_bits``. A row goes right where its code is greater than the split's.
- So ``record - list[entry]`` borrows 1 from the position where the row goes right, and the right
  child stands just before the left one: its upper bits are where the walk goes on.
- The record of a leaf is negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...ir.trees import LEAF

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...ir import Trees

_BITS = 62
_SMALLEST_NORMAL = 2.0**-1022


@dataclass(frozen=True, slots=True)
class Entry:
    """What splits compare: the column of ``node``, with missing values on one side.

    ``node`` is a split that reads the entry; all that do by a category set have the same one.
    """

    node: int
    feature: int
    is_set: bool
    missing_left: bool


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A forest in records.

    Attributes
    ----------
    records
        int64[nodes], position 1 first: the roots, then the children of each split, right and left.
        The trees of an output stand together, in their order.
    leaves
        The distinct values of leaves. The record of a leaf with the first of them is -1.
    values
        float64[nodes]: what the leaf at a position adds, 0 at splits.
    tree
        int64[nodes]: to which tree a position belongs, from 0, in the order of the roots.
    trees
        How many trees each output has.
    entries
        What splits compare, entry 1 first.
    thresholds
        Of each feature that is split by order: ascending, distinct and below infinity.
    code_bits, entry_bits
        The width of the low fields of a record.
    depth
        The most splits on a way from a root to a leaf.
    """

    records: NDArray[np.int64]
    leaves: NDArray[np.float64]
    values: NDArray[np.float64]
    tree: NDArray[np.int64]
    trees: tuple[int, ...]
    entries: tuple[Entry, ...]
    thresholds: dict[int, NDArray[np.float64]]
    code_bits: int
    entry_bits: int
    depth: int

    @property
    def fits(self) -> bool:
        """Whether a record fits a BIGINT."""
        return len(self.records).bit_length() + self.code_bits + self.entry_bits <= _BITS


def pack(trees: Trees, outputs: int, nullable: set[int], *, denormals: bool) -> Packed:
    """Write a forest as records.

    ``nullable`` are the inputs that may be missing, and ``denormals`` says whether the engine keeps
    numbers below the smallest normal one.
    """
    inner = np.flatnonzero(trees.feature != LEAF)
    leaves = np.flatnonzero(trees.feature == LEAF)
    missing_left = trees.missing_left & np.isin(trees.feature, sorted(nullable))
    entries, entry = _entries(trees, inner, missing_left)
    thresholds, code = _codes(trees, inner, denormals=denormals)
    largest = max((len(each) for each in thresholds.values()), default=0) + 1
    code_bits, entry_bits = int(largest).bit_length(), len(entries).bit_length()
    position = _positions(trees, inner)
    shifted = position[trees.left[inner]].astype(np.int64) << (code_bits + entry_bits)
    # By their bits: 0.0 and -0.0 are two.
    distinct, number = np.unique(trees.value[leaves].view(np.int64), return_inverse=True)
    records = np.empty(len(trees.feature), np.int64)
    records[position[inner] - 1] = shifted | (code << entry_bits) | entry
    records[position[leaves] - 1] = -1 - number
    values = np.zeros(len(trees.feature))
    values[position[leaves] - 1] = trees.value[leaves]
    tree = np.empty(len(trees.feature), np.int64)
    sizes = [part.stop - part.start for part in trees.slices()]
    tree[position - 1] = np.repeat(position[trees.root] - 1, sizes)
    return Packed(
        records,
        distinct.view(np.float64),
        values,
        tree,
        tuple(np.bincount(trees.output, minlength=outputs).tolist()),
        entries,
        thresholds,
        code_bits,
        entry_bits,
        _depth(trees),
    )


def _positions(trees: Trees, inner: NDArray[np.intp]) -> NDArray[np.int64]:
    """Give each node its position: roots by output, then the children of each split."""
    position = np.zeros(len(trees.feature), np.int64)
    position[trees.root[np.argsort(trees.output, kind="stable")]] = 1 + np.arange(trees.count)
    pairs = trees.count + 1 + 2 * np.arange(len(inner))
    position[trees.right[inner]] = pairs
    position[trees.left[inner]] = pairs + 1
    return position


def _entries(
    trees: Trees, inner: NDArray[np.intp], missing_left: NDArray[np.bool_]
) -> tuple[tuple[Entry, ...], NDArray[np.int64]]:
    """Give the entries, and of each split the number of its own, from 1."""
    is_set = trees.category_set[inner] >= 0
    what = np.where(is_set, trees.features + trees.category_set[inner], trees.feature[inner])
    key = 2 * what.astype(np.int64) + missing_left[inner]
    if is_set.any():
        # Columns may share a set.
        key = key * trees.features + trees.feature[inner]
    _, first, number = np.unique(key, return_index=True, return_inverse=True)
    nodes = inner[first].tolist()
    entries = tuple(
        Entry(
            node,
            int(trees.feature[node]),
            bool(trees.category_set[node] >= 0),
            bool(missing_left[node]),
        )
        for node in nodes
    )
    return entries, number + 1


def _codes(
    trees: Trees, inner: NDArray[np.intp], *, denormals: bool
) -> tuple[dict[int, NDArray[np.float64]], NDArray[np.int64]]:
    """Give the thresholds of each feature, and of each split the place of its own, from 0."""
    code = np.zeros(len(inner), np.int64)
    thresholds: dict[int, NDArray[np.float64]] = {}
    by_order = trees.category_set[inner] < 0
    for feature in np.unique(trees.feature[inner[by_order]]).tolist():
        where = np.flatnonzero(by_order & (trees.feature[inner] == feature))
        given = trees.threshold[inner[where]]
        if not denormals:
            # No row holds a number between 0 and the smallest normal one, on either side.
            tiny = (np.abs(given) < _SMALLEST_NORMAL) & (given != 0)
            given = np.where(tiny, np.where(given > 0, 0.0, -_SMALLEST_NORMAL), given)
        # No number lies above infinity: the place after the last threshold sends all to the left.
        distinct = np.unique(given[given < np.inf])
        thresholds[feature] = distinct
        code[where] = np.searchsorted(distinct, given)
    return thresholds, code


def _depth(trees: Trees) -> int:
    depth, nodes = 0, trees.root
    while len(nodes := nodes[trees.feature[nodes] != LEAF]):
        depth += 1
        nodes = np.concatenate([trees.left[nodes], trees.right[nodes]])
    return depth
