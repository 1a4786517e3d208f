"""Labels: which input is the largest, or whether one is above a threshold."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..expressions import case, fill, ref
from ..links import Boundary, boundary_of, trace

if TYPE_CHECKING:
    from ...ir import steps as s
    from ..builder import Builder
    from ..expressions import Expression

_TWO = 2


def emit_argmax(step: s.Argmax, builder: Builder) -> None:
    """Find the first of the largest inputs; a missing one counts as the largest."""
    if len(step.inputs) == _TWO and _emit_before_links(step, builder):
        return
    columns = [builder.clean(name) for name in step.inputs]
    tests = [(index, builder.is_missing(column)) for index, column in enumerate(columns)]
    branches = [(t, builder.literal(float(index))) for index, t in tests if t is not None]
    largest = builder.define(builder.largest_of(columns), null=True, nan=False)
    for index, column in enumerate(columns[:-1]):
        equal = fill("{} = {}", ref(column.name), ref(largest.name), is_atom=False)
        branches.append((equal, builder.literal(float(index))))
    label = case(branches, builder.literal(float(len(columns) - 1)))
    number = builder.define(label, null=False, nan=False, whole=True)
    builder.put(step.outputs[0], number)


def _emit_before_links(step: s.Argmax, builder: Builder) -> bool:
    """Decide between two functions of one column by that column."""
    first, second = (trace(name, builder.producers) for name in step.inputs)
    if first.base != second.base or not (first.has_link or second.has_link):
        return False
    boundary = boundary_of(lambda x: second.function(x) > first.function(x))
    if boundary is not None:
        _put_flag(step, builder, first.base, boundary)
    return boundary is not None


def emit_exceeds(step: s.Exceeds, builder: Builder) -> None:
    """Compare with a threshold, or what a link reads with the threshold before it."""
    traced = trace(step.inputs[0], builder.producers)
    if traced.has_link:
        boundary = boundary_of(lambda x: traced.function(x) > step.threshold)
        if boundary is not None:
            _put_flag(step, builder, traced.base, boundary)
            return
    _put_flag(step, builder, step.inputs[0], Boundary(step.threshold, holds_below=False))


def _put_flag(step: s.Argmax | s.Exceeds, builder: Builder, name: str, boundary: Boundary) -> None:
    """Write 1 on that side of a boundary where it holds, and 0 for what is missing."""
    flag = case(_branches(builder, name, boundary), builder.literal(0.0))
    number = builder.define(flag, null=False, nan=False, whole=True)
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
