"""Labels: which input is the largest, or whether one is above a threshold."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..expressions import both, case, chain, fill, ref
from ..links import Boundary, boundary_of, trace

if TYPE_CHECKING:
    from ...ir import steps as s
    from ..builder import Builder
    from ..columns import Number
    from ..expressions import Expression
    from ..links import Traced

_TWO = 2
_SMALLEST_NORMAL = 2.0**-1022


def emit_argmax(step: s.Argmax, builder: Builder) -> None:
    """Find the first of the largest inputs; a missing one counts as the largest."""
    if len(step.inputs) == _TWO and _emit_before_links(step, builder):
        return
    is_summed = any(map(builder.is_summed, step.inputs))
    columns = [builder.clean(name) for name in step.inputs]
    tests = [(index, builder.is_missing(column)) for index, column in enumerate(columns)]
    branches = [(t, builder.literal(float(index))) for index, t in tests if t is not None]
    largest = builder.define(builder.largest_of(columns), null=True, nan=False)
    for index, column in enumerate(columns[:-1]):
        equal = fill("{} = {}", ref(column.name), ref(largest.name), is_atom=False)
        branches.append((equal, builder.literal(float(index))))
    label = case(branches, builder.literal(float(len(columns) - 1)))
    if is_summed:
        _refuse_close(columns, largest, builder)
    number = builder.define(label, null=False, nan=False, whole=True, certain=is_summed)
    builder.put(step.outputs[0], number)


def _refuse_close(columns: list[Number], largest: Number, builder: Builder) -> None:
    """Refuse rows in which a second column is as large as the largest, but for its error."""
    close: list[Expression] = []
    one, zero, two = map(builder.literal, (1.0, 0.0, 2.0))
    for column in columns:
        error = _error_of(column, builder)
        gap = fill("{} - {}", ref(largest.name), ref(column.name), is_atom=False)
        is_close = fill("{} <= {}", gap, fill("{} * {}", two, error, is_atom=False), is_atom=False)
        is_open = fill("{} > {}", error, zero, is_atom=False)
        close.append(case([(both([is_close, is_open]), one)], zero))
    count = builder.define(chain("+", close), null=False, nan=False)
    is_tie = fill("{} > {}", ref(count.name), one, is_atom=False)
    builder.require(is_tie, _CLOSE, largest.name)


def _error_of(column: Number, builder: Builder) -> Expression:
    error = builder.errors.get(column.name)
    if error is None:
        builder.refuse(
            "it compares what other steps make of a sum over stored points, whose last digits "
            "engines differ in"
        )
    return error


_CLOSE = "two scores of a row differ by no more than the rounding of their sums; use the UDF"


def _emit_before_links(step: s.Argmax, builder: Builder) -> bool:
    """Decide between two functions of one column by that column."""
    first, second = (trace(name, builder.producers) for name in step.inputs)
    if first.base != second.base or not (first.has_link or second.has_link):
        return False
    boundary = boundary_of(lambda x: second.function(x) > first.function(x))
    if boundary is not None:
        is_summed = builder.is_summed(first.base)
        if is_summed:
            _refuse_around(first.base, boundary, builder)
        _put_flag(step, builder, first.base, boundary, certain=is_summed)
    return boundary is not None


def emit_exceeds(step: s.Exceeds, builder: Builder) -> None:
    """Compare with a threshold, or what a link reads with the threshold before it."""
    traced = trace(step.inputs[0], builder.producers)
    if builder.is_summed(step.inputs[0]):
        _emit_on_sum(step, traced, builder)
        return
    if traced.has_link:
        boundary = boundary_of(lambda x: traced.function(x) > step.threshold)
        if boundary is not None:
            _put_flag(step, builder, traced.base, boundary)
            return
    _put_flag(step, builder, step.inputs[0], Boundary(step.threshold, holds_below=False))


def _emit_on_sum(step: s.Exceeds, traced: Traced, builder: Builder) -> None:
    """Compare a sum over stored points, and refuse rows that its error could turn."""
    boundary = boundary_of(lambda x: traced.function(x) > step.threshold)
    if boundary is None:
        builder.refuse("no single number divides its sums")
    _refuse_around(traced.base, boundary, builder)
    _put_flag(step, builder, traced.base, boundary, certain=True)


def _refuse_around(name: str, boundary: Boundary, builder: Builder) -> None:
    column = builder.clean(name)
    # A limit of the smallest number is 0, but for the side on which 0 is.
    limit = boundary.limit if abs(boundary.limit) >= _SMALLEST_NORMAL else 0.0
    gap = fill("{} - {}", ref(column.name), builder.literal(limit), is_atom=False)
    error = _error_of(column, builder)
    within = [
        fill("{} <= {}", gap, error, is_atom=False),
        fill("{} >= -{}", gap, error, is_atom=False),
    ]
    builder.require(both(within), _CLOSE, column.name)


def _put_flag(
    step: s.Argmax | s.Exceeds,
    builder: Builder,
    name: str,
    boundary: Boundary,
    *,
    certain: bool = False,
) -> None:
    """Write 1 on that side of a boundary where it holds, and 0 for what is missing."""
    flag = case(_branches(builder, name, boundary), builder.literal(0.0))
    number = builder.define(flag, null=False, nan=False, whole=True, certain=certain)
    builder.put(step.outputs[0], number)


def _branches(
    builder: Builder, name: str, boundary: Boundary
) -> list[tuple[Expression, Expression]]:
    column = builder.clean(name)
    x, one = ref(column.name), builder.literal(1.0)
    written = builder.target.literal(boundary.limit)
    if written is None and not math.isinf(boundary.limit):
        builder.refuse(f"{builder.target.title} has no number {boundary.limit!r}")
    if written is None:
        # All that is there lies on one side of an infinity that no column can hold.
        holds = boundary.holds_below == (boundary.limit > 0)
        return [(fill("{} IS NOT NULL", x, is_atom=False), one)] if holds else []
    sign = "<=" if boundary.holds_below else ">"
    limit = builder.literal(boundary.limit)
    return [(fill("{} " + sign + " {}", x, limit, is_atom=False), one)]
