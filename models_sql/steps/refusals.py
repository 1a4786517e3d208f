"""Rows that a model refuses end the query."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..columns import Key
from ..expressions import both, either, fill, ref

if TYPE_CHECKING:
    from ...ir import steps as s
    from ..builder import Builder
    from ..columns import Number
    from ..expressions import Expression


def emit_require(step: s.Require, builder: Builder) -> None:
    """Refuse missing, infinite and too large values, as the kernel does."""
    for name in step.inputs:
        found = builder.column(name)
        column = found if isinstance(found, Key) else builder.clean(name)
        source = builder.source_of(name)
        test = builder.is_missing(column)
        if step.missing and test is not None:
            message = f"column {source!r} is NULL in a row, and {step.where} accepts no missing one"
            builder.require(test, message, column.name)
        # Flags and codes are whole, and no infinity is.
        if isinstance(column, Key) or column.whole:
            continue
        test = _beyond(step, builder, column)
        if test is not None:
            message = f"column {source!r} is infinite or too large in a row for {step.where}"
            builder.require(test, message, column.name)


def emit_require_range(step: s.RequireRange, builder: Builder) -> None:
    """Refuse numbers outside of a range; missing ones are another question."""
    for name in step.inputs:
        column = builder.clean(name)
        x = ref(column.name)
        tests: list[Expression] = []
        if step.low > -math.inf:
            tests.append(fill("{} < {}", x, builder.literal(step.low), is_atom=False))
        if step.high < math.inf:
            tests.append(fill("{} > {}", x, builder.literal(step.high), is_atom=False))
        if tests:
            message = (
                f"column {builder.source_of(name)!r} is outside of {step.low!r} to {step.high!r} "
                f"in a row, and {step.where} accepts no such number"
            )
            builder.require(either(tests), message, column.name)


def _beyond(step: s.Require, builder: Builder, column: Number) -> Expression | None:
    """Test for what is too large; None where no row can have it."""
    target = builder.target
    has_infinity = target.infinity is not None
    x = ref(column.name)
    tests: list[Expression] = []
    if step.largest < math.inf:
        above = fill("{} > {}", x, builder.literal(step.largest), is_atom=False)
        below = fill("{} < {}", x, builder.literal(-step.largest), is_atom=False)
        if has_infinity and not step.infinite:
            limit, least = builder.literal(math.inf), builder.literal(-math.inf)
            is_less = fill("{} < {}", x, limit, is_atom=False)
            is_more = fill("{} > {}", x, least, is_atom=False)
            above, below = both([above, is_less]), both([below, is_more])
        tests = [above, below]
    elif step.infinite and has_infinity:
        for value in (math.inf, -math.inf):
            tests.append(fill("{} = {}", x, builder.literal(value), is_atom=False))
    return either(tests) if tests else None
