"""How far SQL's sums over stored points may be from the kernel's.

The kernel adds in one order, an engine perhaps in another, and each rounds its functions in its own
way. All of that is some last digits of a term's size, as :mod:`..models_sql.steps.kernel_error`
says, by whose numbers a query refuses labels that are not certain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..ir.steps import Kernel
from ..models_sql import POINT_EPSILON, neighbour_roundings, roundings_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..ir import steps as s
    from ..kernels.columns import Values
    from .rounding import Numbers


def sum_errors(step: s.KernelSum, values: Values) -> Iterator[tuple[str, Numbers]]:
    """Give the absolute error of each output, float64[rows]."""
    unit = roundings_of(step) * POINT_EPSILON
    rows = np.stack([values.numbers(name) for name in step.inputs], axis=1)
    size = np.ones(len(rows))
    for index in range(len(step.kernels)):
        size = size * _size(step, index, rows)
    for index, output in enumerate(step.outputs):
        weights = np.abs(step.weights[:, index])
        still = (weights * np.abs(step.centers)).sum() + abs(step.intercepts[index])
        yield output, unit * (size * weights.sum() + still)


def _size(step: s.KernelSum, index: int, rows: Numbers) -> Numbers:
    """Give how large a kernel is at most, or an error of it that is larger."""
    scales, gamma = step.scales[index], abs(float(step.gammas[index]))
    scaled, points = np.abs(rows / scales), np.abs(step.points / scales)
    product = gamma * (scaled @ points.max(axis=0, initial=0.0))
    power = max(int(step.degrees[index]), 1) * max(int(step.exponents[index]), 1)
    match step.kernels[index]:
        case Kernel.POLYNOMIAL:
            return (product + abs(float(step.constants[index]))) ** power
        case Kernel.SIGMOID:
            return 1 + product + abs(float(step.constants[index]))
        case Kernel.EXPANDED_RBF:
            largest = (points * points).sum(axis=1).max(initial=0.0)
            return 1 + 4 * gamma * ((scaled * scaled).sum(axis=1) + largest)
        case _:
            return np.ones(len(rows))


def neighbour_errors(step: s.Neighbours, values: Values) -> Iterator[tuple[str, Numbers]]:
    """Give the absolute error of each output, float64[rows]: that of a sum of the neighbours."""
    unit = neighbour_roundings(step) * POINT_EPSILON
    for index, output in enumerate(step.outputs):
        largest = np.abs(step.values[:, index]).max()
        yield output, unit * np.maximum(np.abs(values.numbers(output)), largest)
