"""The numbers of a forest's inputs in cells, between which no split tells apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...ir.trees import LEAF

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ...ir import Trees
    from .domain import Known

_CATEGORIES_END = 2.0**31
_WORD = 64
_SMALL = 2**15


@dataclass(frozen=True, slots=True, eq=False)
class SetCells:
    """The cells of an input that is split by sets: a bit a category, one for all others, one
    for a missing value, which is the last.

    Attributes
    ----------
    categories
        The categories, ascending: int32[categories].
    words
        Where the bits lie among the words of all such inputs.
    occurring
        The bits that can occur: uint64[words].
    masks
        The bits of the sets that splits ask for, without missing values: uint64[sets, words].
    """  # noqa: D205 - one sentence says what the bits are

    categories: NDArray[np.int32]
    words: slice
    occurring: NDArray[np.uint64]
    masks: NDArray[np.uint64]

    @property
    def missing(self) -> tuple[int, np.uint64]:
        """The word of a missing value's bit, and that bit."""
        return _place(len(self.categories) + 1)

    def members(self, masks: NDArray[np.uint64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """List the categories of some masks, one after the other, and how many each has."""
        is_member = np.unpackbits(masks.view(np.uint8), axis=1, bitorder="little")
        rows, places = np.nonzero(is_member[:, : len(self.categories)])
        return self.categories[places], np.bincount(rows, minlength=len(masks)).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The cells of all inputs.

    Attributes
    ----------
    column
        Of each input that is split by order, its place among those; others have none.
    counts, missing
        Of each of those, how many cells there are, and whether a missing value occurs.
    split
        Of a node that splits by order, the number of cells that go left; of one that splits by
        sets, the row of its mask: int32[nodes].
    sets
        Of each input that is split by sets, its cells.
    """

    column: NDArray[np.intp]
    counts: NDArray[np.int32]
    missing: NDArray[np.bool_]
    split: NDArray[np.int32]
    sets: Mapping[int, SetCells]

    @property
    def words(self) -> int:
        """How many words the bits of all sets take."""
        return sum(len(each.occurring) for each in self.sets.values())


def cells_of(trees: Trees, inputs: Sequence[Known]) -> Cells:
    """Cut what is known of each input into cells."""
    split = np.zeros(len(trees.feature), np.int32)
    column = np.zeros(len(inputs), np.intp)
    counts: list[int] = []
    missing: list[bool] = []
    sets: dict[int, SetCells] = {}
    words = 0
    # numpy sorts integers of 16 bits by radix.
    is_small = len(inputs) < _SMALL
    order = np.argsort(trees.feature.astype(np.int16) if is_small else trees.feature, kind="stable")
    ends = np.searchsorted(trees.feature[order], np.arange(LEAF, len(inputs)), side="right")
    for feature, known in enumerate(inputs):
        nodes = order[ends[feature] : ends[feature + 1]]
        if not len(nodes):
            continue
        if trees.category_set[nodes[0]] < 0:
            column[feature] = len(counts)
            split[nodes], count = _cut(trees.threshold[nodes], known)
            counts.append(count)
            missing.append(known.missing)
        else:
            used, split[nodes] = np.unique(trees.category_set[nodes], return_inverse=True)
            sets[feature] = _set_cells(trees, used, known, words)
            words = sets[feature].words.stop
    return Cells(column, np.array(counts, np.int32), np.array(missing, np.bool_), split, sets)


def _cut(thresholds: NDArray[np.float64], known: Known) -> tuple[NDArray[np.intp], int]:
    """Count the cells at most as large as each threshold, and all cells.

    Between bounds a cell ends with each threshold that parts them; every cell holds its own end.
    """
    if known.values is not None:
        below = np.searchsorted(np.array(known.values), thresholds, side="right")
        return below, len(known.values)
    if known.is_empty:
        return np.zeros(len(thresholds), np.intp), 0
    parts = thresholds[(thresholds >= known.low) & (thresholds < known.high)]
    ends = np.append(np.unique(parts), known.high)
    return np.searchsorted(ends, thresholds, side="right"), len(ends)


def _set_cells(trees: Trees, used: NDArray[np.int32], known: Known, first: int) -> SetCells:
    """Give a bit to each category of an input's sets; ``first`` is its first word."""
    members, sizes = trees.members(used)
    rows = np.repeat(np.arange(len(used)), sizes)
    categories, bits = np.unique(members, return_inverse=True)
    width = (len(categories) + 2 + _WORD - 1) // _WORD
    masks = np.zeros((len(used), width), np.uint64)
    ones = np.left_shift(np.uint64(1), (bits % _WORD).astype(np.uint64))
    np.bitwise_or.at(masks, (rows, bits // _WORD), ones)
    occurring = np.frombuffer(
        _occurring(known, categories).to_bytes(width * 8, "little"), np.dtype("<u8")
    )
    return SetCells(categories, slice(first, first + width), occurring.astype(np.uint64), masks)


def _place(bit: int) -> tuple[int, np.uint64]:
    return bit // _WORD, np.uint64(1 << bit % _WORD)


def _occurring(known: Known, categories: NDArray[np.int32]) -> int:
    """Mask the categories that can occur; a number's category is its part before the point."""
    count = len(categories)
    mask = int(known.missing) << (count + 1)
    if known.is_empty:
        return mask
    place = {category: index for index, category in enumerate(categories.tolist())}
    if known.values is not None:
        for value in known.values:
            # The part before the point of -0.5 is the category 0.
            is_category = -1.0 < value < _CATEGORIES_END
            mask |= 1 << place.get(math.trunc(value) if is_category else -1, count)
        return mask
    for category, index in place.items():
        above = known.high >= category if category else known.high > -1.0
        if above and known.low < category + 1:
            mask |= 1 << index
    return mask | 1 << count
