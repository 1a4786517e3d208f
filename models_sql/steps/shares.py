"""Shares of a row: softmax, and division by a norm."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...ir.steps import Function, Norm, Precision
from ..expressions import case, fill, ref, text
from .exponentials import FMATH_LEAST, exponential, fmath_power, write_log1p
from .functions import float32_exponential, to_float32

if TYPE_CHECKING:
    from ...ir import steps as s
    from ..builder import Builder
    from ..columns import Number
    from ..expressions import Expression

_NO_NORM = 10 * 2.0**-52
"""A norm below this is taken as 1, as scikit-learn does."""


def emit_softmax(step: s.Softmax, builder: Builder) -> None:
    """Write exponentials over their sum, added in the order of the classes."""
    columns = [builder.clean(name) for name in step.inputs]
    null = any(column.null for column in columns)
    largest = builder.define(builder.largest_of(columns), null=null, nan=False)
    in_float32 = step.precision is Precision.FLOAT32
    powers: list[Number] = []
    fours = len(columns) // 4 * 4
    for index, column in enumerate(columns):
        less = fill("{} - {}", ref(column.name), ref(largest.name), is_atom=False)
        if in_float32:
            less = to_float32(less, builder)
        x = builder.cleaned(builder.define(less, null=null, nan=True))
        if in_float32:
            powers.append(float32_exponential(x, builder))
            continue
        if step.exponential is Function.FMATH_EXP:
            power = _fmath(x, index < fours, builder)
        else:
            power = exponential(ref(x.name), builder)
        powers.append(builder.define(power, null=x.null, nan=False, approximate=True))
    total_of = builder.sum_of(ref(power.name) for power in powers)
    if in_float32:
        total_of = to_float32(total_of, builder)
    total = builder.define(total_of, null=null, nan=False)
    for power, output in zip(powers, step.outputs, strict=True):
        share = fill("{} / {}", ref(power.name), ref(total.name), is_atom=False)
        if in_float32:
            share = to_float32(share, builder)
        builder.put(output, builder.define(share, null=null, nan=False))


def _fmath(x: Number, is_of_four: bool, builder: Builder) -> Expression:
    """Write fmath's exponential; for less than the smallest normal number it is that, or 0."""
    least = builder.literal(FMATH_LEAST)
    below = fill("{} <= {}", ref(x.name), least, is_atom=False)
    inside = builder.define(case([(below, least)], ref(x.name)), null=x.null, nan=False)
    ends = builder.literal(2.0**-1022 if is_of_four else 0.0)
    return case([(below, ends)], fmath_power(inside, builder))


def emit_log_softmax(step: s.LogSoftmax, builder: Builder) -> None:
    """Write the inputs, less the logarithm of the sum of their exponentials, as the kernel adds it.

    Inputs that are equal to the largest are counted; the others' exponentials follow in order.
    """
    columns = [builder.clean(name) for name in step.inputs]
    null = any(column.null for column in columns)
    largest = builder.define(builder.largest_of(columns), null=null, nan=False)
    top, zero, one = ref(largest.name), builder.literal(0.0), builder.literal(1.0)
    counted: list[Expression] = []
    powers: list[Expression] = []
    for column in columns:
        x = ref(column.name)
        less = builder.define(fill("{} - {}", x, top, is_atom=False), null=null, nan=True)
        is_top = fill("{} = {}", x, top, is_atom=False)
        power = case([(is_top, zero)], exponential(ref(less.name), builder))
        powers.append(ref(builder.define(power, null=null, nan=False, approximate=True).name))
        counted.append(case([(is_top, one)], zero))
    ties = ref(builder.define(builder.sum_of(counted), null=null, nan=False).name)
    rest = ref(builder.define(builder.sum_of(powers), null=null, nan=False).name)
    share = fill("{} / {}", rest, ties, is_atom=False)
    others = write_log1p(builder.define(share, null=null, nan=False), builder)
    logarithm = builder.function(Function.LOG, ties)
    sum_of_all = fill("({} + {}) + {}", ref(others.name), logarithm, top, is_atom=False)
    total = builder.define(_finite(top, sum_of_all, top, builder), null=null, nan=False)
    for column, output in zip(columns, step.outputs, strict=True):
        written = fill("{} - {}", ref(column.name), ref(total.name), is_atom=False)
        builder.put(output, builder.define(written, null=null, nan=True, approximate=True))


def _finite(x: Expression, then: Expression, other: Expression, builder: Builder) -> Expression:
    """Choose by whether a number is finite, where a column can hold infinity at all."""
    if builder.target.infinity is None:
        return then
    ends = (builder.literal(-math.inf), builder.literal(math.inf))
    return case([(fill("{0} > {1} AND {0} < {2}", x, *ends, is_atom=False), then)], other)


def emit_normalize(step: s.Normalize, builder: Builder) -> None:
    """Divide by a norm of the row, whose terms are added in the order of the inputs."""
    columns = [builder.clean(name) for name in step.inputs]
    null = any(column.null for column in columns)
    norm = builder.cleaned(builder.define(_norm(step, columns, builder), null=null, nan=True))
    is_sum = step.norm in {Norm.SUM, Norm.SUM_UNLESS_ZERO, Norm.SUM_OR_MISSING}
    test = "{} = {}" if is_sum else "{} < {}"
    limit = builder.literal(0.0 if is_sum else _NO_NORM)
    is_zero = fill(test, ref(norm.name), limit, is_atom=False)
    for column, output in zip(columns, step.outputs, strict=True):
        x = ref(column.name)
        instead = {
            Norm.SUM: builder.literal(1.0 / len(columns)),
            Norm.SUM_OR_MISSING: text("NULL"),
        }.get(step.norm, x)
        share = case([(is_zero, instead)], fill("{} / {}", x, ref(norm.name), is_atom=False))
        can_miss = null or step.norm is Norm.SUM_OR_MISSING
        builder.put(output, builder.define(share, null=can_miss, nan=True))


def _norm(step: s.Normalize, columns: list[Number], builder: Builder) -> Expression:
    zero = builder.literal(0.0)
    refs = [ref(column.name) for column in columns]
    match step.norm:
        case Norm.SUM | Norm.SUM_UNLESS_ZERO | Norm.SUM_OR_MISSING:
            return builder.sum_of(refs)
        case Norm.EUCLIDEAN:
            squares = builder.sum_of(fill("{0} * {0}", x, is_atom=False) for x in refs)
            total = builder.cleaned(builder.define(squares, null=True, nan=True))
            return builder.function(Function.SQRT, ref(total.name))
        case Norm.LARGEST | Norm.ABSOLUTE_SUM:
            sizes = [
                builder.define(
                    case(
                        [(fill("{} < {}", x, zero, is_atom=False), fill("-{}", x, is_atom=False))],
                        x,
                    ),
                    null=column.null,
                    nan=False,
                )
                for x, column in zip(refs, columns, strict=True)
            ]
            if step.norm is Norm.LARGEST:
                return builder.largest_of(sizes)
            return builder.sum_of(ref(size.name) for size in sizes)
