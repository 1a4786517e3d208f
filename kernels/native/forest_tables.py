"""The forests of a program: the fields of the tables, in the order of C's structs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.steps import LinearForest, Precision
from ..coding import codings_of
from .choice import NANOSECONDS_A_SPLIT, NANOSECONDS_A_STEP, NANOSECONDS_A_TREE
from .forest import ARRAYS, NUMBERS
from .linear_tables import LINEAR_ARRAYS, build_linear_tables
from .tables import build_tables
from .walk import WALK_ARRAYS, walk_numbers
from .walk_tables import build_walk_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ...ir.steps import Forest
    from .tables import Tables
    from .walk_tables import WalkTables

_NEVER = 2**20


@dataclass(frozen=True, slots=True, eq=False)
class ForestTables:
    """A forest for a program: ``inputs`` says which inputs it reads.

    ``start`` is float64[outputs], what the trees are added to. ``integers`` and ``arrays`` are as
    operations.h says.
    """

    inputs: Sequence[int]
    start: NDArray[np.float64]
    integers: list[int]
    arrays: list[NDArray[Any]]


def forest_tables(step: Forest | LinearForest) -> ForestTables | None:
    """Build a forest's tables, or give None where none fit it."""
    trees, is_linear = step.trees, isinstance(step, LinearForest)
    is_single = not isinstance(step, LinearForest) and step.precision is Precision.FLOAT32
    codings = {} if is_linear else codings_of(trees)
    # Without a split there is nothing to blend.
    blend = build_tables(trees, codings, is_single=is_single) if codings else None
    walk = build_walk_tables(trees, share_twins=not is_linear)
    if blend is None and walk is None:
        return None
    outputs = len(step.outputs)
    integers = [_least_rows(blend, walk), int(blend is not None), int(walk is not None)]
    arrays: list[NDArray[Any]] = []
    inputs: set[int] = set()
    if blend is not None:
        integers += _blend_numbers(blend, outputs, is_single=is_single)
        arrays += [getattr(blend, name) for name in ARRAYS]
        inputs.update(blend.input.tolist())
    if walk is not None:
        integers += walk_numbers(walk, outputs, is_single=is_single)
        arrays += [getattr(walk, name) for name in WALK_ARRAYS]
        inputs.update(walk.feature["input"].tolist())
        linear = _linear_arrays(step, walk) if isinstance(step, LinearForest) else None
        arrays += linear or [np.zeros(0)] * (1 + len(LINEAR_ARRAYS))
        inputs.update(linear[-1].tolist() if linear else ())
    start = np.zeros(outputs) if isinstance(step, LinearForest) else step.start
    if is_single:
        with np.errstate(over="ignore"):
            start = start.astype(np.float32).astype(np.float64)
    return ForestTables(sorted(inputs), start, integers, arrays)


def _blend_numbers(tables: Tables, outputs: int, *, is_single: bool) -> list[int]:
    counts = {
        "features": len(tables.feature),
        "columns": tables.columns,
        "trees": len(tables.output),
        "outputs": outputs,
        "batches": tables.batches,
        "slots": tables.slots,
        "single": int(is_single),
    }
    return [counts[name] for name in NUMBERS]


def _linear_arrays(step: LinearForest, walk: WalkTables) -> list[NDArray[Any]]:
    linear = build_linear_tables(step, walk.leaf_nodes)
    return [np.array([linear.zero]), *(getattr(linear, name) for name in LINEAR_ARRAYS)]


def _least_rows(blend: Tables | None, walk: WalkTables | None) -> int:
    """From how many rows on a block is worth it; see ``least_rows`` of :mod:`.choice`."""
    if blend is None or walk is None:
        return 0 if walk is None else _NEVER
    steps = float((walk.tree["depth"] + np.log2(walk.tree["leaves"])).sum()) / 2
    # A program is the same wherever it is built: the times are those of the widest instructions.
    block = NANOSECONDS_A_SPLIT[-1] * len(blend.splits) + NANOSECONDS_A_TREE * len(blend.output)
    return min(int(block / (NANOSECONDS_A_STEP * max(steps, 1.0))), _NEVER)
