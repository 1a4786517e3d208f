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


_CELLS = (256, 1024, 4096)
_MOST_IN_A_CELL = 3


class Grid:
    """Thresholds behind a uniform grid: a cell number by arithmetic, then a compare or two.

    The cell of a value never falls as the value grows, so all thresholds of earlier cells are
    below it and those of later cells are not; only the few in its own cell must be compared.
    """

    def __init__(self, thresholds: NDArray[np.float64], cells: int) -> None:
        self._low = float(thresholds[0])
        width = float(thresholds[-1]) - self._low
        self._scale = (cells - 1) / width if width > 0 else 0.0
        self._last = float(cells - 1)
        cell = self._cell(thresholds)
        self.below = np.searchsorted(cell, np.arange(cells))
        self.in_a_cell = int(np.bincount(cell, minlength=cells).max())
        padded = np.append(thresholds, np.full(self.in_a_cell, np.inf))
        self._next = [padded[step:] for step in range(self.in_a_cell)]

    @classmethod
    def of(
        cls,
        thresholds: NDArray[np.float64],
        sizes: tuple[int, ...] = _CELLS,
        most: int = _MOST_IN_A_CELL,
    ) -> Grid | None:
        """Make the smallest grid that is fine enough; uneven thresholds may have none."""
        if not len(thresholds):
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            width = thresholds[-1] - thresholds[0]
            is_even = np.isfinite(width) and (width == 0 or np.isfinite(sizes[-1] / width))
        grids = (cls(thresholds, cells) for cells in (sizes if is_even else ()))
        return next((grid for grid in grids if grid.in_a_cell <= most), None)

    @property
    def bounds(self) -> tuple[float, float, float]:
        """A value's cell is ``(x - low) * scale``, cut to between 0 and ``last``."""
        return self._low, self._scale, self._last

    def encode(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        """Count the thresholds below each value; NaN gives any code."""
        first = self.below.take(self._cell(values), mode="clip")
        codes = first
        for thresholds in self._next:
            codes = codes + (thresholds.take(first, mode="clip") < values)
        return codes

    def _cell(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        cell = values - self._low
        cell *= self._scale
        # As np.clip does, with less overhead.
        np.maximum(cell, 0.0, out=cell)
        np.minimum(cell, self._last, out=cell)
        return cell.astype(np.intp)


class NumericCoding:
    """Codes of a feature that is split by order.

    The code of ``x`` is the number of thresholds below it, so ``x <= thresholds[j]`` exactly when
    ``code <= j``. NaN has the last code, :attr:`missing`.
    """

    def __init__(self, thresholds: NDArray[np.float64]) -> None:
        """Take the thresholds, ascending and distinct."""
        self.thresholds = thresholds
        self.grid = Grid.of(thresholds)

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
        if self.grid is None:
            codes = np.searchsorted(self.thresholds, values, side="left")
        else:
            # Infinities and NaN pass through the arithmetic; what becomes of NaN is overwritten.
            with np.errstate(invalid="ignore", over="ignore"):
                codes = self.grid.encode(values)
        is_missing = np.isnan(values)
        if is_missing.any():
            codes[is_missing] = self.missing
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
        # Behind the last category, and where there is none at all, -1 equals no integer.
        known = inside & (np.append(self.categories, -1)[position] == integers)
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
            codings[feature] = CategoryCoding(np.unique(trees.members(sets)[0]))
    return codings
