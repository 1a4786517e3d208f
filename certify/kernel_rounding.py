"""How far a kernel sum may be from the library's: a BLAS adds products in an order of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..ir.steps import Kernel
from ..kernels.kernel_sum import KernelSumKernel, add_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ..ir import steps as s
    from ..kernels.columns import Values

    Numbers = NDArray[np.float64]

_EPSILON = float(np.finfo(np.float64).eps)
_SUM = 16 * _EPSILON
"""The error of a sum of products over columns, relative to the sum of their sizes."""
_FUNCTION = 8
"""The roundings of an exponential or a power, in last digits."""
_PRODUCTS = frozenset({Kernel.POLYNOMIAL, Kernel.SIGMOID})


class _Rows(NamedTuple):
    """A block of rows and the errors of its cells, or None where they are the library's."""

    rows: Numbers
    errors: Numbers | None


def kernel_sum_errors(
    step: s.KernelSum, values: Values, errors: Mapping[str, Numbers]
) -> dict[str, Numbers]:
    """Give the absolute error of each output, float64[rows].

    The error of a kernel is how far its value moves between the ends of its argument's interval.
    """
    kernel = KernelSumKernel(step)
    found = np.empty((len(step.outputs), values.rows))
    none = np.zeros(values.rows)
    cells = None
    if not errors.keys().isdisjoint(step.inputs):
        cells = np.stack([errors.get(name, none) for name in step.inputs], axis=1)
    # The order of very many terms counts, too: it moves a sum as a random walk does.
    of_sum = _SUM + _EPSILON * np.sqrt(len(step.points))
    for block, rows in kernel.blocks(values):
        value, error = _of_product(kernel, _Rows(rows, None if cells is None else cells[block]))
        error = error + of_sum * (np.abs(value) + np.abs(step.centers))
        for output, weights in enumerate(np.abs(step.weights.T)):
            total = (error * weights).sum(axis=1)
            found[output, block] = total + _SUM * np.abs(step.intercepts[output])
    found = np.where(np.isnan(found), np.inf, found)
    return dict(zip(step.outputs, found, strict=True))


def _of_product(kernel: KernelSumKernel, block: _Rows) -> tuple[Numbers, Numbers]:
    """Give the product of the kernels and its error: float64[rows, points] each."""
    value, error = _of_kernel(kernel, 0, block)
    for index in range(1, len(kernel.step.kernels)):
        other, of_other = _of_kernel(kernel, index, block)
        error = np.abs(value) * of_other + np.abs(other) * error + error * of_other
        value = value * other
        error += np.spacing(np.abs(value))
    return value, error


def _of_kernel(kernel: KernelSumKernel, index: int, block: _Rows) -> tuple[Numbers, Numbers]:
    step = kernel.step
    argument = kernel.argument(index, block.rows)
    error = _of_argument(kernel, index, block, argument)
    here = kernel.shape(index, argument)
    low = argument - error
    if step.kernels[index] not in _PRODUCTS:
        low = np.maximum(low, 0.0)
    ends = [np.abs(kernel.shape(index, end) - here) for end in (low, argument + error)]
    moved = np.where(np.isinf(argument) & (error == 0), 0.0, np.maximum(*ends))
    # A kernel may be level beyond the largest number, but on which side is not certain.
    moved = np.where(np.isinf(error), np.inf, moved)
    digits = _FUNCTION * (1 + abs(step.degrees[index]) + abs(step.exponents[index]))
    return here, moved + digits * np.spacing(np.abs(here))


def _of_argument(kernel: KernelSumKernel, index: int, block: _Rows, argument: Numbers) -> Numbers:
    """Give how far a kernel's argument may be off: its own sum, and the errors of the columns."""
    kind = kernel.step.kernels[index]
    rows, points = kernel.scaled(index, block.rows)
    sizes, point_sizes = np.abs(rows), np.abs(points)
    cells = None if block.errors is None else np.abs(block.errors / kernel.step.scales[index])
    if kind in _PRODUCTS:
        own = _SUM * add_columns("product", sizes, point_sizes)
        return own if cells is None else own + add_columns("product", cells, point_sizes)
    if kind is Kernel.EXPANDED_RBF:
        own = _SUM * ((rows * rows).sum(axis=1)[:, None] + (points * points).sum(axis=1))
    elif points.shape[1] == 1 and cells is None:
        own = np.zeros_like(argument)
    else:
        # An infinite sum of squares is so in every order.
        own = np.where(np.isinf(argument), 0.0, _SUM * argument)
    if cells is None:
        return own
    if kind is Kernel.LAPLACIAN:
        return own + cells.sum(axis=1)[:, None]
    return own + _of_squares(rows, points, cells)


def _of_squares(rows: Numbers, points: Numbers, cells: Numbers) -> Numbers:
    total = np.zeros((len(rows), len(points)))
    for x, p, error in zip(rows.T, points.T, cells.T, strict=True):
        total += 2 * np.abs(x[:, None] - p) * error[:, None] + (error * error)[:, None]
    return total
