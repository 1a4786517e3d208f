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
    above = add_link(graph, _clip(x, 0.0, math.inf, graph), Function.NUMPY_LOG1P)
    rest = 2 - power
    if abs(power) >= _EPSILON:
        above = _expm1(above, float(power), float(power), graph)
    below = add_link(graph, _clip(x, -math.inf, 0.0, graph), Function.NEGATIVE)
    below = add_link(graph, below, Function.NUMPY_LOG1P)
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


def invert_power_transform(transformer: Any, columns: Names, graph: Graph) -> Names:
    """Scale back, and add the inverses of the positive and of the negative part.

    Source: ``PowerTransformer._yeo_johnson_inverse_transform``.
    """
    if transformer.method == "box-cox":
        raise graph.refuse(
            "the inverse of a Box-Cox transform has no exact translation",
            "fit with PowerTransformer(method='yeo-johnson')",
        )
    graph.require(columns, missing=False, infinite=True)
    if transformer.standardize:
        scaler = transformer._scaler  # noqa: SLF001 - no public equivalent
        columns = graph.arithmetic(columns, Operator.MULTIPLY, scaler.scale_)
        columns = graph.arithmetic(columns, Operator.ADD, scaler.mean_)
    made: list[str] = []
    for name, power in zip(columns, transformer.lambdas_, strict=True):
        rest = 2 - power
        above = _clip((name,), 0.0, math.inf, graph)
        below = _clip((name,), -math.inf, 0.0, graph)
        if abs(power) < _EPSILON:
            above = add_link(graph, above, Function.NUMPY_EXP)
        else:
            above = _root(above, float(power), float(1 / power), graph)
        if abs(rest) > _EPSILON:
            below = _root(below, -float(rest), float(1 / rest), graph)
        else:
            below = add_link(graph, below, Function.NEGATIVE)
            below = add_link(graph, below, Function.NUMPY_EXP)
        above = graph.arithmetic(above, Operator.SUBTRACT, 1.0)
        below = graph.arithmetic(below, Operator.SUBTRACT_FROM, 1.0)
        made += graph.add(s.Sum(above + below, graph.fresh((name,), "power")))
    return tuple(made)


def _root(x: Names, factor: float, power: float, graph: Graph) -> Names:
    x = graph.arithmetic(graph.arithmetic(x, Operator.MULTIPLY, factor), Operator.ADD, 1.0)
    return graph.arithmetic(x, Operator.POWER, power)


def _clip(x: Names, low: float, high: float, graph: Graph) -> Names:
    return graph.columnwise(x, "clip", lambda read, made: s.Clip(read, made, low, high))


def _expm1(logarithm: Names, power: float, divisor: float, graph: Graph) -> Names:
    exponent = graph.arithmetic(logarithm, Operator.MULTIPLY, power)
    return graph.arithmetic(
        add_link(graph, exponent, Function.NUMPY_EXPM1), Operator.DIVIDE, divisor
    )
