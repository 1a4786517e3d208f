"""How far the columns of a model may be from the library's, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ..ir import steps as s
from ..ir.steps import Operator
from ..kernels.elementwise import FUNCTIONS, OPERATORS
from ..kernels.splines import spline_columns
from .kernel_rounding import kernel_sum_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ..ir import Model
    from ..kernels.columns import Values

    Numbers: TypeAlias = NDArray[np.float64]
    Errors: TypeAlias = dict[str, Numbers]
    """The absolute error of columns that derive from a sum, float64[rows]."""

DOT_ROUNDING = 16 * float(np.finfo(np.float64).eps)
"""The error of a dot product, relative to its largest partial sum."""


OPAQUE_ROUNDING = 2.0**-40
"""How far a scikit-learn estimator's own answers for one row, alone and in a batch, may be apart,
relative to the largest of them: a BLAS multiplies one row in another order."""
_VOTES = 8
"""The roundings of a sum of votes that are not whole numbers, in last digits."""
_COUPLING = 8
"""How far a coupled probability moves with those of the pairs, together."""
_COUPLING_ROUNDING = 64 * float(np.finfo(np.float64).eps)


def has_sums(model: Model) -> bool:
    """Whether a model adds what its library may add in another order."""
    return any(map(s.adds_in_any_order, model.steps))


def carry_errors(  # noqa: C901, PLR0912 - one branch a step
    step: s.Step, values: Values, errors: Errors
) -> None:
    """Add the errors of a step's outputs; columns that are the library's bit for bit have none."""
    match step:
        case s.Dot():
            errors.update(dict.fromkeys(step.outputs, _of_dot(step, values, errors)))
        case s.KernelSum():
            errors.update(kernel_sum_errors(step, values, errors))
        case s.Neighbours():
            if step.weighting is s.Weighting.DISTANCE and not step.mean:
                for name in step.outputs:
                    errors[name] = _VOTES * _spacing(values, name)
        case s.Couple():
            found = [errors[name] for name in step.inputs if name in errors]
            error = _COUPLING * sum(found, np.zeros(values.rows)) + _COUPLING_ROUNDING
            errors.update(dict.fromkeys(step.outputs, error))
        case s.Onnx() | s.Skops():
            errors.update(dict.fromkeys(step.outputs, _of_whole(step, values)))
        case s.Product():
            half = len(step.outputs)
            triples = zip(step.inputs[:half], step.inputs[half:], step.outputs, strict=True)
            for left, right, output in triples:
                if left in errors or right in errors:
                    errors[output] = _of_product(left, right, values, errors)
        case s.Sum() | s.Coalesce():
            for index, output in enumerate(step.outputs):
                group = step.inputs[index :: len(step.outputs)]
                if any(name in errors for name in group):
                    errors[output] = _of_group(step, group, values, errors)
        case s.WeightedMedian():
            found = [errors[name] for name in step.inputs if name in errors]
            if found:
                # It moves by no more than that input which moves the most.
                errors[step.outputs[0]] = np.max(found, axis=0)
        case s.Softmax() | s.LogSoftmax() | s.Normalize():
            found = [errors[name] for name in step.inputs if name in errors]
            if found or s.adds_in_any_order(step):
                _of_row(step, sum(found, np.zeros(values.rows)), values, errors)
        case s.BSplines():
            if step.inputs[0] in errors:
                _of_splines(step, values, errors)
        case (
            s.NullIf() | s.Impute() | s.Arithmetic() | s.Clip() | s.Elementwise() | s.Interpolate()
        ):
            for index, name in enumerate(step.inputs):
                if name in errors:
                    output = step.outputs[index]
                    errors[output] = _of_column(step, index, values, errors[name])
        case _:
            return


def hangs_on_rounding(
    step: s.Argmax | s.Exceeds, values: Values, errors: Errors
) -> NDArray[np.bool_]:
    """Say where the errors of what a comparison reads could turn it: bool[rows]."""
    if isinstance(step, s.Exceeds):
        gap = np.abs(values.numbers(step.inputs[0]) - step.threshold)
        return ~(gap > errors.get(step.inputs[0], -1.0))
    columns = np.stack([values.numbers(name) for name in step.inputs])
    sizes = np.stack([errors.get(name, np.zeros(values.rows)) for name in step.inputs])
    first = np.argmax(columns, axis=0)[None, :]
    lowest = np.take_along_axis(columns - sizes, first, axis=0)
    others = columns + sizes
    np.put_along_axis(others, first, -np.inf, axis=0)
    # What is not a number is not below.
    return np.count_nonzero(others < lowest, axis=0) < len(step.inputs)


def _of_dot(step: s.Dot, values: Values, errors: Errors) -> Numbers:
    size = np.max(np.abs(step.intercepts), initial=0.0) + np.zeros(values.rows)
    carried = np.zeros(values.rows)
    for name, weights in zip(step.inputs, step.weights, strict=True):
        largest = np.max(np.abs(weights), initial=0.0)
        size += np.abs(values.numbers(name)) * largest
        if name in errors:
            carried += errors[name] * largest
    # A sum that overflowed before may be NaN here, and is no more certain for that.
    return np.where(np.isinf(carried), np.inf, size * DOT_ROUNDING + carried)


def _of_whole(step: s.Whole, values: Values) -> Numbers:
    """Of what is asked in blocks: an estimator is held against its answers for a whole batch."""
    rounding = DOT_ROUNDING if isinstance(step, s.Onnx) else OPAQUE_ROUNDING
    sizes = np.abs([values.numbers(name) for name in step.outputs])
    largest: Numbers = np.nan_to_num(sizes, posinf=0.0).max(axis=0)
    return np.maximum(largest, 1.0) * rounding


def _of_product(left: str, right: str, values: Values, errors: Errors) -> Numbers:
    a, b = np.abs(values.numbers(left)), np.abs(values.numbers(right))
    of_a, of_b = errors.get(left, np.zeros(len(a))), errors.get(right, np.zeros(len(b)))
    return a * of_b + b * of_a + of_a * of_b + np.spacing(a * b)


def _of_group(
    step: s.Sum | s.Coalesce, group: tuple[str, ...], values: Values, errors: Errors
) -> Numbers:
    found = [errors.get(name, np.zeros(values.rows)) for name in group]
    columns = [values.numbers(name) for name in group]
    if isinstance(step, s.Coalesce):
        return np.where(np.isnan(columns[0]), found[1], found[0])
    size = np.sum(np.abs(columns), axis=0)
    roundings: Numbers = np.nan_to_num(np.spacing(size), nan=0.0, posinf=0.0) * (len(group) - 1)
    return np.sum(found, axis=0) + roundings


def _of_splines(step: s.BSplines, values: Values, errors: Errors) -> None:
    x, error = values.numbers(step.inputs[0]), errors[step.inputs[0]]
    here = spline_columns(step, x)
    ends = [np.abs(spline_columns(step, end) - here) for end in (x - error, x + error)]
    # A spline is a sum of products, each of which is rounded.
    moved = np.maximum(*ends) + DOT_ROUNDING * np.abs(here)
    moved = np.where(np.isnan(moved), np.inf, moved)
    errors.update(zip(step.outputs, moved, strict=True))


def _of_row(
    step: s.Softmax | s.LogSoftmax | s.Normalize, total: Numbers, values: Values, errors: Errors
) -> None:
    """Errors of a row's inputs sum to ``total``; a softmax makes them no larger."""
    if isinstance(step, s.Softmax):
        errors.update(dict.fromkeys(step.outputs, total))
        return
    columns = np.abs([values.numbers(name) for name in step.inputs])
    if isinstance(step, s.LogSoftmax):
        # The logarithm of the sum moves no further than the input that moves most.
        largest = np.max(columns, axis=0, initial=0.0, where=np.isfinite(columns))
        error = 2 * total + DOT_ROUNDING * largest
        errors.update(dict.fromkeys(step.outputs, error))
        return
    sums = {s.Norm.SUM, s.Norm.SUM_UNLESS_ZERO, s.Norm.SUM_OR_MISSING}
    norm = np.sum(columns, axis=0) if step.norm in sums else np.max(columns, axis=0)
    # A share is at most 1, and so is its error, but where a sum overflows.
    error: Numbers = np.where(np.isinf(total), np.inf, np.fmin(2 * total / norm, 1.0))
    for name in step.outputs:
        errors[name] = error
        if s.adds_in_any_order(step):
            own = DOT_ROUNDING * np.abs(values.numbers(name))
            errors[name] = error + np.nan_to_num(own, nan=np.inf)


def _of_column(
    step: s.NullIf | s.Impute | s.Arithmetic | s.Clip | s.Elementwise | s.Interpolate,
    index: int,
    values: Values,
    error: Numbers,
) -> Numbers:
    match step:
        case s.Arithmetic() if step.operator is not Operator.POWER:
            operand = abs(float(step.operands[index]))
            factor = {Operator.MULTIPLY: operand, Operator.DIVIDE: 1 / operand if operand else 1.0}
            return error * factor.get(step.operator, 1.0) + _spacing(values, step.outputs[index])
        case s.Arithmetic() | s.Elementwise() | s.Interpolate():
            function = _function(step, index)
            x = values.numbers(step.inputs[index])
            here = values.numbers(step.outputs[index])
            low = np.maximum(x - error, 0.0) if _is_root(step) else x - error
            ends = [np.abs(function(end) - here) for end in (low, x + error)]
            moved = np.maximum(*ends)
            if function in _PERIODIC:
                # They rise by no more than their argument, and turn between the ends.
                moved = np.maximum(moved, np.minimum(error, 2.0))
            # Beyond the largest number, or outside of a function's domain, nothing is certain.
            moved = np.where(np.isnan(moved), np.inf, moved)
            return moved + _spacing(values, step.outputs[index])
        case _:
            return error


def _is_root(step: s.Arithmetic | s.Elementwise | s.Interpolate) -> bool:
    """Whether a step takes square roots: libraries bring a negative number to 0 before."""
    return isinstance(step, s.Elementwise) and step.function is s.Function.SQRT


_PERIODIC = (np.sin, np.cos)


def _function(
    step: s.Arithmetic | s.Elementwise | s.Interpolate, index: int
) -> Callable[[Numbers], Numbers]:
    match step:
        case s.Arithmetic():
            return lambda x: OPERATORS[step.operator](x, float(step.operands[index]))
        case s.Elementwise():
            return FUNCTIONS[step.function]
        case s.Interpolate():
            return lambda x: np.interp(x, step.xs, step.ys)


def _spacing(values: Values, name: str) -> Numbers:
    """One rounding of a column's values; none where they are not finite."""
    return np.nan_to_num(np.spacing(np.abs(values.numbers(name))), nan=0.0, posinf=0.0)
