"""scikit-learn's samplers of kernels: logarithms, projections and cosines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import ColumnType
from ..ir import steps as s
from ..ir.steps import Function, Operator
from .convert import add_link, require_fitted
from .sklearn_numpy import source_type

if TYPE_CHECKING:
    from .graph import Graph, Names

_INTEGERS = {ColumnType.BIGINT, ColumnType.BOOLEAN}
_INTERVALS = {1: 0.8, 2: 0.5, 3: 0.4}
"""The library's intervals by number of steps, where none is given."""


def convert_rbf_sampler(model: Any, inputs: Names, graph: Graph) -> Names:
    """Project, add the random offsets, and take scaled cosines."""
    return _cosines(model, _require_dense(inputs, graph), (2.0 / model.n_components) ** 0.5, graph)


def convert_skewed_chi2_sampler(model: Any, inputs: Names, graph: Graph) -> Names:
    """Project logarithms, add the random offsets, and take scaled cosines."""
    _require_dense(inputs, graph)
    lowest = float(np.nextafter(-float(model.skewedness), math.inf))
    _require_from(lowest, inputs, graph)
    columns = graph.arithmetic(inputs, Operator.ADD, model.skewedness)
    columns = add_link(graph, columns, Function.NUMPY_LOG)
    scale = float(np.sqrt(2.0) / np.sqrt(model.n_components))
    return _cosines(model, columns, scale, graph)


def _cosines(model: Any, columns: Names, scale: float, graph: Graph) -> Names:
    weights = np.ascontiguousarray(require_fitted(model, "random_weights_", graph), np.float64)
    offsets = np.array(model.random_offset_, np.float64)
    outputs = graph.numbered("projection", weights.shape[1])
    columns = graph.add(s.Dot(columns, outputs, weights, offsets))
    columns = add_link(graph, columns, Function.NUMPY_COS)
    return graph.arithmetic(columns, Operator.MULTIPLY, scale)


def convert_additive_chi2_sampler(model: Any, inputs: Names, graph: Graph) -> Names:
    """Scaled roots, then their products with cosines and sines of logarithms; 0 stays 0."""
    _require_dense(inputs, graph)
    if all(source_type(name, graph) in _INTEGERS for name in inputs):
        raise graph.refuse(
            "the library cuts its features of a frame of integers to integers",
            "turn a column into floats before training: df[c].astype(float)",
        )
    _require_from(0.0, inputs, graph)
    interval = model.sample_interval
    interval = _INTERVALS[model.sample_steps] if interval is None else interval
    x = graph.columnwise(inputs, "null_if", lambda read, made: s.NullIf(read, made, 0.0, 0.0))
    columns = add_link(graph, graph.arithmetic(x, Operator.MULTIPLY, interval), Function.SQRT)
    logarithms = add_link(graph, x, Function.NUMPY_LOG)
    logarithms = graph.arithmetic(logarithms, Operator.MULTIPLY, interval)
    doubled = graph.arithmetic(x, Operator.MULTIPLY, 2.0)
    doubled = graph.arithmetic(doubled, Operator.MULTIPLY, interval)
    for j in range(1, model.sample_steps):
        factors = graph.arithmetic(doubled, Operator.DIVIDE, np.cosh(np.pi * j * interval))
        factors = add_link(graph, factors, Function.SQRT)
        angles = graph.arithmetic(logarithms, Operator.MULTIPLY, j)
        for function in (Function.NUMPY_COS, Function.NUMPY_SIN):
            waves = add_link(graph, angles, function)
            columns += graph.add(s.Product(factors + waves, graph.fresh(waves, "product")))
    fills = (0.0,) * len(columns)
    return graph.columnwise(columns, "imputed", lambda read, made: s.Impute(read, made, fills))


def refuse_count_sketch(model: Any, inputs: Names, graph: Graph) -> Names:  # noqa: ARG001
    """Refuse products of Fourier transforms."""
    raise graph.refuse(
        "it multiplies Fourier transforms, whose rounding spreads from each value to all others",
        "use PolynomialFeatures or RBFSampler, or keep the model whole with opaque=True",
    )


def _require_from(lowest: float, inputs: Names, graph: Graph) -> None:
    where = graph.path.rsplit(".", 1)[-1]
    graph.add(s.RequireRange(inputs, where, lowest, math.inf))


def _require_dense(inputs: Names, graph: Graph) -> Names:
    graph.require_numbers(inputs)
    graph.require_dense(inputs)
    graph.require(inputs, missing=True, infinite=True)
    return inputs
