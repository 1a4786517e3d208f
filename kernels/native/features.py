"""How the native kernel codes each feature: grids, search trees, tables of categories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..coding import CategoryCoding, Grid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ...ir import Trees
    from ..coding import Coding, NumericCoding

FEATURE = np.dtype(
    [
        *((name, "f8") for name in ("low", "scale", "last")),
        *((name, "i8") for name in ("thresholds", "keys", "bytes")),
        *((name, "i4") for name in ("count", "kind", "compares", "levels", "column", "missing")),
    ]
)
BY_GRID, BY_SEARCH, BY_CATEGORY = range(3)
MOST_THRESHOLDS = 255
MOST_CATEGORIES = 254
LARGEST_CATEGORY = 2**16
_LAST_CODE = 255
_CELLS = (256, 1024, 4096, 16384)
_MOST_COMPARES = 3
_VECTOR = 16
"""Keys are read by 16."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The tables of all features; the names are those of the struct ``Forest``."""

    feature: NDArray[np.void]
    input: NDArray[np.int32]
    thresholds: NDArray[np.float64]
    keys: NDArray[np.int32]
    bytes: NDArray[np.uint8]
    columns: int

    def missing_is_last(self, index: int) -> bool:
        """Whether 255 is the code of NaN and of nothing else in an input's column."""
        here = self.feature[self.input == index]
        return len(here) == 1 and int(here["count"][0]) < MOST_THRESHOLDS

    def columns_of(self, index: int, missing_left: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Give the code column in which each node of an input finds its codes."""
        here = self.feature[self.input == index]
        column = here["column"].astype(np.intp)
        if len(here) == 1:
            return np.repeat(column, len(missing_left))
        return np.where(missing_left, column[here["missing"] == 0][0], column[-1])


class _Parts:
    """The arrays of features that are there so far."""

    def __init__(self) -> None:
        self.thresholds: list[NDArray[np.float64]] = [np.zeros(0)]
        self.keys: list[NDArray[np.int32]] = [np.zeros(0, np.int32)]
        self.bytes: list[NDArray[np.uint8]] = [np.zeros(0, np.uint8)]
        self.columns = 0

    def add_numbers(self, coding: NumericCoding) -> NDArray[np.void]:
        """Describe a feature that is split by order; ``missing`` is left to the caller."""
        row = np.zeros(1, FEATURE)
        count = len(coding.thresholds)
        levels = _levels(count)
        row["count"], row["levels"], row["kind"] = count, levels, BY_SEARCH
        row["keys"], row["thresholds"] = sum(map(len, self.keys)), sum(map(len, self.thresholds))
        grids = (Grid.of(coding.thresholds, _CELLS, most) for most in (1, _MOST_COMPARES))
        grid = next((grid for grid in grids if grid is not None), None)
        if grid is not None:
            row["kind"], row["compares"] = BY_GRID, grid.in_a_cell
            row["low"], row["scale"], row["last"] = grid.bounds
            row["bytes"] = sum(map(len, self.bytes))
            self.bytes.append(grid.below.astype(np.uint8))
        self.keys.append(_search_tree(coding.thresholds, levels))
        # Enough for all nodes of the tree and for the compares, and one that ends each search.
        padding = (1 << levels) + max(int(row["compares"][0]), 1) - count
        self.thresholds.append(np.append(coding.thresholds, np.full(padding, np.inf)))
        return row

    def add_categories(self, coding: CategoryCoding) -> NDArray[np.void]:
        """Describe a feature that is split by sets; its table ends in other, missing, padding."""
        row = np.zeros(1, FEATURE)
        count = int(coding.categories.max(initial=0)) + 1
        table = np.full(count + 5, len(coding.categories), np.uint8)
        table[coding.categories] = np.arange(len(coding.categories))
        table[count + 1] = coding.missing
        row["kind"], row["count"], row["bytes"] = BY_CATEGORY, count, sum(map(len, self.bytes))
        row["levels"] = 1
        self.bytes.append(table)
        return row

    def take_columns(self, row: NDArray[np.void], missing: int, columns: int) -> NDArray[np.void]:
        """Give a feature its code columns and its code of NaN."""
        row = row.copy()
        row["column"], row["missing"] = self.columns, missing
        self.columns += columns
        return row


def build_features(trees: Trees, codings: Mapping[int, Coding]) -> Features | None:
    """Describe the codings, or give None where one needs more than 256 codes.

    NaN has the code 255. Where the 256 codes of 255 thresholds leave none for it, it shares that of
    the values above all thresholds; and if nodes send it left, they read another code column, in
    which it shares the code of the values below all thresholds.
    """
    if not all(_fits(coding) for coding in codings.values()):
        return None
    parts = _Parts()
    feature: list[NDArray[np.void]] = [np.zeros(0, FEATURE)]
    inputs: list[int] = []
    for index, coding in sorted(codings.items()):
        if isinstance(coding, CategoryCoding):
            rows = [parts.take_columns(parts.add_categories(coding), coding.missing, 2)]
        else:
            row = parts.add_numbers(coding)
            ways = trees.missing_left[trees.feature == index]
            shares = len(coding.thresholds) == MOST_THRESHOLDS
            codes = [0] * bool(shares and ways.any())
            codes += [_LAST_CODE] * bool(not shares or not ways.all())
            rows = [parts.take_columns(row, code, 1) for code in codes]
        feature += rows
        inputs += [index] * len(rows)
    return Features(
        np.concatenate(feature),
        np.array(inputs, np.int32),
        np.concatenate(parts.thresholds),
        np.concatenate(parts.keys),
        np.concatenate(parts.bytes),
        parts.columns,
    )


def _levels(count: int) -> int:
    """Count the levels of a search tree; C has loops for these numbers of them."""
    return next(levels for levels in (2, 4, 5, 6, 7, 8) if count < 1 << levels)


def _fits(coding: Coding) -> bool:
    if isinstance(coding, CategoryCoding):
        largest = int(coding.categories.max(initial=0))
        return len(coding.categories) <= MOST_CATEGORIES and largest < LARGEST_CATEGORY
    return len(coding.thresholds) <= MOST_THRESHOLDS


def keys_of(thresholds: NDArray[np.float64]) -> NDArray[np.int32]:
    """Give the upper 32 bits of numbers, as integers that ascend with them.

    Adding zero turns -0.0 into 0.0, which compares the same and has the key of what is not below.
    """
    upper = ((thresholds + 0.0).view(np.int64) >> 32).astype(np.int32)
    return upper ^ ((upper >> 31) & np.int32(2**31 - 1))


def _search_tree(thresholds: NDArray[np.float64], levels: int) -> NDArray[np.int32]:
    """Lay the keys out for a walk that goes to node ``2 h + (key of node h >= key of value)``.

    Nodes are numbered from 1, the root, level by level; unused ones hold the largest key.
    """
    size = 1 << levels
    falling = np.full(size - 1, 2**31 - 1, np.int32)
    falling[size - 1 - len(thresholds) :] = keys_of(thresholds)[::-1]
    tree = np.full(max(size, _VECTOR), 2**31 - 1, np.int32)
    for level in range(levels):
        step = size >> level
        tree[1 << level : 2 << level] = falling[step // 2 - 1 :: step]
    return tree
