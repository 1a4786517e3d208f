"""What is certain of the columns that a step writes, and of those that it lets pass."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...ir import steps as s
from ...ir.steps import Norm, Operator
from .domain import ANY, Known, among, between, hull
from .functions import known_function
from .intervals import filled, mapped, product_of, sum_of
from .sums import forest_bounds, linear_forest_bounds

if TYPE_CHECKING:
    from collections.abc import Sequence

_LARGEST = 1.7976931348623157e308
_SMALLEST_SLOPE = 1e-290
"""Slopes near the smallest numbers have few digits."""


def known_outputs(step: s.Step, inputs: Sequence[Known]) -> list[Known]:  # noqa: PLR0911 - one a step
    """Say what is certain of each output, in the rows that the step does not refuse."""
    match step:
        case (
            s.NullIf()
            | s.Impute()
            | s.IsMissing()
            | s.Arithmetic()
            | s.Clip()
            | s.Elementwise()
            | s.Exceeds()
            | s.Interpolate()
        ):
            return [_column_known(step, place, known) for place, known in enumerate(inputs)]
        case s.Coalesce() | s.Product():
            half = len(step.outputs)
            pairs = zip(inputs[:half], inputs[half:], strict=True)
            combine = filled if isinstance(step, s.Coalesce) else product_of
            return [combine(first, second) for first, second in pairs]
        case s.Sum():
            width = len(step.outputs)
            return [_total(inputs[place::width]) for place in range(width)]
        case s.Lookup() | s.OneHot() | s.LookupRow():
            return _looked_up(step, inputs)
        case s.Dot():
            return [_dot(step, place, inputs) for place in range(len(step.outputs))]
        case s.Forest():
            return forest_bounds(step)
        case s.LinearForest():
            return linear_forest_bounds(step, inputs)
        case s.Softmax() | s.Normalize() | s.Argmax() | s.WeightedMedian():
            return _of_row(step, inputs)
        case _:
            return [ANY] * len(s.outputs_of(step))


def after(  # noqa: PLR0911 - one a step
    step: s.Step, known: Known, *, is_key: bool
) -> Known:
    """Say what is certain of an input in the rows that the step does not refuse."""
    match step:
        case s.Require():
            there = known.there() if step.missing else known
            if is_key or not step.infinite:
                return there
            most = min(step.largest, _LARGEST)
            return there.within(-most, most)
        case s.RequireRange():
            return known.within(step.low, step.high)
        case s.Lookup():
            there = known.there() if step.missing is None else known
            if step.unknown is not None:
                return there
            if is_key:
                keys = frozenset(key for key in step.keys if known.can_be(key))
                return replace(there, keys=keys)
            numbers = [float(key) for key in step.keys if known.can_be(key)]
            return among(numbers, missing=there.missing)
        case _:
            return known


def _column_known(  # noqa: PLR0911 - one a step
    step: (
        s.NullIf
        | s.Impute
        | s.IsMissing
        | s.Arithmetic
        | s.Clip
        | s.Elementwise
        | s.Exceeds
        | s.Interpolate
    ),
    place: int,
    known: Known,
) -> Known:
    match step:
        case s.NullIf():
            return _null_if(step, known)
        case s.Impute():
            return _imputed(step.fills[place], known)
        case s.IsMissing():
            return _flag(can_be_0=not known.is_empty, can_be_1=known.missing)
        case s.Arithmetic():
            return _arithmetic(step.operator, float(step.operands[place]), known)
        case s.Clip():
            if math.isnan(step.low) or math.isnan(step.high):
                return ANY
            return mapped(known, lambda x: min(max(x, step.low), step.high))
        case s.Elementwise():
            return known_function(step.function, known)
        case s.Exceeds():
            is_below = known.missing or not known.low > step.threshold
            return _flag(can_be_0=is_below, can_be_1=not known.high <= step.threshold)
        case s.Interpolate():
            return _line(step, known)


def _flag(*, can_be_0: bool, can_be_1: bool) -> Known:
    return among([0.0] * can_be_0 + [1.0] * can_be_1, missing=False)


def _null_if(step: s.NullIf, known: Known) -> Known:
    if not (known.low <= step.high and known.high >= step.low):
        return known
    if known.values is not None:
        kept = [x for x in known.values if not step.low <= x <= step.high]
        return among(kept, missing=True)
    low, high = known.low, known.high
    if step.low <= low:
        low = math.nextafter(step.high, math.inf) if step.high < math.inf else math.inf
    if step.high >= high:
        high = math.nextafter(step.low, -math.inf) if step.low > -math.inf else -math.inf
    if step.low <= known.low and step.high >= known.high:
        return among((), missing=True)
    return Known(low, high, missing=True)


def _imputed(fill: s.Scalar, known: Known) -> Known:
    if isinstance(fill, float):
        return filled(known, among([fill], missing=False))
    if not known.missing:
        return known
    keys = None if known.keys is None else known.keys | {fill}
    if isinstance(fill, str):
        return Known(missing=False, keys=keys)
    return replace(hull((known.there(), among([float(fill)], missing=False))), keys=keys)


def _arithmetic(  # noqa: PLR0911 - one an operator
    operator: Operator, operand: float, known: Known
) -> Known:
    if not math.isfinite(operand):
        return ANY
    match operator:
        case Operator.ADD:
            return mapped(known, lambda x: x + operand)
        case Operator.SUBTRACT:
            return mapped(known, lambda x: x - operand)
        case Operator.SUBTRACT_FROM:
            return mapped(known, lambda x: operand - x)
        case Operator.MULTIPLY if operand:
            return mapped(known, lambda x: x * operand)
        case Operator.DIVIDE if operand:
            return mapped(known, lambda x: x / operand)
        case Operator.MODULO if operand:
            missing = known.missing or not known.is_finite
            return between(min(operand, 0.0), max(operand, 0.0), missing=missing)
        case _:
            return ANY


def _line(step: s.Interpolate, known: Known) -> Known:
    """Bound a line by its points, and by what rounding adds between two of them."""
    xs, ys = step.xs, step.ys
    with np.errstate(all="ignore"):
        slopes = np.diff(ys) / np.diff(xs)
    most = float(np.abs(ys).max())
    size = np.abs(slopes)
    is_normal = ((size == 0) | ((size > _SMALLEST_SLOPE) & (size < math.inf))).all()
    if not is_normal or most > _LARGEST / 4:
        return ANY
    # The slope, the distance, their product and the sum are each off by half a last place of a
    # number that is at most twice the largest value.
    error = 16.0 * math.ulp(most)
    missing = known.missing and len(xs) > 1
    return between(float(ys.min()) - error, float(ys.max()) + error, missing=missing)


def _total(parts: Sequence[Known]) -> Known:
    total = parts[0]
    for part in parts[1:]:
        total = sum_of(total, part)
    return total


def _looked_up(step: s.Lookup | s.OneHot | s.LookupRow, inputs: Sequence[Known]) -> list[Known]:
    match step:
        case s.Lookup():
            known = inputs[0]
            pairs = zip(step.keys, step.values.tolist(), strict=True)
            values = [value for key, value in pairs if known.can_be(key)]
            if step.unknown is not None and can_be_unknown(step, known):
                values.append(step.unknown)
            if step.missing is not None and known.missing:
                values.append(step.missing)
            return [among(values, missing=False)]
        case s.OneHot():
            known = inputs[0]
            is_one = len(known.values or (0.0, 1.0)) == 1 and not known.missing
            return [
                _flag(
                    can_be_0=not (is_one and known.can_be(code) and is_distinct(step)),
                    can_be_1=known.can_be(code),
                )
                for code in step.codes.tolist()
            ]
        case s.LookupRow():
            rows = possible_rows(step, inputs)
            columns = zip(step.values[rows].T, step.unknown, strict=True)
            return [among([*values, unknown], missing=False) for values, unknown in columns]


def can_be_unknown(step: s.Lookup, known: Known) -> bool:
    """Whether a value that is no key can occur."""
    if known.keys is not None:
        return not known.keys <= set(step.keys)
    if known.values is not None:
        # A column that is read by value and by number: other integers have the same float64.
        are_floats = all(isinstance(key, float) for key in step.keys)
        return not (are_floats and set(known.values) <= set(step.keys))
    return not known.is_empty


def is_distinct(step: s.OneHot) -> bool:
    """Whether each code stands there once."""
    codes = step.codes + 0.0
    return len(np.unique(codes)) == len(codes) and not bool(np.isnan(codes).any())


def possible_rows(step: s.LookupRow, inputs: Sequence[Known]) -> list[int]:
    """List the rows of keys that can occur."""
    return [
        index
        for index, row in enumerate(step.keys.tolist())
        if all(known.can_be(key) for known, key in zip(inputs, row, strict=True))
    ]


def _dot(step: s.Dot, output: int, inputs: Sequence[Known]) -> Known:
    total = among([0.0], missing=False)
    for known, weight in zip(inputs, step.weights[:, output].tolist(), strict=True):
        if not math.isfinite(weight):
            return ANY
        total = sum_of(total, product_of(known, among([weight], missing=False)))
    intercept = float(step.intercepts[output])
    return sum_of(total, among([intercept], missing=False)) if math.isfinite(intercept) else ANY


def _of_row(
    step: s.Softmax | s.Normalize | s.Argmax | s.WeightedMedian, inputs: Sequence[Known]
) -> list[Known]:
    missing = any(known.missing or not known.is_finite for known in inputs)
    match step:
        case s.Softmax():
            # A sum is never below one of its terms, none of which is negative.
            return [between(0.0, 1.0, missing=missing)] * len(inputs)
        case s.Normalize():
            is_sum = step.norm in {Norm.SUM, Norm.SUM_UNLESS_ZERO, Norm.SUM_OR_MISSING}
            if is_sum and all(known.low >= 0 for known in inputs):
                return [Known(0.0, 1.0, missing=True)] * len(inputs)
            return [ANY] * len(inputs)
        case s.Argmax():
            least = -math.inf if missing else max(known.low for known in inputs)
            return [
                among(
                    [float(i) for i, known in enumerate(inputs) if missing or known.high >= least],
                    missing=False,
                )
            ]
        case s.WeightedMedian():
            return [ANY if missing else replace(hull(inputs), values=None)]
