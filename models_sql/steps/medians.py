"""Weighted medians, by counting the weight up to each input: nothing is sorted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..expressions import both, case, either, fill, ref
from .stored_points import EPSILON

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...ir import steps as s
    from ..builder import Builder
    from ..expressions import Expression

_LETTERS = 50
"""How many a comparison of two inputs takes."""
_DIGITS = 53


def emit_weighted_median(step: s.WeightedMedian, builder: Builder) -> None:
    """Give the smallest input up to which the weights reach half of their sum.

    In which order they are added follows from a sort. Where that could decide whether the half is
    reached, the row is refused.
    """
    weights = step.weights.tolist()
    limits = builder.target.limits
    if len(weights) ** 2 * _LETTERS > limits.bytes or len(weights) > limits.columns // 2:
        builder.refuse(f"its {len(weights):,} inputs make too many comparisons for a statement")
    columns = [builder.clean(name) for name in step.inputs]
    refs = [ref(column.name) for column in columns]
    for test in filter(None, map(builder.is_missing, columns)):
        builder.require(test, "an input of its median is missing in a row", next(iter(test.refs())))
    total = math.fsum(weights)
    error = 0.0 if add_exactly(weights) else 4 * len(weights) * EPSILON * total
    half = builder.literal(0.5 * total)
    largest = builder.define(builder.largest_of(columns), null=False, nan=False)
    candidates: list[Expression] = []
    doubts: list[Expression] = []
    for x in refs:
        so_far = ref(builder.define(_up_to(x, refs, weights, builder), null=False, nan=False).name)
        is_reached = fill("{} >= {}", so_far, half, is_atom=False)
        chosen = case([(is_reached, x)], ref(largest.name))
        candidates.append(ref(builder.define(chosen, null=False, nan=False).name))
        if error:
            ends = [builder.literal(0.5 * total + each) for each in (-error, error)]
            low = fill("{} >= {}", so_far, ends[0], is_atom=False)
            doubts.append(both([low, fill("{} <= {}", so_far, ends[1], is_atom=False)]))
    if doubts:
        message = "half of the weights of a median is reached within rounding in a row; use the UDF"
        builder.require(either(doubts), message, largest.name)
    builder.put(step.outputs[0], builder.define(_least(candidates, builder), null=False, nan=False))


def add_exactly(weights: Sequence[float]) -> bool:
    """Whether every sum of some of the numbers is a float64, so that their order is all one."""
    there = [weight for weight in weights if weight]
    if not there:
        return True
    # A float64 is a whole number of its last place.
    unit = min(math.ulp(weight) * _trailing(weight) for weight in there)
    return sum(map(abs, there)) / unit < 2.0**_DIGITS


def _trailing(number: float) -> int:
    """Give the largest power of 2 that divides the digits of a number."""
    digits = int(abs(math.frexp(number)[0]) * 2**_DIGITS)
    return digits & -digits


def _up_to(
    x: Expression, refs: Sequence[Expression], weights: Sequence[float], builder: Builder
) -> Expression:
    zero = builder.literal(0.0)
    terms = [
        case([(fill("{} <= {}", other, x, is_atom=False), builder.literal(weight))], zero)
        for other, weight in zip(refs, weights, strict=True)
    ]
    return builder.sum_of(terms)


def _least(terms: Sequence[Expression], builder: Builder) -> Expression:
    if len(terms) == 1:
        return terms[0]
    places = ", ".join(["-{}"] * len(terms))
    greatest = fill(builder.target.greatest.replace("{}", places), *terms)
    return fill("-{}", greatest, is_atom=False)
