"""Steps that take each column by itself: comparisons, arithmetic and functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ..ir import steps as s
from ..ir.steps import Function, Operator
from . import float32
from .fmath import exp_of_rest
from .libm import exp, expm1, log, log1p
from .normal import ndtri

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from .columns import Values

    Numbers: TypeAlias = NDArray[np.float64]

FUNCTIONS: Mapping[Function, Callable[[Numbers], Numbers]] = {
    Function.SIGMOID: lambda x: 1.0 / (1.0 + exp(-x)),
    Function.EXP: exp,
    Function.EXPM1: expm1,
    Function.LOG: log,
    Function.SIGNED_SQUARE: lambda x: np.sign(x) * (x * x),
    Function.LOG1P_EXP: lambda x: log1p(exp(x)),
    Function.ABSOLUTE: np.abs,
    Function.SQUARE: np.square,
    Function.SQRT: np.sqrt,
    Function.NEGATIVE: np.negative,
    Function.RECIPROCAL: np.reciprocal,
    Function.SIGN: np.sign,
    Function.FLOOR: np.floor,
    Function.CEIL: np.ceil,
    Function.RINT: np.rint,
    Function.TRUNC: np.trunc,
    Function.NUMPY_EXP: np.exp,
    Function.NUMPY_EXPM1: np.expm1,
    Function.NUMPY_EXP2: np.exp2,
    Function.NUMPY_LOG: np.log,
    Function.NUMPY_LOG1P: np.log1p,
    Function.NUMPY_LOG2: np.log2,
    Function.NUMPY_LOG10: np.log10,
    Function.NUMPY_POWER_OF_TWO: lambda x: np.power(2.0, x),
    Function.SKLEARN_CONFIDENCE: lambda x: x / (3 * (np.abs(x) + 1)),
    Function.NUMPY_CBRT: np.cbrt,
    Function.NUMPY_SIN: np.sin,
    Function.NUMPY_COS: np.cos,
    Function.NUMPY_TAN: np.tan,
    Function.NUMPY_ARCSIN: np.arcsin,
    Function.NUMPY_ARCCOS: np.arccos,
    Function.NUMPY_ARCTAN: np.arctan,
    Function.NUMPY_SINH: np.sinh,
    Function.NUMPY_COSH: np.cosh,
    Function.NUMPY_TANH: np.tanh,
    Function.NUMPY_ARCSINH: np.arcsinh,
    Function.NUMPY_ARCCOSH: np.arccosh,
    Function.NUMPY_ARCTANH: np.arctanh,
    Function.NUMPY_DEG2RAD: np.deg2rad,
    Function.NUMPY_RAD2DEG: np.rad2deg,
    Function.SCIPY_NDTRI: ndtri,
    Function.FLOAT32: float32.round_to_float32,
    Function.FLOAT32_EXP: float32.exp,
    Function.FLOAT32_SIGMOID: float32.sigmoid,
    Function.FMATH_EXP: exp_of_rest,
}

OPERATORS: Mapping[Operator, Callable[[Numbers, float], Numbers]] = {
    Operator.ADD: lambda x, c: x + c,
    Operator.SUBTRACT: lambda x, c: x - c,
    Operator.SUBTRACT_FROM: lambda x, c: c - x,
    Operator.MULTIPLY: lambda x, c: x * c,
    Operator.DIVIDE: lambda x, c: x / c,
    Operator.MODULO: np.mod,
    Operator.POWER: np.power,
}


def column_by_column(
    step: s.NullIf | s.Arithmetic | s.Clip | s.Elementwise | s.Exceeds | s.Interpolate,
    values: Values,
) -> None:
    """Write one column for each input."""
    for index, (name, output) in enumerate(zip(step.inputs, step.outputs, strict=True)):
        x = values.numbers(name)
        match step:
            case s.NullIf():
                result = np.where((x >= step.low) & (x <= step.high), np.nan, x)
            case s.Arithmetic():
                result = OPERATORS[step.operator](x, float(step.operands[index]))
            case s.Clip():
                result = np.clip(x, step.low, step.high)
            case s.Elementwise():
                result = FUNCTIONS[step.function](x)
            case s.Interpolate():
                result = np.interp(x, step.xs, step.ys)
            case s.Exceeds():
                result = (x > step.threshold).astype(np.float64)
        values.put(output, result)
