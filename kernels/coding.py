"""Code every value once against all splits of a forest; trees then only see small integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..ir.trees import LEAF

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..ir import Trees

_INT32_END = float(2**31)


@dataclass(frozen=True, slots=True, eq=False)
class NumericCoding:
    """Codes of a feature that is split by order.

    The code of ``x`` is the number of thresholds below it, so ``x <= thresholds[j]`` exactly when
    ``code <= j``. NaN has the last code, :attr:`missing`.
    """

    thresholds: NDArray[np.float64]

    @property
    def missing(self) -> int:
        """The code of NaN."""
        return len(self.thresholds) + 1

    @property
    def codes(self) -> int:
        """How many codes there are."""
        return len(self.thresholds) + 2

    def encode(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        """Code float64[rows]."""
        codes = np.searchsorted(self.thresholds, values, side="left")
        # NaN sorts behind every threshold, where +inf also is: tell them apart.
        codes[np.isnan(values)] = self.missing
        return codes


@dataclass(frozen=True, slots=True, eq=False)
class CategoryCoding:
    """Codes of a feature that is split by sets: one a category in any set, then other, missing."""

    categories: NDArray[np.int32]

    @property
    def missing(self) -> int:
        """The code of NaN."""
        return len(self.categories) + 1

    @property
    def codes(self) -> int:
        """How many codes there are."""
        return len(self.categories) + 2

    def encode(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        """Code float64[rows], cut towards zero."""
        inside = (values > -1.0) & (values < _INT32_END)
        integers = np.where(inside, values, 0.0).astype(np.int64)
        position = np.searchsorted(self.categories, integers)
        position[position == len(self.categories)] = 0
        known = inside & (self.categories[position] == integers)
        codes = np.where(known, position, len(self.categories))
        codes[np.isnan(values)] = self.missing
        return codes


Coding = NumericCoding | CategoryCoding


def codings_of(trees: Trees) -> dict[int, Coding]:
    """Build the coding of each input that a forest splits on."""
    codings: dict[int, Coding] = {}
    for feature in np.unique(trees.feature[trees.feature != LEAF]).tolist():
        nodes = trees.feature == feature
        sets = np.unique(trees.category_set[nodes])
        if sets[0] < 0:
            codings[feature] = NumericCoding(np.unique(trees.threshold[nodes]))
        else:
            members = [trees.categories(index) for index in sets.tolist()]
            codings[feature] = CategoryCoding(np.unique(np.concatenate(members)))
    return codings
