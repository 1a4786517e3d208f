"""scikit-learn's SplineTransformer: the B-splines of each column, and how they go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import steps as s
from ..ir.steps import Operator
from .convert import require_fitted

if TYPE_CHECKING:
    from .graph import Graph, Names


def convert_spline_transformer(transformer: Any, inputs: Names, graph: Graph) -> Names:
    """Give the B-splines of each column by scipy's recursion, beyond the ends as it was fitted."""
    fitted = require_fitted(transformer, "bsplines_", graph)
    way = transformer.extrapolation
    if transformer.degree == 0:
        raise graph.refuse("degree=0 makes steps of it", "fit a KBinsDiscretizer instead")
    if transformer.degree > _HIGHEST:
        raise graph.refuse(
            f"degree={transformer.degree} loses its digits to rounding",
            f"fit with a degree of at most {_HIGHEST}",
        )
    zeros = getattr(transformer, "handle_missing", "error") == "zeros"
    graph.require_numbers(inputs)
    graph.require_dense(inputs)
    graph.require(inputs, missing=not zeros, infinite=not zeros or way not in {"constant", "error"})
    outputs: list[str] = []
    degree = transformer.degree
    for name, spline in zip(inputs, fitted, strict=True):
        x = _filled((name,), float(spline.t[degree]), graph) if zeros else (name,)
        columns = _MAKERS[way](x, spline, degree, graph)
        if way == "linear":
            # The library raises its own variable, and keeps it for the columns that follow.
            degree = max(degree, _LEAST_LINEAR)
        if zeros:
            columns = _zero_where_missing(name, columns, graph)
        outputs += columns if transformer.include_bias else columns[:-1]
    if transformer.sparse_output:
        graph.sparse.update(outputs)
    return tuple(outputs)


def _filled(x: Names, fill: float, graph: Graph) -> Names:
    return graph.columnwise(x, "imputed", lambda read, made: s.Impute(read, made, (fill,)))


def _zero_where_missing(name: str, columns: Names, graph: Graph) -> Names:
    flags = graph.columnwise((name,), "is_missing", s.IsMissing)
    ones = graph.columnwise(flags, "null_if", lambda read, made: s.NullIf(read, made, 0.0, 0.0))
    zeros = graph.arithmetic(ones, Operator.SUBTRACT, 1.0)
    read = zeros * len(columns) + columns
    return graph.add(s.Coalesce(read, graph.fresh(columns, "present")))


_HIGHEST = 20
_LEAST_LINEAR = 2


def _as_they_are(x: Names, spline: Any, degree: int, graph: Graph) -> Names:  # noqa: ARG001
    return _splines(x, spline, graph)


def _refused(x: Names, spline: Any, degree: int, graph: Graph) -> Names:
    low, high = _ends(spline, degree)
    where = graph.path.rsplit(".", 1)[-1]
    graph.add(s.RequireRange(x, where, low, high))
    return _splines(x, spline, graph)


def _constant(x: Names, spline: Any, degree: int, graph: Graph) -> Names:
    low, high = _ends(spline, degree)
    return _splines(_clip(x, low, high, graph), spline, graph)


def _linear(x: Names, spline: Any, degree: int, graph: Graph) -> Names:
    """Add the way beyond an end, times the slope there; within the ends it is 0."""
    low, high = _ends(spline, degree)
    if low > high:
        raise graph.refuse(
            "the library continues splines of degree=1 and two knots wrongly",
            "fit with three knots or more, or with extrapolation='constant'",
        )
    columns = list(_constant(x, spline, degree, graph))
    ends = range(max(degree, _LEAST_LINEAR))
    below = graph.arithmetic(_clip(x, -np.inf, low, graph), Operator.SUBTRACT, low)
    above = graph.arithmetic(_clip(x, high, np.inf, graph), Operator.SUBTRACT, high)
    for way, end, chosen in (
        (below, low, list(ends)),
        (above, high, [len(columns) - 1 - j for j in ends]),
    ):
        slopes = spline(end, nu=1)[chosen]
        gains = graph.arithmetic(way * len(chosen), Operator.MULTIPLY, slopes)
        read = tuple(columns[index] for index in chosen)
        made = graph.add(s.Sum(read + gains, graph.fresh(read, "linear")))
        for index, name in zip(chosen, made, strict=True):
            columns[index] = name
    return tuple(columns)


def _periodic(x: Names, spline: Any, degree: int, graph: Graph) -> Names:
    """Bring the column into one period; the last splines are the first ones, come round."""
    low, high = spline.t[degree], spline.t[len(spline.t) - degree - 1]
    if high - low > 0:
        x = graph.arithmetic(x, Operator.SUBTRACT, low)
        x = graph.arithmetic(x, Operator.MODULO, high - low)
        x = graph.arithmetic(x, Operator.ADD, low)
    else:
        x = _clip(x, 0.0, 0.0, graph)
    columns = _splines(x, spline, graph)
    first, last = columns[:degree], columns[-degree:]
    joined = graph.add(s.Sum(first + last, graph.fresh(first, "periodic")))
    return joined + columns[degree:-degree]


_MAKERS = {
    "constant": _constant,
    "continue": _as_they_are,
    "error": _refused,
    "linear": _linear,
    "periodic": _periodic,
}


def _splines(x: Names, spline: Any, graph: Graph) -> Names:
    knots = np.array(spline.t, np.float64)
    outputs = graph.numbered("spline", len(knots) - spline.k - 1)
    return graph.add(s.BSplines((x[0],), outputs, knots))


def _ends(spline: Any, degree: int) -> tuple[float, float]:
    return float(spline.t[degree]), float(spline.t[-degree - 1])


def _clip(x: Names, low: float, high: float, graph: Graph) -> Names:
    return graph.columnwise(x, "clip", lambda read, made: s.Clip(read, made, low, high))
