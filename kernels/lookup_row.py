"""Look rows of numbers up, one column after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .lookup import Matcher

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..ir.steps import LookupRow
    from .columns import Values


class LookupRowKernel:
    """Runs a lookup of rows: what is known of a row so far is one number, column by column.

    That number and the next column's position among its keys make the next number. The tables'
    last row is the answer for an unknown row.
    """

    def __init__(self, step: LookupRow) -> None:
        """List what can be known after each column."""
        self._step = step
        self.levels = [np.unique(column) for column in step.keys.T]
        self._columns = [Matcher(level) for level in self.levels]
        self.sizes = [len(level) for level in self.levels]
        self.known: list[NDArray[np.intp]] = []
        found = np.zeros(len(step.keys), np.intp)
        for column, size, matcher in zip(step.keys.T, self.sizes, self._columns, strict=True):
            both = found * size + matcher.positions(column)
            self.known.append(np.unique(both))
            found = np.searchsorted(self.known[-1], both)
        # Each row of keys now has a number of its own.
        self.tables = np.concatenate([step.values[np.argsort(found)], step.unknown[None, :]])

    def run(self, values: Values) -> None:
        """Write the numbers that stand beside each row."""
        found = np.zeros(values.rows, np.intp)
        known = np.ones(values.rows, np.bool_)
        parts = zip(self._step.inputs, self.sizes, self._columns, self.known, strict=True)
        for name, size, matcher, listed in parts:
            position = matcher.positions(values.numbers(name))
            both = found * size + np.minimum(position, size - 1)
            found = np.minimum(np.searchsorted(listed, both), len(listed) - 1)
            known &= (position < size) & (listed[found] == both)
        rows = np.where(known, found, len(self.tables) - 1)
        for index, output in enumerate(self._step.outputs):
            values.put(output, self.tables[rows, index])
