"""scikit-learn's PowerTransformer: steps for the two families of power transforms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import steps as s
from ..ir.steps import Function, Operator
from .convert import add_link, require_fitted

if TYPE_CHECKING:
    from .graph import Graph, Names

_EPSILON = float(np.finfo(np.float64).eps)
_SMALLEST = 5e-324
_NO_POWER = 1e-19
"""Below this scipy's ``boxcox`` takes the power for 0."""
_LARGEST_EXPONENT = 709.78
"""From here on scipy's ``boxcox`` divides in the exponent."""


def convert_power_transformer(transformer: Any, inputs: Names, graph: Graph) -> Names:
    """Raise each column to its fitted power as numpy or scipy does, then scale."""
    powers = require_fitted(transformer, "lambdas_", graph)
    graph.require_numbers(inputs)
    graph.require_dense(inputs)
    graph.require(inputs, missing=False, infinite=True)
    if transformer.method == "box-cox":
        where = graph.path.rsplit(".", 1)[-1]
        graph.add(s.RequireRange(inputs, where, _SMALLEST, math.inf))
    raised = _box_cox if transformer.method == "box-cox" else _yeo_johnson
    columns: list[str] = []
    for name, power in zip(inputs, powers, strict=True):
        columns += raised((name,), power, graph)
    outputs = tuple(columns)
    if transformer.standardize:
        scaler = transformer._scaler  # noqa: SLF001 - no public equivalent
        graph.require(outputs, missing=False, infinite=True)
        outputs = graph.arithmetic(outputs, Operator.SUBTRACT, scaler.mean_)
        outputs = graph.arithmetic(outputs, Operator.DIVIDE, scaler.scale_)
    return outputs


def _yeo_johnson(x: Names, power: np.floating[Any], graph: Graph) -> Names:
    """Add the transforms of the positive and of the negative part, of which one is 0.

    The power is a float32 where the training values were, and so is what is subtracted from it.
    Source: ``scipy.stats._morestats._yeojohnson_transform``.
    """
    above = graph.columnwise(x, "above", lambda read, made: s.Clip(read, made, 0.0, math.inf))
    below = graph.columnwise(x, "below", lambda read, made: s.Clip(read, made, -math.inf, 0.0))
    above = add_link(graph, above, Function.NUMPY_LOG1P)
    rest = 2 - power
    if abs(power) >= _EPSILON:
        above = _expm1(above, float(power), float(power), graph)
    below = add_link(graph, add_link(graph, below, Function.NEGATIVE), Function.NUMPY_LOG1P)
    if abs(rest) > _EPSILON:
        below = _expm1(below, float(rest), -float(rest), graph)
    else:
        below = add_link(graph, below, Function.NEGATIVE)
    return graph.add(s.Sum(above + below, graph.fresh(x, "power")))


def _box_cox(x: Names, fitted: np.floating[Any], graph: Graph) -> Names:
    """Follow the three branches of ``scipy.special.boxcox``, which calls the C library."""
    power = float(fitted)
    logarithm = add_link(graph, x, Function.LOG)
    if abs(power) < _NO_POWER:
        return logarithm
    exponent = graph.arithmetic(logarithm, Operator.MULTIPLY, power)
    small = graph.columnwise(
        exponent, "small", lambda read, made: s.NullIf(read, made, _LARGEST_EXPONENT, math.inf)
    )
    small = add_link(graph, small, Function.EXPM1)
    small = graph.arithmetic(small, Operator.DIVIDE, power)
    large = graph.arithmetic(exponent, Operator.SUBTRACT, math.log(abs(power)))
    large = add_link(graph, large, Function.EXP)
    large = graph.arithmetic(large, Operator.MULTIPLY, math.copysign(1.0, power))
    large = graph.arithmetic(large, Operator.SUBTRACT, 1 / power)
    return graph.add(s.Coalesce(small + large, graph.fresh(x, "power")))


def _expm1(logarithm: Names, power: float, divisor: float, graph: Graph) -> Names:
    exponent = graph.arithmetic(logarithm, Operator.MULTIPLY, power)
    return graph.arithmetic(
        add_link(graph, exponent, Function.NUMPY_EXPM1), Operator.DIVIDE, divisor
    )
