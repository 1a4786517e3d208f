"""The nearest stored points of a row, as scikit-learn's k-d tree finds them, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import ScoringError
from ..ir.steps import Metric, Weighting
from .kd_tree import Tree

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..ir.steps import Neighbours
    from .columns import Values

    Numbers = NDArray[np.float64]
    Indices = NDArray[np.intp]

_CELLS = 1 << 16
"""How many pairs of a row and a point are compared at a time."""
_NEAR = 1e-12
"""Distances that are closer than this part of themselves are told apart by the search itself."""


class NeighboursKernel:
    """Runs a neighbours step."""

    def __init__(self, step: Neighbours) -> None:
        """Build the tree once."""
        self._step = step
        self._tree = Tree(step)
        # A column of points is read at once.
        self._points = np.asfortranarray(step.points)

    def run(self, values: Values) -> None:
        """Write one sum or mean an output."""
        step = self._step
        matrix = np.stack([values.numbers(name) for name in step.inputs], axis=1)
        length = max(1, _CELLS // max(len(step.points), step.count * len(step.outputs)))
        answers = np.empty((values.rows, len(step.outputs)))
        for start in range(0, values.rows, length):
            block = slice(start, start + length)
            answers[block] = self._answer(*self.nearest(matrix[block]))
        for name, column in zip(step.outputs, answers.T, strict=True):
            values.put(name, np.ascontiguousarray(column))

    def nearest(self, rows: Numbers) -> tuple[Numbers, Indices]:
        """Give the distances and numbers of the nearest points: [rows, count], nearest first."""
        step = self._step
        distances = reduced_distances(rows, self._points, step.metric)
        # One more than are asked for shows whether the last place is shared.
        most = min(step.count + 1, len(step.points))
        found = np.argpartition(distances, most - 1, axis=1)[:, :most]
        order = np.argsort(np.take_along_axis(distances, found, axis=1), axis=1)
        found = np.take_along_axis(found, order, axis=1)
        nearest = np.take_along_axis(distances, found, axis=1)
        # Where both are infinite, their difference is NaN, and no larger than anything.
        is_clear = (np.diff(nearest, axis=1) > _NEAR * nearest[:, 1:]).all(axis=1)
        is_clear &= np.isfinite(nearest).all(axis=1)
        nearest, found = nearest[:, : step.count].copy(), found[:, : step.count].copy()
        for row in np.flatnonzero(~is_clear).tolist():
            nearest[row], found[row] = self._tree.nearest(rows[row], distances[row])
        return np.sqrt(nearest) if step.metric is Metric.EUCLIDEAN else nearest, found

    def _answer(self, distances: Numbers, found: Indices) -> Numbers:
        """Add up in scikit-learn's own calls of numpy, which add in pairs."""
        step = self._step
        said = step.values[found]
        if step.weighting is Weighting.UNIFORM:
            return np.mean(said, axis=1) if step.mean else np.sum(said, axis=1)
        weights = _weights(distances)
        if not step.mean and not weights.any(axis=1).all():
            message = (
                f"A row is infinitely far from all rows that {step.where} was fitted to, so that "
                "none of them has a weight. Filter such rows, or clip the values."
            )
            raise ScoringError(message)
        sums = [np.sum(said[:, :, j] * weights, axis=1) for j in range(said.shape[2])]
        totals = np.stack(sums, axis=1) if sums else np.empty((len(found), 0))
        return totals / np.sum(weights, axis=1)[:, None] if step.mean else totals


def reduced_distances(rows: Numbers, points: Numbers, metric: Metric) -> Numbers:
    """Give float64[rows, points] distances, squared where the metric is Euclidean."""
    total = np.zeros((len(rows), len(points)))
    gap = np.empty_like(total)
    for x, p in zip(rows.T, points.T, strict=True):
        np.subtract(x[:, None], p[None, :], out=gap)
        if metric is Metric.EUCLIDEAN:
            np.multiply(gap, gap, out=gap)
        else:
            np.abs(gap, out=gap)
        add = np.maximum if metric is Metric.CHEBYSHEV else np.add
        add(total, gap, out=total)
    return total


def _weights(distances: Numbers) -> Numbers:
    """Give one over each distance; where one is infinite, 1 for such and 0 for the others."""
    weights = 1.0 / distances
    is_infinite = np.isinf(weights)
    has_infinite = is_infinite.any(axis=1)
    weights[has_infinite] = is_infinite[has_infinite]
    return weights
