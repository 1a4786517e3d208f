"""How far a sum of kernels in an engine may be from the kernel's own, as an expression.

Both add the same terms, each of which is off by a few last digits of its size: the functions', the
argument's, which an engine may add in another order, and those of the sums, one a point. A kernel
of a distance never grows faster than its argument's relative change, so its size is 1. A product
is at most the sum of the columns' sizes, each times the largest of the points'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...ir.steps import Kernel
from ..expressions import Expression, chain, fill, ref
from .stored_points import EPSILON

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...ir import steps as s
    from ..builder import Builder
    from .kernel_shapes import Shape

_FUNCTION = 16
"""The last digits of an exponential, a logarithm and a root, both sides together."""


def roundings_of(step: s.KernelSum) -> float:
    """Give how many last digits of its size a term may be off, its share of the sum included."""
    functions = sum(
        (1 + abs(float(degree))) * (1 + abs(float(exponent)))
        for degree, exponent in zip(step.degrees, step.exponents, strict=True)
    )
    return len(step.points) + 3 * len(step.inputs) + _FUNCTION * (1 + functions)


def error_of(  # noqa: PLR0913 - all of it
    step: s.KernelSum,
    shapes: Sequence[Shape],
    output: int,
    rows: Sequence[Expression],
    builder: Builder,
    *,
    in_lists: bool,
) -> Expression:
    """Write the largest absolute error of an output."""
    unit = roundings_of(step) * EPSILON
    weights = np.abs(step.weights[:, output])
    still = unit * float((weights * np.abs(step.centers)).sum() + abs(step.intercepts[output]))
    scale = unit * float(weights.sum())
    sizes = [
        size
        for index, shape in enumerate(shapes)
        if (size := _size(step, index, shape, rows, builder, in_lists)) is not None
    ]
    if not sizes:
        return builder.literal(scale + still)
    product = fill(" * ".join(["{}"] * (len(sizes) + 1)), *sizes, builder.literal(scale))
    total = fill(
        "{} + {}",
        Expression(product.parts, product.depth, is_atom=False),
        builder.literal(still),
        is_atom=False,
    )
    return ref(builder.define(total, null=False, nan=True).name)


def _size(  # noqa: PLR0913, PLR0917 - all of it
    step: s.KernelSum,
    index: int,
    shape: Shape,
    rows: Sequence[Expression],
    builder: Builder,
    in_lists: bool,
) -> Expression | None:
    """Write how large a kernel may be, or an error of it that is larger; None is 1."""
    with np.errstate(all="ignore"):
        points = np.abs(step.points / step.scales[index])
    factors = points.max(axis=0, initial=0.0) / np.abs(step.scales[index])
    gamma = abs(shape.gamma)
    match shape.kernel:
        case Kernel.POLYNOMIAL:
            power = max(int(shape.degree), 1) * max(int(shape.exponent), 1)
            size = _linear(rows, gamma * factors, abs(shape.constant), builder)
            return fill(" * ".join(["{0}"] * power), size, is_atom=power == 1)
        case Kernel.SIGMOID if in_lists:
            return _linear(rows, gamma * factors, 1 + abs(shape.constant), builder)
        case Kernel.EXPANDED_RBF if in_lists:
            # Its argument is a difference of squares and products, each rounded by itself.
            with np.errstate(over="ignore"):
                largest = float((points * points).sum(axis=1).max(initial=0.0))
            scales = 4 * gamma / np.square(step.scales[index])
            squares = [fill("{0} * {0}", x, is_atom=False) for x in rows]
            return _linear(squares, scales, 1 + 4 * gamma * largest, builder)
        case _:
            return None


def _linear(
    columns: Sequence[Expression], factors: np.ndarray, constant: float, builder: Builder
) -> Expression:
    """Write a sum of absolute values, each times a factor, as a column."""
    greatest = builder.target.greatest.replace("{}", "{0}, -{0}")
    terms = [
        fill("{} * {}", fill(greatest, x), builder.literal(float(factor)), is_atom=False)
        for x, factor in zip(columns, factors, strict=True)
    ]
    total = chain("+", [*terms, builder.literal(constant)])
    return ref(builder.define(total, null=False, nan=True).name)
