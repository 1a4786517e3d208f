"""Weighted medians, one a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..ir.steps import WeightedMedian
    from .columns import Values

BLOCK_CELLS = 2**18
"""Cells that are sorted at once: a row has as many as the step has inputs."""


class WeightedMedianKernel:
    """Runs a weighted median."""

    def __init__(self, step: WeightedMedian) -> None:
        """Keep the step, and choose how many rows a block has."""
        self._step = step
        self._rows = max(BLOCK_CELLS // len(step.inputs), 1)

    def run(self, values: Values) -> None:
        """Write the median of each row."""
        columns = [values.numbers(name) for name in self._step.inputs]
        medians = np.empty(values.rows)
        for start in range(0, values.rows, self._rows):
            block = slice(start, start + self._rows)
            medians[block] = _medians(
                np.stack([column[block] for column in columns], axis=1), self._step.weights
            )
        values.put(self._step.outputs[0], medians)


def _medians(matrix: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sort as the library does: which of two equals comes first decides a rounding of the sums."""
    order = np.argsort(matrix, axis=1)
    sums = np.cumsum(weights[order], axis=1)
    reached = np.argmax(sums >= 0.5 * sums[:, -1:], axis=1)
    chosen = np.take_along_axis(order, reached[:, None], axis=1)
    return np.take_along_axis(matrix, chosen, axis=1)[:, 0]
