"""scikit-learn's FunctionTransformer: numpy's own functions, by name."""

from __future__ import annotations

import numbers
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import ColumnType
from ..ir import steps as s
from ..ir.steps import Operator
from .convert import add_link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .graph import Graph, Names

    Options = Mapping[str, Any]

FUNCTIONS: Mapping[Callable[..., Any], s.Function] = {
    np.abs: s.Function.ABSOLUTE,
    np.fabs: s.Function.ABSOLUTE,
    np.square: s.Function.SQUARE,
    np.sqrt: s.Function.SQRT,
    np.negative: s.Function.NEGATIVE,
    np.reciprocal: s.Function.RECIPROCAL,
    np.sign: s.Function.SIGN,
    np.floor: s.Function.FLOOR,
    np.ceil: s.Function.CEIL,
    np.rint: s.Function.RINT,
    np.trunc: s.Function.TRUNC,
    np.exp: s.Function.NUMPY_EXP,
    np.expm1: s.Function.NUMPY_EXPM1,
    np.exp2: s.Function.NUMPY_EXP2,
    np.log: s.Function.NUMPY_LOG,
    np.log1p: s.Function.NUMPY_LOG1P,
    np.log2: s.Function.NUMPY_LOG2,
    np.log10: s.Function.NUMPY_LOG10,
    np.cbrt: s.Function.NUMPY_CBRT,
    np.sin: s.Function.NUMPY_SIN,
    np.cos: s.Function.NUMPY_COS,
    np.tan: s.Function.NUMPY_TAN,
    np.arcsin: s.Function.NUMPY_ARCSIN,
    np.arccos: s.Function.NUMPY_ARCCOS,
    np.arctan: s.Function.NUMPY_ARCTAN,
    np.sinh: s.Function.NUMPY_SINH,
    np.cosh: s.Function.NUMPY_COSH,
    np.tanh: s.Function.NUMPY_TANH,
    np.arcsinh: s.Function.NUMPY_ARCSINH,
    np.arccosh: s.Function.NUMPY_ARCCOSH,
    np.arctanh: s.Function.NUMPY_ARCTANH,
    np.deg2rad: s.Function.NUMPY_DEG2RAD,
    np.radians: s.Function.NUMPY_DEG2RAD,
    np.rad2deg: s.Function.NUMPY_RAD2DEG,
    np.degrees: s.Function.NUMPY_RAD2DEG,
}
"""numpy's functions of one column. Its vectorised ones differ from the C library's."""

_WRAP_AROUND = (np.abs, np.around, np.negative, np.reciprocal, np.round, np.square)
"""Functions that keep integers, which overflow or are rounded where floats are not."""


def convert_function_transformer(transformer: Any, inputs: Names, graph: Graph) -> Names:
    """Apply one of numpy's functions; the identity is what ``remainder="passthrough"`` becomes."""
    if transformer.validate:
        graph.require_numbers(inputs)
        graph.require(inputs, missing=True, infinite=True)
    function, options = transformer.func, transformer.kw_args or {}
    if function is None:
        return inputs
    composed = _composed(function)
    named = None if composed else named_function(function, options, graph)
    graph.require_numbers(inputs)
    graph.require_dense(inputs)
    for name in inputs:
        _check_type(name, function, graph)
    if composed is not None:
        return composed(inputs, options, graph)
    return add_link(graph, inputs, named) if named is not None else inputs


def named_function(function: Any, options: Any, graph: Graph) -> s.Function:
    """Give the exact translation of a function, or refuse it."""
    found = FUNCTIONS.get(function) if isinstance(function, np.ufunc) else None
    if found is None or options:
        names = ", ".join(f"np.{known.__name__}" for known in FUNCTIONS)
        raise graph.refuse(
            f"function {function!r} has no exact translation",
            f"use one of {names} without options, np.clip or np.nan_to_num, or compute the column "
            "in the query or the training frame instead",
        )
    return found


def _composed(function: Any) -> Callable[[Names, Options, Graph], Names] | None:
    """Find what makes steps of a function with options; numpy's functions can be compared."""
    return next((make for known, make in _COMPOSED if function is known), None)


def _clip(inputs: Names, options: Options, graph: Graph) -> Names:
    """Bring values into a range of two numbers, either of which may be left out."""
    low, high = (
        default if (bound := options.get(old, options.get(new))) is None else bound
        for old, new, default in (("a_min", "min", -np.inf), ("a_max", "max", np.inf))
    )
    is_known = options.keys() <= {"a_min", "a_max", "min", "max"}
    are_numbers = isinstance(low, numbers.Real) and isinstance(high, numbers.Real)
    if not (is_known and are_numbers and float(low) <= float(high)):
        raise graph.refuse(
            f"np.clip with {dict(options)!r} has no exact translation",
            "give a_min and a_max, two numbers in this order",
        )
    bounds = float(low), float(high)
    return graph.columnwise(inputs, "clip", lambda read, made: s.Clip(read, made, *bounds))


def _nan_to_num(inputs: Names, options: Options, graph: Graph) -> Names:
    """Put numbers in place of NaN and of the infinities."""
    if not options.keys() <= {"nan", "posinf", "neginf"}:
        raise graph.refuse(
            f"np.nan_to_num with {dict(options)!r} has no exact translation",
            "use its options nan, posinf and neginf only",
        )
    columns = _filled(inputs, options.get("nan", 0.0), graph)
    largest = sys.float_info.max
    for infinity, name, default in (
        (np.inf, "posinf", largest),
        (-np.inf, "neginf", -largest),
    ):
        fill = options.get(name)
        columns = _without(columns, infinity, graph)
        columns = _filled(columns, default if fill is None else fill, graph)
    return columns


def _without(inputs: Names, infinity: float, graph: Graph) -> Names:
    return graph.columnwise(
        inputs, "null_if", lambda read, written: s.NullIf(read, written, infinity, infinity)
    )


def _filled(inputs: Names, fill: Any, graph: Graph) -> Names:
    fills = (float(fill),) * len(inputs)
    return graph.columnwise(inputs, "imputed", lambda read, written: s.Impute(read, written, fills))


def _round(inputs: Names, options: Options, graph: Graph) -> Names:
    """Round halves to even, after a shift by a power of ten."""
    decimals = options.get("decimals", 0)
    if not options.keys() <= {"decimals"} or not isinstance(decimals, int):
        raise graph.refuse(
            f"np.round with {dict(options)!r} has no exact translation",
            "use its option decimals only",
        )
    there, back = Operator.MULTIPLY, Operator.DIVIDE
    if decimals < 0:
        there, back = back, there
    shift = float(10 ** abs(decimals))
    columns = graph.arithmetic(inputs, there, shift) if decimals else inputs
    columns = add_link(graph, columns, s.Function.RINT)
    return graph.arithmetic(columns, back, shift) if decimals else columns


_COMPOSED: tuple[tuple[Any, Callable[[Names, Options, Graph], Names]], ...] = (
    (np.clip, _clip),
    (np.nan_to_num, _nan_to_num),
    (np.round, _round),
    (np.around, _round),
)


def _check_type(name: str, function: Any, graph: Graph) -> None:
    """Refuse columns that numpy computes in a narrower type than float64."""
    source = source_type(name, graph)
    if source is None or source is ColumnType.BOOLEAN:
        raise graph.refuse(
            f"numpy may compute np.{function.__name__} of column {name!r} in half precision, "
            "because it holds flags or codes",
            "leave the column out of this step; the function of two values adds nothing",
        )
    if source is ColumnType.BIGINT and any(function is known for known in _WRAP_AROUND):
        raise graph.refuse(
            f"np.{function.__name__} of integers (column {name!r}) is computed in integers",
            "turn the column into floats before training: df[c].astype(float)",
        )


def source_type(name: str, graph: Graph) -> ColumnType | None:
    """Give the type in which the library holds a column; None where that is not certain."""
    if name in graph.signature:
        return graph.signature[name].type
    step = next(step for step in graph.steps if name in s.outputs_of(step))
    match step:
        case s.Impute() | s.NullIf():
            return source_type(step.inputs[step.outputs.index(name)], graph)
        case s.Lookup() | s.OneHot() | s.IsMissing() | s.Exceeds() | s.Argmax():
            return None
        case _:
            return ColumnType.DOUBLE
