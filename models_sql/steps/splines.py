"""B-splines by de Boor's recursion, operation by operation as the kernel does it: no function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..expressions import case, fill, ref, text

if TYPE_CHECKING:
    from ...ir import steps as s
    from ..builder import Builder
    from ..columns import Number
    from ..expressions import Expression


def emit_splines(step: s.BSplines, builder: Builder) -> None:
    """Write the splines that are not 0 in a number's interval, then spread them over all."""
    column = builder.exact(step.inputs[0])
    degree, knots = step.degree, step.knots.tolist()
    intervals = range(degree, len(knots) - degree - 1)
    around = {
        offset: _chosen(column, knots, intervals, offset, builder)
        for offset in range(1 - degree, degree + 1)
    }
    local = _de_boor(column, around, degree, builder)
    spread = [_sum_of(local[:own] + local[own + 1 :], column, builder) for own in range(degree + 1)]
    parts = [
        ref(_defined(fill("{} + {}", each, rest, is_atom=False), column, builder).name)
        for each, rest in zip(local, spread, strict=True)
    ]
    outside = _sum_of(local, column, builder)
    for index, output in enumerate(step.outputs):
        owns = [index - (interval - degree) for interval in intervals]
        values = [parts[own] if 0 <= own <= degree else outside for own in owns]
        written = _by_interval(column, knots, intervals, values, builder)
        missing = builder.is_missing(column)
        branches = [] if missing is None else [(missing, text("NULL"))]
        found = builder.define(case(branches, written), null=column.null, nan=True)
        builder.put(output, found)


def _chosen(
    column: Number, knots: list[float], intervals: range, offset: int, builder: Builder
) -> Expression:
    """Choose the knot that lies so many behind the beginning of a number's interval."""
    found = _by_interval(
        column, knots, intervals, [builder.literal(knots[i + offset]) for i in intervals], builder
    )
    return ref(builder.define(found, null=False, nan=False).name)


def _by_interval(
    column: Number,
    knots: list[float],
    intervals: range,
    values: list[Expression],
    builder: Builder,
) -> Expression:
    """Choose by the interval in which a number lies, halving; the outer ones go on for ever."""
    if len(set(map(str, values))) == 1:
        return values[0]
    middle = len(intervals) // 2
    below = fill(
        "{} < {}", ref(column.name), builder.literal(knots[intervals[middle]]), is_atom=False
    )
    left = _by_interval(column, knots, intervals[:middle], values[:middle], builder)
    right = _by_interval(column, knots, intervals[middle:], values[middle:], builder)
    return case([(below, left)], right)


def _de_boor(
    column: Number, around: dict[int, Expression], degree: int, builder: Builder
) -> list[Expression]:
    """Give the columns of the splines that are not 0 around a number."""
    x, zero = ref(column.name), builder.literal(0.0)
    now: list[Expression] = [builder.literal(1.0)]
    for size in range(1, degree + 1):
        before, now = now, [zero]
        for n in range(1, size + 1):
            upper, lower = around[n], around[n - size]
            is_gap = fill("{} > {}", upper, lower, is_atom=False)
            quotient = fill("{} / ({} - {})", before[n - 1], upper, lower, is_atom=False)
            weight = ref(_defined(case([(is_gap, quotient)], zero), column, builder).name)
            rising = fill("{} + {} * ({} - {})", now[n - 1], weight, upper, x, is_atom=False)
            falling = fill("{} * ({} - {})", weight, x, lower, is_atom=False)
            now[n - 1] = ref(_defined(case([(is_gap, rising)], now[n - 1]), column, builder).name)
            now.append(ref(_defined(case([(is_gap, falling)], zero), column, builder).name))
    return now


def _sum_of(local: list[Expression], column: Number, builder: Builder) -> Expression:
    """Write what is 0, or missing where one of several columns is infinite.

    The library multiplies by a matrix of zeros and ones, and 0 times infinity is NaN. A number less
    itself is 0, or NaN where it is infinite.
    """
    terms = [fill("({0} - {0})", each) for each in local if any(each.refs())]
    total = builder.sum_of([builder.literal(0.0), *terms])
    return ref(_defined(total, column, builder).name)


def _defined(written: Expression, column: Number, builder: Builder) -> Number:
    return builder.define(written, null=column.null, nan=True)
