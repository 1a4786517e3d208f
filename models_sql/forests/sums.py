"""The sums of a forest: what its trees give, added in the library's order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...ir.steps import Precision
from ...ir.trees import LEAF
from ..expressions import Expression, bare, chain, fill, ref

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...ir.steps import Forest
    from ..builder import Builder

_LEVELS_A_CAST = 3
"""How much deeper a cast and a sum are than what is in them."""


def sum_problem(step: Forest, builder: Builder) -> str | None:
    """Refuse float32 where there is none, and sums that are never planned."""
    target = builder.target
    if step.precision is not Precision.FLOAT32:
        return None
    if target.to_float32 is not None:
        return builder.roundings_problem(int(np.bincount(step.trees.output).max(initial=0)))
    if builder.double_sums:
        return None
    return (
        f"its trees are added in float32, which {target.title} lacks; double_sums=True "
        "(the option --double-sums) adds them in double, and answers then agree to about "
        "1e-6 of their size"
    )


def check_leaves(step: Forest, builder: Builder) -> None:
    """Refuse leaves that cannot be added exactly."""
    leaves = step.trees.value[step.trees.feature == LEAF]
    if not (np.isfinite(leaves).all() and np.isfinite(step.start).all()):
        builder.refuse("a leaf is not finite")
    if step.precision is Precision.FLOAT32 and builder.target.to_float32 is not None:
        with np.errstate(over="ignore"):
            if (leaves.astype(np.float32) != leaves).any():
                builder.refuse("a leaf of its float32 sum is no float32")


def put_sums(step: Forest, builder: Builder, trees: Sequence[Expression]) -> None:
    """Write one sum an output, from what each tree gives."""
    is_float32 = step.precision is Precision.FLOAT32 and builder.target.to_float32 is not None
    for index, output in enumerate(step.outputs):
        start = builder.literal(float(step.start[index]))
        terms = [trees[tree] for tree in np.flatnonzero(step.trees.output == index).tolist()]
        given = [start, *terms]
        total = _float32_sum(given, builder) if is_float32 else builder.sum_of(given)
        builder.put(output, builder.define(total, null=False, nan=False))


def _float32_sum(terms: list[Expression], builder: Builder) -> Expression:
    """Round after every tree. What would be too deep goes on from a column."""
    template = str(builder.target.to_float32)
    limits = builder.target.limits
    deepest = max(term.depth for term in terms)
    at_once = max(min(limits.terms, limits.depth - deepest - 1) // _LEVELS_A_CAST, 1)
    total = fill(template, terms[0])
    for index, term in enumerate(terms[1:], start=1):
        total = fill(template, bare(chain("+", [total, term])))
        if index % at_once == 0:
            total = ref(builder.define(total, null=False, nan=False).name)
    return total
