"""Weighted sums of kernels over stored points, in a fixed order: no BLAS, whose bits move.

Blocks of rows bound the memory. Every operation is elementwise or a running sum, so a row gets the
same bits alone and in any batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..ir.steps import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from ..ir.steps import KernelSum
    from .columns import Values

    Numbers = NDArray[np.float64]

_CELLS = 1 << 16
"""How many pairs of a row and a point are compared at a time."""

_ARGUMENTS: Mapping[Kernel, str] = {
    Kernel.POLYNOMIAL: "product",
    Kernel.SIGMOID: "product",
    Kernel.EXPANDED_RBF: "expanded",
    Kernel.LAPLACIAN: "absolute",
}
"""What a kernel reads: the squared distance, where it is not one of these."""


class KernelSumKernel:
    """Runs a kernel sum."""

    def __init__(self, step: KernelSum) -> None:
        """Divide the points by the scales of each kernel."""
        self.step = step
        with np.errstate(all="ignore"):
            # A column of points is read at once.
            self._points = [np.asfortranarray(step.points / scales) for scales in step.scales]

    def run(self, values: Values) -> None:
        """Write one weighted sum an output."""
        step = self.step
        sums = np.empty((len(step.outputs), values.rows))
        for block, rows in self.blocks(values):
            likeness = self.likeness(rows) - step.centers
            terms = np.empty_like(likeness)
            for output, weights in enumerate(step.weights.T):
                np.multiply(likeness, weights, out=terms)
                np.add.accumulate(terms, axis=1, out=terms)
                last = terms[:, -1] if terms.size else np.zeros(len(rows))
                sums[output, block] = last + step.intercepts[output]
        for name, total in zip(step.outputs, sums, strict=True):
            values.put(name, total)

    def blocks(self, values: Values) -> Iterator[tuple[slice, Numbers]]:
        """Cut the rows into blocks: float64[rows, inputs] each."""
        matrix = np.stack([values.numbers(name) for name in self.step.inputs], axis=1)
        length = max(1, _CELLS // max(1, len(self.step.points)))
        for start in range(0, values.rows, length):
            block = slice(start, start + length)
            yield block, matrix[block]

    def likeness(self, rows: Numbers) -> Numbers:
        """Give the product of all kernels: float64[rows, points]."""
        product = self.shape(0, self.argument(0, rows))
        for index in range(1, len(self.step.kernels)):
            product = product * self.shape(index, self.argument(index, rows))
        return product

    def scaled(self, index: int, rows: Numbers) -> tuple[Numbers, Numbers]:
        """Give rows and points as a kernel sees them."""
        return rows / self.step.scales[index], self._points[index]

    def argument(self, index: int, rows: Numbers) -> Numbers:
        """Give what a kernel reads, float64[rows, points], added in the order of the inputs."""
        kind = _ARGUMENTS.get(self.step.kernels[index], "square")
        return add_columns(kind, *self.scaled(index, rows))

    def shape(self, index: int, argument: Numbers) -> Numbers:
        """Apply a kernel and its exponent to its argument."""
        step = self.step
        parameters = (step.gammas[index], step.constants[index], step.degrees[index])
        result = _SHAPES[step.kernels[index]](argument, *map(float, parameters))
        exponent = float(step.exponents[index])
        return result if exponent == 1 else np.power(result, exponent)


def add_columns(kind: str, rows: Numbers, points: Numbers) -> Numbers:
    """Add a product or difference a column: float64[rows, points]."""
    if kind == "expanded":
        # In the order of sklearn.metrics.pairwise.euclidean_distances.
        total = add_columns("product", rows, points) * -2.0
        total += _own_squares(rows)[:, None]
        total += _own_squares(points)[None, :]
        return np.maximum(total, 0.0)
    total = np.zeros((len(rows), len(points)))
    term = np.empty_like(total)
    for x, p in zip(rows.T, points.T, strict=True):
        if kind == "product":
            np.multiply(x[:, None], p[None, :], out=term)
        else:
            np.subtract(x[:, None], p[None, :], out=term)
            _SIZES[kind](term, out=term)
        total += term
    lost = np.isnan(total).any(axis=1)
    if kind == "product" and lost.any():
        total[lost] = _add_overflowing(rows[lost], points)
    return total


def _add_overflowing(rows: Numbers, points: Numbers) -> Numbers:
    """Add products where a sum that overflowed stays so, whatever is taken off it.

    Processors that multiply and add in one go never see a product overflow by itself.
    """
    total = np.zeros((len(rows), len(points)))
    for x, p in zip(rows.T, points.T, strict=True):
        total = np.where(np.isinf(total), total, total + x[:, None] * p[None, :])
    return total


_SIZES: Mapping[str, np.ufunc] = {"square": np.square, "absolute": np.absolute}


def _own_squares(matrix: Numbers) -> Numbers:
    total = np.zeros(len(matrix))
    for column in matrix.T:
        total += column * column
    return total


def _polynomial(u: Numbers, gamma: float, constant: float, degree: float) -> Numbers:
    base = u * gamma + constant
    return base if degree == 1 else np.power(base, degree)


def _matern_3_2(u: Numbers, *_: float) -> Numbers:
    r = np.sqrt(u) * np.sqrt(3.0)
    return (1.0 + r) * np.exp(-r)


def _matern_5_2(u: Numbers, *_: float) -> Numbers:
    r = np.sqrt(u) * np.sqrt(5.0)
    return (1.0 + r + r * r / 3.0) * np.exp(-r)


def _rbf(u: Numbers, gamma: float, *_: float) -> Numbers:
    return np.exp(u * -gamma)


_SHAPES: Mapping[Kernel, Callable[[Numbers, float, float, float], Numbers]] = {
    Kernel.POLYNOMIAL: _polynomial,
    Kernel.SIGMOID: lambda u, gamma, constant, _: np.tanh(u * gamma + constant),
    Kernel.RBF: _rbf,
    Kernel.EXPANDED_RBF: _rbf,
    Kernel.LAPLACIAN: _rbf,
    Kernel.EXPONENTIAL: lambda u, *_: np.exp(-np.sqrt(u)),
    Kernel.MATERN_3_2: _matern_3_2,
    Kernel.MATERN_5_2: _matern_5_2,
    Kernel.RATIONAL_QUADRATIC: lambda u, gamma, _, degree: np.power(1.0 + u / gamma, -degree),
    Kernel.PERIODIC: lambda u, gamma, constant, _: np.exp(
        -2.0 * np.square(np.sin(gamma * np.sqrt(u)) / constant)
    ),
}
