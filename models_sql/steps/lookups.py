"""Keys to numbers, codes to flags."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from ...ir import ColumnType
from ..columns import Indicator, Key
from ..expressions import both, case, fill, ref, text

if TYPE_CHECKING:
    from ...ir import Scalar
    from ...ir import steps as s
    from ..builder import Builder
    from ..columns import Number
    from ..expressions import Expression

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def key_literal(builder: Builder, column: Key, key: Scalar) -> Expression:
    """Write a key to compare a key column with."""
    target = builder.target
    match column.type:
        case ColumnType.VARCHAR:
            if "\0" in str(key):
                builder.refuse("a key holds the character NUL, which few engines read in SQL")
            return text(target.text_literal(str(key)))
        case ColumnType.BOOLEAN:
            return text(target.truths[bool(key)])
        case ColumnType.TIMESTAMP:
            try:
                moment = _EPOCH + timedelta(microseconds=int(key))
            except OverflowError:
                builder.refuse(f"a key is a time beyond the year 9999: {key} microseconds")
            written = moment.strftime("%H:%M:%S.%f")
            date = f"{moment.year:04}-{moment.month:02}-{moment.day:02}"
            return fill(str(target.time_literal), text(f"{date} {written}"))
        case _:
            return text(str(int(key)))


def emit_lookup(step: s.Lookup, builder: Builder) -> None:
    """Compare with one key after the other; what is no key is unknown, NULL is missing."""
    name = step.inputs[0]
    found = builder.column(name)
    column = found if isinstance(found, Key) else builder.exact(name)
    x = ref(column.name)
    missing = builder.is_missing(column)
    branches: list[tuple[Expression, Expression]] = []
    if missing is not None:
        _refuse_missing(step, builder, column, missing)
        branches.append((missing, _answer(builder, step.missing)))
    literals = [_key(builder, column, key) for key in step.keys]
    for literal, value in zip(literals, step.values.tolist(), strict=True):
        if literal is not None:
            equal = fill("{} = {}", x, literal, is_atom=False)
            branches.append((equal, builder.literal(value)))
    _refuse_unknown(step, builder, column, [each for each in literals if each is not None])
    answers = [*step.values.tolist()]
    answers += [] if step.unknown is None else [step.unknown]
    answers += [] if step.missing is None or missing is None else [step.missing]
    there = [value for value in answers if not math.isnan(value)]
    looked_up = case(branches, _answer(builder, step.unknown))
    whole = all(float(value).is_integer() for value in there)
    null = len(there) < len(answers) or step.unknown is None or step.missing is None
    builder.put(step.outputs[0], builder.define(looked_up, null=null, nan=False, whole=whole))


def _answer(builder: Builder, value: float | None) -> Expression:
    return text("NULL") if value is None else builder.literal(value)


def _key(builder: Builder, column: Key | Number, key: Scalar) -> Expression | None:
    """Write a key, or None where no row of this engine can hold it."""
    if isinstance(column, Key):
        return key_literal(builder, column, key)
    written = None if math.isnan(float(key)) else builder.target.literal(float(key))
    return None if written is None else text(written)


def _refuse_missing(
    step: s.Lookup, builder: Builder, column: Key | Number, missing: Expression
) -> None:
    if step.missing is None:
        source = builder.source_of(step.inputs[0])
        message = f"column {source!r} is NULL in a row, which {step.where} never saw in training"
        builder.require(missing, message, column.name)


def _refuse_unknown(
    step: s.Lookup, builder: Builder, column: Key | Number, literals: list[Expression]
) -> None:
    if step.unknown is not None:
        return
    source = builder.source_of(step.inputs[0])
    message = f"column {source!r} holds a value that {step.where} never saw in training"
    x = ref(column.name)
    # Engines differ in whether NULL is in no list, so that is asked first.
    unknown = fill("{} IS NOT NULL", x, is_atom=False)
    if literals:
        places = ", ".join("{}" for _ in literals)
        others = fill("{} NOT IN (" + places + ")", x, *literals, is_atom=False)
        unknown = both([unknown, others])
    builder.require(unknown, message, column.name)


def emit_one_hot(step: s.OneHot, builder: Builder) -> None:
    """Keep the code: most flags end in a weighted sum, which reads it directly."""
    code = builder.exact(step.inputs[0])
    for output, value in zip(step.outputs, step.codes.tolist(), strict=True):
        if math.isnan(value) or builder.target.literal(value) is None:
            flag = builder.define(builder.literal(0.0), null=False, nan=False, whole=True)
            builder.put(output, flag)
        else:
            builder.put(output, Indicator(code.name, value))


def emit_lookup_row(step: s.LookupRow, builder: Builder) -> None:
    """Give each row of keys a number once, then look every output up by it."""
    refs = [ref(builder.exact(name).name) for name in step.inputs]
    branches: list[tuple[Expression, Expression]] = []
    for index, row in enumerate(step.keys.tolist()):
        pairs = zip(refs, row, strict=True)
        equal = [fill("{} = {}", x, builder.literal(v), is_atom=False) for x, v in pairs]
        branches.append((both(equal), builder.literal(float(index))))
    code = builder.define(case(branches, None), null=True, nan=False, whole=True)
    for output, values, unknown in zip(
        step.outputs, step.values.T.tolist(), step.unknown.tolist(), strict=True
    ):
        found = [
            (
                fill("{} = {}", ref(code.name), builder.literal(float(index)), is_atom=False),
                builder.literal(value),
            )
            for index, value in enumerate(values)
        ]
        null = bool(np.isnan([*values, unknown]).any())
        answer = case(found, builder.literal(unknown))
        builder.put(output, builder.define(answer, null=null, nan=False))
