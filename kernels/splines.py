"""B-splines at numbers, by de Boor's recursion in the order of scipy's ``_deBoor_D``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..ir.steps import BSplines
    from .columns import Values

_BLOCK = 4096
"""Rows at a time, so that memory stays small."""


def run_splines(step: BSplines, values: Values) -> None:
    """Write one column a spline."""
    for name, column in zip(
        step.outputs, spline_columns(step, values.numbers(step.inputs[0])), strict=True
    ):
        values.put(name, column)


def spline_columns(step: BSplines, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Evaluate all splines of a step: float64[splines, rows]."""
    found = np.zeros((len(step.outputs), len(x)))
    for start in range(0, len(x), _BLOCK):
        block = slice(start, start + _BLOCK)
        _fill(found[:, block], x[block], step.knots, step.degree)
    return found


def _fill(
    found: NDArray[np.float64], x: NDArray[np.float64], knots: NDArray[np.float64], degree: int
) -> None:
    last = len(knots) - degree - 2
    interval = np.clip(np.searchsorted(knots, x, side="right") - 1, degree, last)
    rows = np.arange(len(x))
    with np.errstate(all="ignore"):
        local = _de_boor(x, knots, interval, degree)
        # The library multiplies by a matrix of zeros and ones: 0 times infinity is NaN.
        spread = np.where(np.isfinite(local), 0.0, np.nan)
        for index, part in enumerate(spread):
            others = np.repeat(part[None, :], len(found), axis=0)
            others[interval - degree + index, rows] = local[index]
            found += others
    found[:, np.isnan(x)] = np.nan


def _de_boor(
    x: NDArray[np.float64], knots: NDArray[np.float64], interval: NDArray[np.intp], degree: int
) -> NDArray[np.float64]:
    """Give the splines that are not 0 in each number's interval: float64[degree + 1, rows]."""
    now = np.zeros((degree + 1, len(x)))
    now[0] = 1.0
    for size in range(1, degree + 1):
        before = now[:size].copy()
        now[0] = 0.0
        for n in range(1, size + 1):
            upper, lower = knots[interval + n], knots[interval + n - size]
            is_gap = upper > lower
            weight = np.where(is_gap, before[n - 1] / (upper - lower), 0.0)
            now[n - 1] += np.where(is_gap, weight * (upper - x), 0.0)
            now[n] = np.where(is_gap, weight * (x - lower), 0.0)
    return now
