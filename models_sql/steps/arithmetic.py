"""Arithmetic between columns and constants. NULL and NaN both make a result missing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...ir.steps import Operator
from ..expressions import case, fill, ref, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...ir import steps as s
    from ..builder import Builder
    from ..expressions import Expression

_TEMPLATES: Mapping[Operator, str] = {
    Operator.ADD: "{0} + {1}",
    Operator.SUBTRACT: "{0} - {1}",
    Operator.SUBTRACT_FROM: "{1} - {0}",
    Operator.MULTIPLY: "{0} * {1}",
    Operator.DIVIDE: "{0} / {1}",
}


_UNCHANGED_BY_ONE = {Operator.MULTIPLY, Operator.DIVIDE, Operator.POWER}


def emit_arithmetic(step: s.Arithmetic, builder: Builder) -> None:
    """Apply one operation between each column and its operand."""
    operands = step.operands.tolist()
    for name, output, operand in zip(step.inputs, step.outputs, operands, strict=True):
        column = builder.number(name)
        if operand == 1 and step.operator in _UNCHANGED_BY_ONE:
            builder.put(output, column)
            continue
        written = _operation(step.operator, ref(column.name), operand, builder)
        is_power = step.operator is Operator.POWER
        number = builder.define(written, null=column.null, nan=True, approximate=is_power)
        builder.put(output, number)


def _operation(operator: Operator, x: Expression, operand: float, builder: Builder) -> Expression:
    if math.isnan(operand):
        builder.refuse("an operand is NaN")
    if operator is Operator.DIVIDE and operand == 0:
        builder.refuse("it divides by zero")
    if operator is Operator.POWER:
        return _power(x, operand, builder)
    template = _TEMPLATES.get(operator)
    if template is None:
        builder.refuse("engines differ in the remainder of a division")
    return fill(template, x, builder.literal(operand), is_atom=False)


def _power(x: Expression, operand: float, builder: Builder) -> Expression:
    """Write a square, which is within 1 ulp of the library's power."""
    if operand != 2:  # noqa: PLR2004 - a square is a product
        builder.refuse(f"engines differ in the last bits of a power of {operand!r}")
    return fill("{0} * {0}", x, is_atom=False)


def emit_null_if(step: s.NullIf, builder: Builder) -> None:
    """Make values in a range missing."""
    for name, output in zip(step.inputs, step.outputs, strict=True):
        column = builder.exact(name)
        x = ref(column.name)
        low, high = _bound(builder, step.low), _bound(builder, step.high)
        tests = [] if low is None else [fill("{} >= {}", x, low, is_atom=False)]
        tests += [] if high is None else [fill("{} <= {}", x, high, is_atom=False)]
        within = _all(tests) or fill("{} IS NOT NULL", x, is_atom=False)
        builder.put(
            output,
            builder.define(
                case([(within, text("NULL"))], x), null=True, nan=False, whole=column.whole
            ),
        )


def emit_clip(step: s.Clip, builder: Builder) -> None:
    """Bring values into a range; missing ones stay."""
    for name, output in zip(step.inputs, step.outputs, strict=True):
        column = builder.clean(name)
        x = ref(column.name)
        branches: list[tuple[Expression, Expression]] = []
        low, high = _bound(builder, step.low), _bound(builder, step.high)
        if low is not None:
            branches.append((fill("{} < {}", x, low, is_atom=False), low))
        if high is not None:
            branches.append((fill("{} > {}", x, high, is_atom=False), high))
        clipped = case(branches, x) if branches else x
        builder.put(output, builder.define(clipped, null=column.null, nan=False))


def _bound(builder: Builder, value: float) -> Expression | None:
    return None if math.isinf(value) else builder.literal(value)


def _all(tests: list[Expression]) -> Expression | None:
    if len(tests) < 2:  # noqa: PLR2004 - a test of one bound, or of none
        return tests[0] if tests else None
    return fill("{} AND {}", *tests, is_atom=False)


def emit_pairs(step: s.Product, builder: Builder) -> None:
    """Multiply columns in pairs."""
    count = len(step.outputs)
    triples = zip(step.inputs[:count], step.inputs[count:], step.outputs, strict=True)
    for left, right, output in triples:
        a, b = builder.number(left), builder.number(right)
        product = fill("{} * {}", ref(a.name), ref(b.name), is_atom=False)
        builder.put(output, builder.define(product, null=a.null or b.null, nan=True))


def emit_sum(step: s.Sum, builder: Builder) -> None:
    """Add columns in groups, from the first to the last."""
    width = len(step.outputs)
    for index, output in enumerate(step.outputs):
        columns = [builder.number(name) for name in step.inputs[index::width]]
        total = builder.sum_of(ref(column.name) for column in columns)
        null = any(column.null for column in columns)
        builder.put(output, builder.define(total, null=null, nan=True))
