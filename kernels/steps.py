"""Make each kind of step ready to run: what depends on the step alone is computed here, once."""

from __future__ import annotations

from functools import partial, reduce
from typing import TYPE_CHECKING, TypeAlias, assert_never

import numpy as np

from ..errors import ScoringError
from ..ir import steps as s
from ..ir.steps import Function, Norm, Operator, Precision
from . import float32
from .columns import Keys, as_missing, as_numbers
from .coupling import couple
from .fmath import exp_of_four, exp_of_rest
from .forest import ForestKernel
from .kernel_sum import KernelSumKernel
from .libm import exp, expm1, log, log1p
from .linear import Float32LinearKernel, LinearKernel
from .linear_forest import LinearForestKernel
from .lookup import LookupKernel, OneHotKernel
from .lookup_row import LookupRowKernel
from .median import WeightedMedianKernel
from .neighbours import NeighboursKernel
from .normal import ndtri
from .onnx import OnnxKernel
from .refusals import infinite_message, missing_message, range_message, size_message
from .skops import SkopsKernel
from .splines import run_splines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from .columns import Values

    Numbers: TypeAlias = NDArray[np.float64]
    Runner: TypeAlias = Callable[[Values], None]


def prepare_step(step: s.Step, threads: int = 1) -> Runner:  # noqa: C901, PLR0911, PLR0912 - one a step
    """Give a function that runs the step, reading from and writing to a batch's columns."""
    match step:
        case s.Require():
            return partial(_require, step)
        case s.RequireRange():
            return partial(_require_range, step)
        case s.Impute():
            return partial(_impute, step)
        case s.IsMissing():
            return partial(_is_missing, step)
        case s.Lookup():
            return LookupKernel(step).run
        case s.OneHot():
            return OneHotKernel(step).run
        case s.LookupRow():
            return LookupRowKernel(step).run
        case s.Dot():
            return LinearKernel(step).run
        case s.Float32Dot():
            return Float32LinearKernel(step).run
        case s.KernelSum():
            return KernelSumKernel(step).run
        case s.Neighbours():
            return NeighboursKernel(step).run
        case s.Couple():
            return partial(couple, step)
        case s.Product() | s.Coalesce():
            return partial(_pairs, step)
        case s.Sum():
            return partial(_sum, step)
        case s.WeightedMedian():
            return WeightedMedianKernel(step).run
        case s.Normalize():
            return partial(_normalize, step)
        case s.Forest():
            return ForestKernel(step, threads).run
        case s.LinearForest():
            return LinearForestKernel(step, threads).run
        case s.BSplines():
            return partial(run_splines, step)
        case s.Softmax():
            return partial(_softmax, step)
        case s.LogSoftmax():
            return partial(_log_softmax, step)
        case s.Argmax():
            return partial(_argmax, step)
        case s.Onnx() | s.Skops():
            return (OnnxKernel(step) if isinstance(step, s.Onnx) else SkopsKernel(step)).run
        case (
            s.NullIf() | s.Arithmetic() | s.Clip() | s.Elementwise() | s.Exceeds() | s.Interpolate()
        ):
            return partial(_column_by_column, step)
        case _:
            assert_never(step)


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


def _add(columns: Sequence[Numbers]) -> Numbers:
    """Add from the first to the last, one rounding each."""
    return reduce(np.add, columns)


_NORMS: Mapping[Norm, Callable[[Sequence[Numbers]], Numbers]] = {
    Norm.SUM: _add,
    Norm.SUM_UNLESS_ZERO: _add,
    Norm.SUM_OR_MISSING: _add,
    Norm.LARGEST: lambda columns: np.max(np.abs(np.stack(columns)), axis=0),
    Norm.ABSOLUTE_SUM: lambda columns: _add([np.abs(x) for x in columns]),
    Norm.EUCLIDEAN: lambda columns: np.sqrt(_add([x * x for x in columns])),
}


_SUMS = {Norm.SUM, Norm.SUM_UNLESS_ZERO, Norm.SUM_OR_MISSING}
_NO_NORM = 10 * float(np.finfo(np.float64).eps)


def _column_by_column(
    step: s.NullIf | s.Arithmetic | s.Clip | s.Elementwise | s.Exceeds | s.Interpolate,
    values: Values,
) -> None:
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


def _require(step: s.Require, values: Values) -> None:
    for name in step.inputs:
        column = values.get(name)
        if step.missing and as_missing(column).any():
            raise ScoringError(missing_message(step, values.source(name)))
        if step.infinite and not isinstance(column, Keys) and np.isinf(as_numbers(column)).any():
            raise ScoringError(infinite_message(step, values.source(name)))
        if step.largest < np.inf and not isinstance(column, Keys):
            _require_size(step, name, values)


def _require_size(step: s.Require, name: str, values: Values) -> None:
    """Refuse finite values that are too large; infinite ones are another question."""
    size = np.abs(values.numbers(name))
    too_large = (size > step.largest) & (size < np.inf)
    if too_large.any():
        source = values.source(name)
        value = values.quote(source, int(np.argmax(too_large)))
        raise ScoringError(size_message(step, source, value))


def _require_range(step: s.RequireRange, values: Values) -> None:
    """Refuse numbers outside of the range; missing ones are another question."""
    for name in step.inputs:
        x = values.numbers(name)
        outside = (x < step.low) | (x > step.high)
        if outside.any():
            source = values.source(name)
            value = values.quote(source, int(np.argmax(outside)))
            raise ScoringError(range_message(step, source, value))


def _impute(step: s.Impute, values: Values) -> None:
    for name, output, fill in zip(step.inputs, step.outputs, step.fills, strict=True):
        column = values.get(name)
        if isinstance(column, Keys) and not isinstance(fill, float):
            code = column.vocabulary.keys.index(fill)
            codes = np.where(column.codes == column.vocabulary.missing, code, column.codes)
            values.put(output, Keys(codes, column.vocabulary, column.name))
        else:
            x = values.numbers(name)
            values.put(output, np.where(np.isnan(x), float(fill), x))


def _is_missing(step: s.IsMissing, values: Values) -> None:
    for name, output in zip(step.inputs, step.outputs, strict=True):
        values.put(output, as_missing(values.get(name)).astype(np.float64))


def _pairs(step: s.Product | s.Coalesce, values: Values) -> None:
    lefts, rights = step.inputs[: len(step.outputs)], step.inputs[len(step.outputs) :]
    for left, right, output in zip(lefts, rights, step.outputs, strict=True):
        a, b = values.numbers(left), values.numbers(right)
        values.put(output, a * b if isinstance(step, s.Product) else np.where(np.isnan(a), b, a))


def _sum(step: s.Sum, values: Values) -> None:
    width = len(step.outputs)
    for index, output in enumerate(step.outputs):
        values.put(output, _add([values.numbers(name) for name in step.inputs[index::width]]))


def _normalize(step: s.Normalize, values: Values) -> None:
    columns = [values.numbers(name) for name in step.inputs]
    norm = _NORMS[step.norm](columns)
    is_zero = norm == 0 if step.norm in _SUMS else norm < _NO_NORM
    norm = np.where(is_zero, 1.0, norm)
    for name, column in zip(step.outputs, columns, strict=True):
        result = column / norm
        if step.norm is Norm.SUM:
            result = np.where(is_zero, 1.0 / len(columns), result)
        elif step.norm is Norm.SUM_OR_MISSING:
            result = np.where(is_zero, np.nan, result)
        values.put(name, result)


def _argmax(step: s.Argmax, values: Values) -> None:
    matrix = np.stack([values.numbers(name) for name in step.inputs])
    values.put(step.outputs[0], np.argmax(matrix, axis=0).astype(np.float64))


def _softmax(step: s.Softmax, values: Values) -> None:
    """Exponentials over their sum, added in the order of the classes."""
    columns = [values.numbers(name) for name in step.inputs]
    if step.precision is Precision.FLOAT32:
        for name, share in zip(step.outputs, float32.softmax(columns), strict=True):
            values.put(name, share)
        return
    largest = np.max(np.stack(columns), axis=0)
    if step.exponential is Function.FMATH_EXP:
        fours = len(columns) // 4 * 4
        functions = [exp_of_four] * fours + [exp_of_rest] * (len(columns) - fours)
    else:
        functions = [exp] * len(columns)
    powers = [power(column - largest) for power, column in zip(functions, columns, strict=True)]
    total = np.zeros(values.rows)
    for power in powers:
        total += power
    for name, power in zip(step.outputs, powers, strict=True):
        values.put(name, power / total)


def _log_softmax(step: s.LogSoftmax, values: Values) -> None:
    columns = [values.numbers(name) for name in step.inputs]
    largest = np.max(np.stack(columns), axis=0)
    shift = np.where(np.isfinite(largest), largest, 0.0)
    ties, rest = np.zeros(values.rows), np.zeros(values.rows)
    for column in columns:
        is_largest = column == largest
        ties += is_largest
        rest += np.where(is_largest, 0.0, np.exp(column - shift))
    total = (np.log1p(np.where(rest == 0, rest, rest / ties)) + np.log(ties)) + largest
    for name, column in zip(step.outputs, columns, strict=True):
        values.put(name, column - total)
