"""Shares of a row: softmax, and division by a norm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ir.steps import Function, Norm, Precision
from ..expressions import case, fill, ref, text
from .functions import exponential, float32_exponential, to_float32

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
    for column in columns:
        less = fill("{} - {}", ref(column.name), ref(largest.name), is_atom=False)
        if in_float32:
            less = to_float32(less, builder)
        powers.append(_power(builder.define(less, null=null, nan=True), builder, in_float32))
    total_of = builder.sum_of(ref(power.name) for power in powers)
    if in_float32:
        total_of = to_float32(total_of, builder)
    total = builder.define(total_of, null=null, nan=False)
    for power, output in zip(powers, step.outputs, strict=True):
        share = fill("{} / {}", ref(power.name), ref(total.name), is_atom=False)
        if in_float32:
            share = to_float32(share, builder)
        builder.put(output, builder.define(share, null=null, nan=False))


def _power(less: Number, builder: Builder, in_float32: bool) -> Number:
    if in_float32:
        return float32_exponential(builder.cleaned(less), builder)
    x = builder.cleaned(less)
    power = exponential(ref(x.name), builder)
    return builder.define(power, null=x.null, nan=False, approximate=True)


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
