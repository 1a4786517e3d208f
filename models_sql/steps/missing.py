"""Missing values: filled, flagged, or taken from another column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ir import ColumnType
from ..columns import Key
from ..expressions import case, fill, ref, text
from .lookups import key_literal

if TYPE_CHECKING:
    from ...ir import steps as s
    from ..builder import Builder


def emit_impute(step: s.Impute, builder: Builder) -> None:
    """Fill each column; a key with a key, a number with a number."""
    for name, output, filler in zip(step.inputs, step.outputs, step.fills, strict=True):
        found = builder.column(name)
        if isinstance(found, Key) and not isinstance(filler, float):
            filled = fill("COALESCE({}, {})", ref(found.name), key_literal(builder, found, filler))
            builder.put(output, builder.define_key(filled, found, null=False))
            continue
        column = builder.clean(name)
        value = float(filler)
        if not column.null or value != value:  # noqa: PLR0124 - NaN fills nothing
            builder.put(output, column)
            continue
        filled = fill("COALESCE({}, {})", ref(column.name), builder.literal(value))
        whole = column.whole and value.is_integer()
        builder.put(output, builder.define(filled, null=False, nan=False, whole=whole))


def emit_is_missing(step: s.IsMissing, builder: Builder) -> None:
    """Write 1 where a column is missing."""
    for name, output in zip(step.inputs, step.outputs, strict=True):
        found = builder.column(name)
        is_key = isinstance(found, Key) and found.type is not ColumnType.DOUBLE
        column = found if isinstance(found, Key) and is_key else builder.clean(name)
        test = builder.is_missing(column)
        branches = [] if test is None else [(test, builder.literal(1.0))]
        flag = case(branches, builder.literal(0.0))
        builder.put(output, builder.define(flag, null=False, nan=False, whole=True))


def emit_coalesce(step: s.Coalesce, builder: Builder) -> None:
    """Take the first of two numbers that is there."""
    count = len(step.outputs)
    triples = zip(step.inputs[:count], step.inputs[count:], step.outputs, strict=True)
    for first, second, output in triples:
        a, b = builder.clean(first), builder.clean(second)
        both = fill("COALESCE({}, {})", ref(a.name), ref(b.name)) if a.null else ref(a.name)
        null, whole = a.null and b.null, a.whole and b.whole
        builder.put(output, builder.define(both, null=null, nan=False, whole=whole))


NULL = text("NULL")
