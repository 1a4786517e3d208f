"""Straight lines between points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..expressions import case, fill, ref

if TYPE_CHECKING:
    from ...ir import steps as s
    from ..builder import Builder
    from ..expressions import Expression


def emit_interpolate(step: s.Interpolate, builder: Builder) -> None:
    """Find the points on both sides by halving, then the line between them."""
    xs, ys = step.xs, step.ys
    output = step.outputs[0]
    if len(xs) == 1:
        level = builder.define(builder.literal(float(ys[0])), null=False, nan=False)
        builder.put(output, level)
        return
    column = builder.clean(step.inputs[0])
    x = ref(column.name)
    with np.errstate(all="ignore"):
        slopes = np.diff(ys) / np.diff(xs)
    lines = [builder.literal(float(ys[0]))]
    for slope, left, base in zip(slopes.tolist(), xs.tolist(), ys.tolist(), strict=False):
        if not np.isfinite(slope):
            # Points of the same place: the last of them starts the line that is read.
            lines.append(builder.literal(base))
            continue
        numbers = map(builder.literal, (slope, left, base))
        lines.append(fill("{1} * ({0} - {2}) + {3}", x, *numbers, is_atom=False))
    lines.append(builder.literal(float(ys[-1])))
    halved = _halved(x, xs.tolist(), lines, builder)
    known = case([(fill("{} IS NULL", x, is_atom=False), builder.literal(float("nan")))], halved)
    written = known if column.null else halved
    builder.put(output, builder.define(written, null=column.null, nan=True))


def _halved(
    x: Expression, edges: list[float], lines: list[Expression], builder: Builder
) -> Expression:
    """Choose among one more line than there are edges; an edge belongs to the line after it."""
    if not edges:
        return lines[0]
    middle = len(edges) // 2
    below = fill("{} < {}", x, builder.literal(edges[middle]), is_atom=False)
    left = _halved(x, edges[:middle], lines[: middle + 1], builder)
    right = _halved(x, edges[middle + 1 :], lines[middle + 1 :], builder)
    return case([(below, left)], right)
