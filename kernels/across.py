"""Steps that combine the columns of a row: sums, norms, softmax."""

from __future__ import annotations

from functools import partial, reduce
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ..ir import steps as s
from ..ir.steps import Function, Norm, Precision
from . import float32
from .fmath import exp_of_four, exp_of_rest
from .libm import exp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from .columns import Values

    Numbers: TypeAlias = NDArray[np.float64]
    Across: TypeAlias = (
        s.Product | s.Coalesce | s.Sum | s.Normalize | s.Softmax | s.LogSoftmax | s.Argmax
    )


def prepare_across(step: Across) -> Callable[[Values], None]:
    """Give a function that runs the step."""
    match step:
        case s.Product() | s.Coalesce():
            return partial(_pairs, step)
        case s.Sum():
            return partial(_sum, step)
        case s.Normalize():
            return partial(_normalize, step)
        case s.Softmax():
            return partial(_softmax, step)
        case s.LogSoftmax():
            return partial(_log_softmax, step)
        case s.Argmax():
            return partial(_argmax, step)


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
