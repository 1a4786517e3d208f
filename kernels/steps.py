"""Make each kind of step ready to run: what depends on the step alone is computed here, once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias, assert_never

import numpy as np

from ..errors import ScoringError
from ..ir import steps as s
from ..ir.steps import Function, Operator
from .columns import Keys, as_missing, as_numbers
from .forest import ForestKernel
from .libm import exp, log1p
from .linear import LinearKernel
from .lookup import LookupKernel, OneHotKernel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from .columns import Values

    Numbers: TypeAlias = NDArray[np.float64]
    Runner: TypeAlias = Callable[[Values], None]


def prepare_step(step: s.Step) -> Runner:  # noqa: PLR0911 - one return a step
    """Give a function that runs the step, reading from and writing to a batch's columns."""
    match step:
        case s.Require():
            return partial(_require, step)
        case s.Impute():
            return partial(_impute, step)
        case s.IsMissing():
            return partial(_is_missing, step)
        case s.Lookup():
            return LookupKernel(step).run
        case s.OneHot():
            return OneHotKernel(step).run
        case s.Dot():
            return LinearKernel(step).run
        case s.Forest():
            return ForestKernel(step).run
        case s.Softmax():
            return partial(_softmax, step)
        case s.Argmax():
            return partial(_argmax, step)
        case s.NullIf() | s.Arithmetic() | s.Clip() | s.Elementwise() | s.Exceeds():
            return partial(_column_by_column, step)
        case _:
            assert_never(step)


_FUNCTIONS: Mapping[Function, Callable[[Numbers], Numbers]] = {
    Function.SIGMOID: lambda x: 1.0 / (1.0 + exp(-x)),
    Function.EXP: exp,
    Function.SIGNED_SQUARE: lambda x: np.sign(x) * (x * x),
    Function.LOG1P_EXP: lambda x: log1p(exp(x)),
}

_OPERATORS: Mapping[Operator, Callable[[Numbers, float], Numbers]] = {
    Operator.ADD: lambda x, c: x + c,
    Operator.SUBTRACT: lambda x, c: x - c,
    Operator.SUBTRACT_FROM: lambda x, c: c - x,
    Operator.MULTIPLY: lambda x, c: x * c,
    Operator.DIVIDE: lambda x, c: x / c,
}


def _column_by_column(
    step: s.NullIf | s.Arithmetic | s.Clip | s.Elementwise | s.Exceeds, values: Values
) -> None:
    for index, (name, output) in enumerate(zip(step.inputs, step.outputs, strict=True)):
        x = values.numbers(name)
        match step:
            case s.NullIf():
                result = np.where((x >= step.low) & (x <= step.high), np.nan, x)
            case s.Arithmetic():
                result = _OPERATORS[step.operator](x, float(step.operands[index]))
            case s.Clip():
                result = np.clip(x, step.low, step.high)
            case s.Elementwise():
                result = _FUNCTIONS[step.function](x)
            case s.Exceeds():
                result = (x > step.threshold).astype(np.float64)
        values.put(output, result)


def _require(step: s.Require, values: Values) -> None:
    for name in step.inputs:
        column = values.get(name)
        if step.missing and as_missing(column).any():
            message = (
                f"Column {values.source(name)!r} is NULL in a row, and {step.where} accepts no "
                "missing values. Filter such rows, or put an imputer into the pipeline and publish "
                "it again."
            )
            raise ScoringError(message)
        if step.infinite and not isinstance(column, Keys) and np.isinf(as_numbers(column)).any():
            message = (
                f"Column {values.source(name)!r} is infinite in a row, and {step.where} accepts "
                "finite values only. Filter such rows, or replace the values in the query."
            )
            raise ScoringError(message)


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


def _argmax(step: s.Argmax, values: Values) -> None:
    matrix = np.stack([values.numbers(name) for name in step.inputs])
    values.put(step.outputs[0], np.argmax(matrix, axis=0).astype(np.float64))


def _softmax(step: s.Softmax, values: Values) -> None:
    """Exponentials over their sum, added in the order of the classes."""
    columns = [values.numbers(name) for name in step.inputs]
    largest = np.max(np.stack(columns), axis=0)
    powers = [exp(column - largest) for column in columns]
    total = np.zeros(values.rows)
    for power in powers:
        total += power
    for name, power in zip(step.outputs, powers, strict=True):
        values.put(name, power / total)
