"""scikit-learn's QuantileTransformer: interpolation between quantiles, from both sides."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import steps as s
from ..ir.steps import Function, Operator
from .convert import add_link, require_fitted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .graph import Graph, Names

    Range = tuple[float, float]

_BOUND = 1e-7
"""Values this close to an end are put on it. Source: ``BOUNDS_THRESHOLD``."""


def convert_quantile_transformer(transformer: Any, inputs: Names, graph: Graph) -> Names:
    """Average two interpolations, as repeated quantiles need; for a normal, take its quantiles."""
    quantiles = np.asarray(require_fitted(transformer, "quantiles_", graph), np.float64)
    references = np.asarray(transformer.references_, np.float64)
    if len(references) == 1:
        raise graph.refuse(
            "a single quantile gives every number the same place", "fit with n_quantiles=2 or more"
        )
    if not np.isfinite(quantiles).all():
        raise graph.refuse(
            "a column had no value in training", "leave the column out, or impute it before"
        )
    graph.require_numbers(inputs)
    graph.require_dense(inputs)
    graph.require(inputs, missing=False, infinite=True)
    is_normal = transformer.output_distribution == "normal"
    outputs: list[str] = []
    for name, points in zip(inputs, quantiles.T, strict=True):
        ends = _near_ends(points) if is_normal else _repeated_ends(points)
        outputs += _uniform((name,), points, references, ends, graph)
    return _normal(tuple(outputs), graph) if is_normal else tuple(outputs)


def invert_quantile_transform(transformer: Any, columns: Names, graph: Graph) -> Names:
    """Interpolate from the references back to the quantiles."""
    if transformer.output_distribution == "normal":
        raise graph.refuse(
            "the distribution function of the normal has no exact translation",
            "fit with QuantileTransformer(output_distribution='uniform')",
        )
    graph.require(columns, missing=False, infinite=True)
    references = np.asarray(transformer.references_, np.float64)
    made: list[str] = []
    for name, points in zip(columns, transformer.quantiles_.T, strict=True):
        made += _interpolate((name,), references, np.asarray(points, np.float64), graph)
    return tuple(made)


def _uniform(
    x: Names,
    points: NDArray[np.float64],
    references: NDArray[np.float64],
    ends: tuple[Range, Range] | None,
    graph: Graph,
) -> Names:
    inside = x
    for low, high in ends or ():
        inside = _without(inside, low, high, graph)
    forwards = _interpolate(inside, points, references, graph)
    negative = add_link(graph, inside, Function.NEGATIVE)
    backwards = _interpolate(negative, -points[::-1], -references[::-1], graph)
    backwards = add_link(graph, backwards, Function.NEGATIVE)
    total = graph.add(s.Sum(forwards + backwards, graph.fresh(x, "sum")))
    mean = graph.arithmetic(total, Operator.MULTIPLY, 0.5)
    if ends is None:
        return mean
    # Where the mean is missing and the number is not, it lies on one of the ends.
    first, last = ends[0][1], max(ends[1][0], float(np.nextafter(ends[0][1], math.inf)))
    edge = _interpolate(x, np.array([first, last]), np.array([0.0, 1.0]), graph)
    return graph.add(s.Coalesce(mean + edge, graph.fresh(x, "quantile")))


def _normal(columns: Names, graph: Graph) -> Names:
    """Give the quantiles of a normal, clipped where scikit-learn does."""
    from scipy.stats import norm

    low = float(norm.ppf(_BOUND - np.spacing(1)))
    high = float(norm.ppf(1 - (_BOUND - np.spacing(1))))
    columns = add_link(graph, columns, Function.SCIPY_NDTRI)
    return graph.columnwise(columns, "clip", lambda read, made: s.Clip(read, made, low, high))


def _repeated_ends(points: NDArray[np.float64]) -> tuple[Range, Range] | None:
    """Give the ends, where one repeats: there the mean of both interpolations is not 0 or 1."""
    if not (points[:2] == points[0]).all() and not (points[-2:] == points[-1]).all():
        return None
    low, high = float(points[0]), float(points[-1])
    return (low, low), (high, high)


def _near_ends(points: NDArray[np.float64]) -> tuple[Range, Range]:
    """Give the ranges of numbers ``x`` with ``x - 1e-7 < first`` and ``x + 1e-7 > last``."""
    first, last = float(points[0]), float(points[-1])
    low, high = first + _BOUND, last - _BOUND
    while low - _BOUND >= first:
        low = float(np.nextafter(low, -math.inf))
    while (above := float(np.nextafter(low, math.inf))) - _BOUND < first:
        low = above
    while high + _BOUND <= last:
        high = float(np.nextafter(high, math.inf))
    while (below := float(np.nextafter(high, -math.inf))) + _BOUND > last:
        high = below
    return (-math.inf, low), (high, math.inf)


def _interpolate(x: Names, xs: NDArray[np.float64], ys: NDArray[np.float64], graph: Graph) -> Names:
    (output,) = graph.fresh(x, "interpolated")
    return graph.add(s.Interpolate((x[0],), (output,), xs.copy(), ys.copy()))


def _without(x: Names, low: float, high: float, graph: Graph) -> Names:
    return graph.columnwise(x, "null_if", lambda read, made: s.NullIf(read, made, low, high))
