"""Weighted sums in a fixed order: a row's bits do not depend on its batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .columns import Indicators

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..ir.steps import Dot, Float32Dot
    from .columns import ColumnValues, Values


class LinearKernel:
    """Runs a dot step."""

    def __init__(self, step: Dot) -> None:
        """Keep the step; its weights are ready as they are."""
        self._step = step

    def run(self, values: Values) -> None:
        """Write one weighted sum an output."""
        for name, total in zip(self._step.outputs, self.sums(values), strict=True):
            values.put(name, total)

    def sums(self, values: Values) -> NDArray[np.float64]:
        """Give the weighted sums: float64[outputs, rows]."""
        step = self._step
        sums = np.zeros((len(step.outputs), values.rows))
        columns = [values.get(name) for name in step.inputs]
        index = 0
        while index < len(columns):
            column = columns[index]
            if isinstance(column, Indicators):
                index += _add_indicators(column, columns[index:], step.weights[index:], sums)
                continue
            x = values.numbers(step.inputs[index])
            for output, weight in enumerate(step.weights[index].tolist()):
                sums[output] += x * weight
            index += 1
        sums += step.intercepts[:, None]
        return sums


class Float32LinearKernel:
    """Runs a dot step in float32."""

    def __init__(self, step: Float32Dot) -> None:
        """Round the weights."""
        self._step = step
        self._weights = step.weights.astype(np.float32)
        self._intercepts = step.intercepts.astype(np.float32)

    def run(self, values: Values) -> None:
        """Write one weighted sum an output."""
        for name, total in zip(self._step.outputs, self.sums(values), strict=True):
            values.put(name, total)

    def sums(self, values: Values) -> NDArray[np.float64]:
        """Give the weighted sums: float64[outputs, rows]."""
        sums = np.empty((len(self._intercepts), values.rows), np.float32)
        sums[:] = self._intercepts[:, None]
        for name, weights in zip(self._step.inputs, self._weights, strict=True):
            x = values.numbers(name).astype(np.float32)
            is_there = ~np.isnan(x)
            for total, weight in zip(sums, weights, strict=True):
                np.add(total, x * weight, out=total, where=is_there)
        return sums.astype(np.float64)


def _add_indicators(
    first: Indicators,
    columns: Sequence[ColumnValues],
    weights: NDArray[np.float64],
    sums: NDArray[np.float64],
) -> int:
    """Add a run of columns of one one-hot step and give its length.

    At most one of them is 1 in a row, so its weight is added; adding the zeros of the others
    would change no bit. A column that is there twice begins a new run.
    """
    table = np.zeros((int(first.codes.max(initial=0)) + 1, weights.shape[1]))
    run = 0
    seen: set[int] = set()
    for column, weight in zip(columns, weights, strict=True):
        if not isinstance(column, Indicators) or column.codes is not first.codes:
            break
        if column.position in seen:
            break
        seen.add(column.position)
        if column.position < len(table):
            table[column.position] = weight
        run += 1
    for output in range(len(sums)):
        sums[output] += table[first.codes, output]
    return run
