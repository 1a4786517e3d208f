"""Sums of kernels over stored points.

A linear kernel is plain arithmetic, written term by term in the kernel's order: exact. All others
go through an exponential, so their sums are as far off as the rounding of their terms, and what
adds them in another order changes nothing about that: an engine with lists computes a row's
kernels as a list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...ir.steps import Kernel
from ..expressions import Expression, both, case, fill, ref, text
from .kernel_error import error_of
from .kernel_shapes import FINITE, PRODUCTS, Shape, where_nan, write_shape
from .stored_points import (
    Rows,
    add_columns,
    against,
    each,
    list_of,
    missing_too,
    read_rows,
    vector_of,
    weighted,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...ir import steps as s
    from ..builder import Builder
    from ..target import Lists

    Numbers = NDArray[np.float64]

_KINDS = {Kernel.LAPLACIAN: "absolute"}
_EXACT_CELLS = 4_000
"""Up to here products are written one by one where there are lists, too: planning takes longer
than in proportion."""
_LETTERS = 40
"""How many a cell of a point takes at least, where it is written out."""
_ELEMENT = text("d")
_LARGE = 1e200
"""An error this large is one of sums that may have overflowed."""
_OVERFLOWS = "a sum over stored points overflows in a row, which only the UDF computes"


def emit_kernel_sum(step: s.KernelSum, builder: Builder) -> None:
    """Write one weighted sum an output."""
    shapes = [Shape.of(step, index) for index in range(len(step.kernels))]
    is_exact = all(shape.is_exact for shape in shapes)
    lists = _lists(step, builder, is_exact=is_exact)
    rows = read_rows(step, builder)
    if lists is None:
        totals = _term_by_term(step, shapes, rows, builder)
    else:
        totals = _by_list(step, shapes[0], rows, lists, builder)
    summed = lists is not None or not is_exact
    for index, total in enumerate(totals):
        intercept = builder.literal(float(step.intercepts[index]))
        written = missing_too(rows, fill("{} + {}", total, intercept, is_atom=False))
        null = rows.is_missing is not None
        column = builder.define(written, null=null, nan=True, summed=summed)
        if summed:
            in_lists = lists is not None
            error = error_of(step, shapes, index, rows.columns, builder, in_lists=in_lists)
            builder.errors[column.name] = error
            if in_lists and not PRODUCTS.isdisjoint(step.kernels):
                # In another order, a sum need not overflow where the kernel's does.
                is_large = fill("{} >= {}", error, builder.literal(_LARGE), is_atom=False)
                builder.require(is_large, _OVERFLOWS, column.name)
        if not FINITE.issuperset(step.kernels):
            _refuse_overflow(builder.cleaned(column).name, rows, builder)
        builder.put(step.outputs[index], column)


def _lists(step: s.KernelSum, builder: Builder, *, is_exact: bool) -> Lists | None:
    """Give the target's lists where they are the way to write the step."""
    lists, limits = builder.target.lists, builder.target.limits
    is_short = is_exact and step.points.size <= _EXACT_CELLS
    is_one = len(step.kernels) == 1 and len(step.points) > 0
    if lists is not None and is_one and not is_short:
        letters = _LETTERS // 2 if lists.vector is not None else _LETTERS
        _check_size(step, step.points.size * letters, limits.bytes, builder)
        return lists
    _check_size(step, step.points.size * _LETTERS * len(step.kernels), limits.bytes, builder)
    return None


def _check_size(step: s.KernelSum, size: int, limit: int, builder: Builder) -> None:
    if size > limit:
        builder.refuse(
            f"{len(step.points):,} points of {len(step.inputs):,} columns make a statement beyond "
            f"{limit:,} bytes"
        )


def _refuse_overflow(name: str, rows: Rows, builder: Builder) -> None:
    """Refuse a row in which an infinite product was taken off another.

    What the kernel makes of that depends on which of them came first.
    """
    is_lost = fill("{} IS NULL", ref(name), is_atom=False)
    if rows.is_there is not None:
        is_lost = both([is_lost, rows.is_there])
    builder.require(is_lost, _OVERFLOWS, name)


def _by_list(
    step: s.KernelSum, shape: Shape, rows: Rows, lists: Lists, builder: Builder
) -> list[Expression]:
    scales = step.scales[0]
    scaled = Rows(tuple(_scaled(rows, scales, builder)), rows.is_missing, rows.is_there)
    with np.errstate(all="ignore"):
        points = step.points / scales
    found = _arguments(shape.kernel, scaled, points, lists, builder)

    def name(expression: Expression) -> Expression:
        nonlocal found
        found = each(found, expression, lists, builder)
        return _ELEMENT

    u = _ELEMENT
    if shape.kernel is Kernel.EXPANDED_RBF:
        below = fill("{} < {}", u, builder.literal(0.0), is_atom=False)
        u = name(case([*where_nan(u, builder), (below, builder.literal(0.0))], u))
    elif lists.vector is not None and shape.kernel not in PRODUCTS | set(_KINDS):
        u = fill("{0} * {0}", u, is_atom=False)
        if shape.kernel is not Kernel.RBF:
            u = name(u)
    name(write_shape(shape, u, name, builder))
    totals: list[Expression] = []
    for weights in step.weights.T:
        total = weighted(found, weights, lists)
        center = float(np.sum(step.centers * weights))
        if step.centers.any():
            total = fill("{} - {}", total, builder.literal(center), is_atom=False)
        totals.append(total)
    return totals


def _arguments(
    kernel: Kernel, rows: Rows, points: Numbers, lists: Lists, builder: Builder
) -> Expression:
    """Make the list of what a kernel reads: roots of squared distances where there are arrays."""
    kind = "product" if kernel in PRODUCTS else _KINDS.get(kernel, "square")
    if lists.vector is not None and kind != "absolute":
        vector = vector_of(rows, lists, builder)
        template = lists.product if kind == "product" else lists.distance
        cells = [against(vector, template, point, lists) for point in points.tolist()]
    else:
        cells = [add_columns(kind, rows.columns, point, builder) for point in points.tolist()]
    if kernel is Kernel.EXPANDED_RBF:
        own = _own_square(rows, builder)
        squares = _own_squares(points).tolist()
        cells = [
            _expanded(cell, own, square, builder)
            for cell, square in zip(cells, squares, strict=True)
        ]
    return list_of(cells, lists, builder)


def _expanded(product: Expression, own: Expression, square: float, builder: Builder) -> Expression:
    numbers = (builder.literal(-2.0), own, builder.literal(square))
    return fill("{} * {} + {} + {}", product, *numbers, is_atom=False)


def _own_square(rows: Rows, builder: Builder) -> Expression:
    squares = [fill("{0} * {0}", x, is_atom=False) for x in rows.columns]
    return ref(builder.define(builder.sum_of(squares), null=False, nan=True).name)


def _own_squares(points: Numbers) -> Numbers:
    total = np.zeros(len(points))
    with np.errstate(over="ignore"):
        for column in points.T:
            total += column * column
    return total


def _scaled(rows: Rows, scales: Numbers, builder: Builder) -> list[Expression]:
    found: list[Expression] = []
    for x, scale in zip(rows.columns, scales.tolist(), strict=True):
        if scale == 1:
            found.append(x)
            continue
        if scale == 0:
            builder.refuse("it divides by zero")
        divided = fill("{} / {}", x, builder.literal(scale), is_atom=False)
        found.append(ref(builder.define(divided, null=False, nan=False).name))
    return found


def _term_by_term(
    step: s.KernelSum, shapes: list[Shape], rows: Rows, builder: Builder
) -> list[Expression]:
    """Write every point's kernel, and the sums in the order of the points."""
    terms: list[list[Expression]] = [[] for _ in step.outputs]
    with np.errstate(all="ignore"):
        points = [step.points / scales for scales in step.scales]
    scaled = [Rows(tuple(_scaled(rows, scales, builder)), None, None) for scales in step.scales]
    owns = [
        _own_square(row, builder) if shape.kernel is Kernel.EXPANDED_RBF else None
        for row, shape in zip(scaled, shapes, strict=True)
    ]
    is_finite = FINITE.issuperset(step.kernels)
    for place, weights in enumerate(step.weights.tolist()):
        if is_finite and not any(weights):
            continue
        kernels = [
            _kernel(shape, row, every[place], own, builder)
            for shape, row, every, own in zip(shapes, scaled, points, owns, strict=True)
        ]
        likeness = _product(kernels)
        center = float(step.centers[place])
        if center:
            likeness = fill("{} - {}", likeness, builder.literal(center), is_atom=False)
        if len(weights) > 1:
            likeness = ref(builder.define(likeness, null=False, nan=True).name)
        for found, weight in zip(terms, weights, strict=True):
            if weight or not is_finite:
                found.append(fill("{} * {}", likeness, builder.literal(weight), is_atom=False))
    return [builder.sum_of(each_of) if each_of else builder.literal(0.0) for each_of in terms]


def _product(kernels: list[Expression]) -> Expression:
    product = kernels[0]
    for kernel in kernels[1:]:
        product = fill("{} * {}", product, kernel, is_atom=False)
    return product


def _kernel(
    shape: Shape, rows: Rows, point: Numbers, own: Expression | None, builder: Builder
) -> Expression:
    def name(expression: Expression) -> Expression:
        return ref(builder.define(expression, null=False, nan=True).name)

    kind = "product" if shape.kernel in PRODUCTS else _KINDS.get(shape.kernel, "square")
    argument = add_columns(kind, rows.columns, point.tolist(), builder)
    if own is not None:
        square = float(_own_squares(point[None, :])[0])
        argument = name(_expanded(argument, own, square, builder))
        below = fill("{} < {}", argument, builder.literal(0.0), is_atom=False)
        branches = [*where_nan(argument, builder), (below, builder.literal(0.0))]
        argument = case(branches, argument)
    return write_shape(shape, name(argument), name, builder)
