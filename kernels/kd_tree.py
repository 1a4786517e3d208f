"""Which of equally near points scikit-learn's k-d tree takes: its search, step by step.

Source: ``_query_single_depthfirst`` in sklearn/neighbors/_binary_tree.pxi.tp, ``min_rdist`` in
_kd_tree.pyx.tp, ``heap_push`` in sklearn/utils/_heap.pyx.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..ir.steps import Metric
from .introsort import introsort

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ..ir.steps import Neighbours

    Numbers = NDArray[np.float64]


class Tree:
    """The nodes of a k-d tree: their parts of the order of points, and their boxes."""

    def __init__(self, step: Neighbours) -> None:
        """Halve the points and bound each part."""
        self._metric, self._count, self._order = step.metric, step.count, step.order
        self._parts = [(0, len(step.order))]
        for node in range((1 << step.levels) - 1):
            start, end = self._parts[node]
            middle = start + (end - start) // 2
            self._parts += [(start, middle), (middle, end)]
        points = step.points[step.order]
        self._lows = [points[slice(*part)].min(axis=0).tolist() for part in self._parts]
        self._highs = [points[slice(*part)].max(axis=0).tolist() for part in self._parts]

    def nearest(self, row: Numbers, distances: Numbers) -> tuple[list[float], list[int]]:
        """Give the distances and the numbers of the nearest points, the nearest first.

        ``distances`` are those of the row to all points, squared where the metric is Euclidean.
        """
        x, heap = row.tolist(), _Heap(self._count)
        ordered = distances[self._order]
        waiting = [(0, self._bound(0, x))]
        while waiting:
            node, bound = waiting.pop()
            if bound > heap.largest:
                continue
            left, right = 2 * node + 1, 2 * node + 2
            if left >= len(self._parts):
                start, end = self._parts[node]
                near = np.flatnonzero(ordered[start:end] < heap.largest) + start
                heap.push_all(ordered[near].tolist(), self._order[near].tolist())
                continue
            on_left, on_right = (left, self._bound(left, x)), (right, self._bound(right, x))
            # The last one in is visited first.
            is_left_first = on_left[1] <= on_right[1]
            waiting += [on_right, on_left] if is_left_first else [on_left, on_right]
        return heap.sorted()

    def _bound(self, node: int, x: list[float]) -> float:
        """Give the least distance of a box, squared where the metric is Euclidean."""
        total = 0.0
        for low, high, value in zip(self._lows[node], self._highs[node], x, strict=True):
            below, above = low - value, value - high
            gap = 0.5 * ((below + abs(below)) + (above + abs(above)))
            match self._metric:
                case Metric.EUCLIDEAN:
                    total += _square(gap)
                case Metric.MANHATTAN:
                    total += gap
                case Metric.CHEBYSHEV:
                    total = max(total, gap)
        return total


def _square(value: float) -> float:
    """Call the C library's ``pow``, whose last bit is at times not that of a product."""
    try:
        return math.pow(value, 2.0)
    except OverflowError:
        return math.inf


class _Heap:
    """The nearest points so far, the farthest of them on top."""

    def __init__(self, count: int) -> None:
        self._distances = [math.inf] * count
        self._points = [0] * count

    @property
    def largest(self) -> float:
        return self._distances[0]

    def push_all(self, distances: Iterable[float], points: Iterable[int]) -> None:
        for distance, point in zip(distances, points, strict=True):
            if distance < self._distances[0]:
                self._push(distance, point)

    def _push(self, distance: float, point: int) -> None:
        """Drop the farthest point, and sink the new one to its place."""
        d, p = self._distances, self._points
        place = 0
        while True:
            child = 2 * place + 1
            if child >= len(d):
                break
            if child + 1 < len(d) and d[child] < d[child + 1]:
                child += 1
            if d[child] <= distance:
                break
            d[place], p[place] = d[child], p[child]
            place = child
        d[place], p[place] = distance, point

    def sorted(self) -> tuple[list[float], list[int]]:
        pairs = list(zip(self._distances, self._points, strict=True))
        introsort(pairs)
        return [distance for distance, _ in pairs], [point for _, point in pairs]
