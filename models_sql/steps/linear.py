"""Weighted sums, in the order of the inputs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..columns import Indicator
from ..expressions import case, fill, ref
from .functions import to_float32

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ...ir import steps as s
    from ..builder import Builder
    from ..expressions import Expression

    Numbers = NDArray[np.float64]


def emit_dot(step: s.Dot, builder: Builder) -> None:
    """Write one sum an output: products in the order of the inputs, the intercept last."""
    for index, output in enumerate(step.outputs):
        weights = step.weights[:, index]
        intercept = float(step.intercepts[index])
        if not np.isfinite([*weights, intercept]).all():
            builder.refuse("a weight is not finite")
        terms = list(_terms(step, weights, builder))
        null = any(is_null for _, is_null in terms)
        # A sum starts from 0: without it, minus zeros alone would keep their sign.
        total = builder.sum_of(
            [builder.literal(0.0), *(term for term, _ in terms), builder.literal(intercept)]
        )
        builder.put(output, builder.define(total, null=null, nan=True))


def _terms(step: s.Dot, weights: Numbers, builder: Builder) -> Iterator[tuple[Expression, bool]]:
    """Give each term, and whether it may be NULL; flags of one code are a single term."""
    index = 0
    while index < len(step.inputs):
        column = builder.column(step.inputs[index])
        if isinstance(column, Indicator):
            length, term = _flags(step, index, weights, builder)
            index += length
            yield term, False
            continue
        number = builder.number(step.inputs[index])
        weight = builder.literal(float(weights[index]))
        yield fill("{} * {}", ref(number.name), weight, is_atom=False), number.null
        index += 1


def _flags(step: s.Dot, start: int, weights: Numbers, builder: Builder) -> tuple[int, Expression]:
    """Add the weight of the one flag of a code that is 1: the zeros of the others change no bit."""
    first = builder.column(step.inputs[start])
    branches: list[tuple[Expression, Expression]] = []
    seen: set[float] = set()
    length = 0
    for name, weight in zip(step.inputs[start:], weights[start:].tolist(), strict=True):
        column = builder.column(name)
        if not isinstance(column, Indicator) or not isinstance(first, Indicator):
            break
        if column.of != first.of or column.code in seen:
            break
        seen.add(column.code)
        equal = fill("{} = {}", ref(column.of), builder.literal(column.code), is_atom=False)
        branches.append((equal, builder.literal(weight)))
        length += 1
    return length, case(branches, builder.literal(0.0))


def emit_float32_dot(step: s.Float32Dot, builder: Builder) -> None:
    """Write sums in float32, the intercept first, of the inputs that are not missing.

    A product of two float32 is exact in float64, so rounding it once is float32's own product.
    """
    columns = [builder.clean(name) for name in step.inputs]
    problem = builder.roundings_problem(len(columns))
    if problem is not None:
        builder.refuse(problem)
    for index, output in enumerate(step.outputs):
        weights = step.weights[:, index].astype(np.float32).astype(np.float64).tolist()
        start = float(np.float32(step.intercepts[index]))
        if not all(map(math.isfinite, [*weights, start])):
            builder.refuse("a weight is not finite")
        total = builder.literal(start)
        for column, weight in zip(columns, weights, strict=True):
            x = to_float32(ref(column.name), builder)
            product = to_float32(
                fill("{} * {}", x, builder.literal(weight), is_atom=False), builder
            )
            if column.null:
                product = fill("COALESCE({}, {})", product, builder.literal(0.0))
            total = to_float32(fill("{} + {}", total, product, is_atom=False), builder)
            # A column a term: nested casts would soon be too deep.
            total = ref(builder.define(total, null=False, nan=True).name)
        builder.put(output, builder.define(total, null=False, nan=True))
