"""Walks through arrays: the nodes are a constant, and a step down is a look-up by position."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ...ir.steps import Precision
from ..expressions import bare, case, fill, fill_named, ref, text
from .walk_codes import Codes

if TYPE_CHECKING:
    from ...ir.steps import Forest
    from ..builder import Builder
    from ..expressions import Expression
    from ..walks import ArrayWalk
    from .packing import Packed
    from .splits import Splits

_LONGEST = 2_000
"""Letters of a walk, beyond which it goes on from a column."""


def walk_arrays(
    step: Forest, packed: Packed, splits: Splits, builder: Builder, walk: ArrayWalk
) -> None:
    """Write a forest's outputs."""
    arrays = _tables(packed, builder, walk)
    codes = Codes(packed, splits, builder, walk.whole)
    _count(codes, arrays["thresholds"], walk)
    entries = codes.entries() or [fill(walk.whole, text("0"))]
    items = bare(fill(", ".join("{}" for _ in entries), *entries, is_atom=False))
    row = _column(fill_named(walk.array, items=items), builder)
    leaves = _leaves(packed, arrays, row, builder, walk)
    if len(step.outputs) > 1:
        leaves = _column(leaves, builder)
    ends = [*accumulate(packed.trees)]
    for index, output in enumerate(step.outputs):
        start, trees = builder.literal(float(step.start[index])), packed.trees[index]
        part = leaves
        if len(step.outputs) > 1:
            part = _part(leaves, ends[index] - trees + 1, trees, walk)
        total = _fold(part, start, step, builder, walk) if trees else start
        builder.put(output, builder.define(total, null=False, nan=False))


def _tables(packed: Packed, builder: Builder, walk: ArrayWalk) -> dict[str, Expression]:
    """Bring the arrays, as a table of one row."""
    thresholds = np.concatenate([*packed.thresholds.values(), np.zeros(0)])
    if walk.count_up_to is not None:
        # What lies above a threshold is not below the number that follows it.
        with np.errstate(over="ignore", under="ignore"):
            thresholds = np.nextafter(thresholds, np.inf)
    data = {
        "nodes": packed.records,
        "leaves": packed.leaves,
        "thresholds": thresholds,
        "roots": packed.records[: sum(packed.trees)],
    }
    columns = {name: pa.array([values]) for name, values in data.items()}
    table = builder.add_table("forest", pa.table(columns))
    arrays = {
        name: fill_named(walk.read, column=text(builder.target.quoted(name)), table=table)
        for name in columns
    }
    if not walk.is_carried:
        return arrays
    return {name: builder.carry(array) for name, array in arrays.items()}


def _count(codes: Codes, thresholds: Expression, walk: ArrayWalk) -> None:
    if walk.count_up_to is not None:
        codes.count_by_function(
            walk.count_up_to, lambda first, length: _part(thresholds, first, length, walk)
        )
    else:
        codes.count_by_halves(lambda index: fill_named(walk.element, array=thresholds, index=index))


def _leaves(
    packed: Packed,
    arrays: dict[str, Expression],
    row: Expression,
    builder: Builder,
    walk: ArrayWalk,
) -> Expression:
    """Write the values of the leaves that a row reaches, tree by tree."""
    record = text("r")
    limit = text(str((1 << packed.entry_bits) - 1))
    entry = fill_named(walk.element, array=row, index=fill_named(walk.entry, limit=limit))
    after = fill("{} - {}", record, entry, is_atom=False)
    bits = text(str(packed.code_bits + packed.entry_bits))
    position = fill_named(walk.position, record=after, bits=bits)
    onward = fill_named(walk.element, array=arrays["nodes"], index=position)
    number = fill_named(walk.number, record=record)
    leaf = fill_named(walk.element, array=arrays["leaves"], index=number)
    if walk.leaves is not None:
        return fill_named(walk.leaves, roots=arrays["roots"], step=onward, leaf=leaf)
    split = fill("{} > 0", record, is_atom=False)
    body = case([(split, onward)], record)
    records = arrays["roots"]
    for _ in range(packed.depth):
        records = fill_named(str(walk.map), array=records, body=body)
        is_deep = records.depth > builder.target.limits.depth // 2
        if records.size > _LONGEST or is_deep:
            records = _column(records, builder)
    return fill_named(str(walk.map), array=records, body=leaf)


def _fold(
    array: Expression, start: Expression, step: Forest, builder: Builder, walk: ArrayWalk
) -> Expression:
    """Add from the first tree to the last."""
    total, template = fill("{} + {}", text("a"), text("b"), is_atom=False), walk.fold
    float32 = builder.target.to_float32
    if step.precision is Precision.FLOAT32 and float32 is not None:
        start, total = fill(float32, start), fill(float32, bare(total))
        template = walk.float32_fold or walk.fold
    return fill_named(template, array=array, start=start, sum=bare(total))


def _part(array: Expression, first: int, length: int, walk: ArrayWalk) -> Expression:
    last = text(str(first + length - 1))
    begin, size = text(str(first)), text(str(length))
    return fill_named(walk.part, array=array, first=begin, last=last, length=size)


def _column(expression: Expression, builder: Builder) -> Expression:
    return ref(builder.define(expression, null=False, nan=False).name)
