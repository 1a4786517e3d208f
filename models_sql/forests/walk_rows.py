"""Walks through rows: one walk an output goes down all its trees, one after the other."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ..expressions import case, fill, fill_named, ref, text
from .walk_codes import Codes

if TYPE_CHECKING:
    from ...ir.steps import Forest
    from ..builder import Builder
    from ..expressions import Expression
    from ..walks import RowWalk
    from .packing import Packed
    from .splits import Splits


def walk_rows(
    step: Forest, packed: Packed, splits: Splits, builder: Builder, walk: RowWalk
) -> None:
    """Write a forest's outputs, in float64."""
    codes = Codes(packed, splits, builder, "{}")
    _count(codes, packed, builder, walk)
    entries = [ref(builder.define(e, null=False, nan=False).name) for e in codes.entries()]
    nodes = builder.add_table("nodes", _nodes(packed), key="id")
    limit = (1 << packed.entry_bits) - 1
    record = text("w.record")
    code = _chosen(entries, 1, fill(f"{{}} & {limit}", record, is_atom=False))
    position = fill_named(
        walk.position,
        record=fill("{} - {}", record, code, is_atom=False),
        bits=text(str(packed.code_bits + packed.entry_bits)),
    )
    ends = [*accumulate(packed.trees)]
    for index, output in enumerate(step.outputs):
        start, trees = builder.literal(float(step.start[index])), packed.trees[index]
        first = text(str(ends[index] - trees + 1))
        total = start
        if trees:
            total = fill_named(walk.sum, table=nodes, first=first, start=start, position=position)
        builder.put(output, builder.define(total, null=False, nan=False))


def _nodes(packed: Packed) -> pa.Table:
    """Lead from each leaf to the root of the next tree of the same output, 0 at the last."""
    ids = np.arange(1, len(packed.records) + 1)
    records = packed.records.copy()
    is_leaf = records < 0
    after = np.arange(2, sum(packed.trees) + 2)
    after[np.cumsum(packed.trees)[np.array(packed.trees) > 0] - 1] = 0
    records[is_leaf] = -after[packed.tree[is_leaf]]
    return pa.table({"id": ids, "record": records, "value": packed.values})


def _count(codes: Codes, packed: Packed, builder: Builder, walk: RowWalk) -> None:
    thresholds = np.concatenate([*packed.thresholds.values(), np.zeros(0)])
    if not len(thresholds):
        codes.count_by_halves(lambda index: index)
        return
    data = {"id": np.arange(1, len(thresholds) + 1), "value": thresholds}
    table = builder.add_table("thresholds", pa.table(data), key="id")
    codes.count_by_halves(
        lambda index: fill_named(walk.row, column=text("value"), table=table, index=index)
    )


def _chosen(entries: list[Expression], first: int, number: Expression) -> Expression:
    """Choose an entry by its number, by halves."""
    if len(entries) <= 1:
        return entries[0] if entries else text("0")
    half = len(entries) // 2
    below = fill(f"{{}} < {first + half}", number, is_atom=False)
    chosen = _chosen(entries[:half], first, number), _chosen(entries[half:], first + half, number)
    return case([(below, chosen[0])], chosen[1])
