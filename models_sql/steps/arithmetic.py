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
    from ..columns import Number
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
        if step.operator is Operator.MODULO:
            builder.put(output, _remainder(builder.exact(name), operand, builder))
            continue
        column = builder.number(name)
        if operand == 1 and step.operator in _UNCHANGED_BY_ONE:
            builder.put(output, column)
            continue
        if step.operator is Operator.POWER:
            builder.put(output, _power(builder.cleaned(column), operand, builder))
            continue
        written = _operation(step.operator, ref(column.name), operand, builder)
        builder.put(output, builder.define(written, null=column.null, nan=True))


def _operation(operator: Operator, x: Expression, operand: float, builder: Builder) -> Expression:
    if math.isnan(operand):
        builder.refuse("an operand is NaN")
    if operator is Operator.DIVIDE and operand == 0:
        builder.refuse("it divides by zero")
    return fill(_TEMPLATES[operator], x, builder.literal(operand), is_atom=False)


def _remainder(column: Number, operand: float, builder: Builder) -> Number:
    """Write the remainder of a division, which is exact, with the sign of a positive divisor."""
    template = builder.target.remainder
    if template is None:
        builder.refuse(f"{builder.target.title} has no exact remainder of a division")
    if not 0 < operand < math.inf:
        builder.refuse(f"it gives the remainder of a division by {operand!r}")
    divisor, zero = builder.literal(operand), builder.literal(0.0)
    rest = builder.define(fill(template, ref(column.name), divisor), null=column.null, nan=True)
    x = ref(builder.cleaned(rest).name)
    branches = [
        (fill("{} < {}", x, zero, is_atom=False), fill("{} + {}", x, divisor, is_atom=False)),
        (fill("{} = {}", x, zero, is_atom=False), zero),
    ]
    return builder.define(case(branches, x), null=True, nan=False)


def _power(column: Number, operand: float, builder: Builder) -> Number:
    """Write a power by the engine's own; a square is within 1 ulp of the library's."""
    x, zero, one = ref(column.name), builder.literal(0.0), builder.literal(1.0)
    square = fill("{0} * {0}", x, is_atom=False)
    if operand == 2:  # noqa: PLR2004 - a square is a product
        return builder.define(square, null=column.null, nan=False, approximate=True)
    template = builder.target.power
    if template is None or not math.isfinite(operand):
        builder.refuse(f"{builder.target.title} has no power of {operand!r} that is certain")
    if operand < 0 and not builder.target.divides_by_zero:
        builder.refuse(f"{builder.target.title} gives no infinity where a row divides by zero")
    branches: list[tuple[Expression, Expression]] = []
    if operand < 0:
        divisor = x if operand % 2 == 1 else square
        branches.append(
            (fill("{} = {}", x, zero, is_atom=False), fill("{} / {}", one, divisor, is_atom=False))
        )
    if not operand.is_integer():
        branches += _below_zero(x, operand, builder)
    power = fill(template, x, builder.literal(operand))
    return builder.define(case(branches, power), null=True, nan=False, approximate=True)


def _below_zero(
    x: Expression, operand: float, builder: Builder
) -> list[tuple[Expression, Expression]]:
    """Write that a fractional power is missing there, but for that of minus infinity."""
    least = builder.target.literal(-math.inf)
    branches: list[tuple[Expression, Expression]] = []
    # numpy takes the root, where it is asked for the power of a half.
    if least is not None and operand != 0.5:  # noqa: PLR2004 - a half is a root
        end = builder.literal(math.inf if operand > 0 else 0.0)
        branches.append((fill("{} = {}", x, builder.literal(-math.inf), is_atom=False), end))
    below = fill("{} < {}", x, builder.literal(0.0), is_atom=False)
    return [*branches, (below, builder.literal(math.nan))]


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
