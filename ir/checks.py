"""What a step must be like to run at all: shapes, ranges and the types of what it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import numpy as np

from ..errors import BundleError, UnsupportedModelError
from . import steps as s
from .points import couple_problem, kernel_sum_problem, neighbours_problem
from .signature import ColumnType

if TYPE_CHECKING:
    from collections.abc import Mapping


def check_step(step: s.Step, types: Mapping[str, ColumnType], place: str) -> None:
    """Check a step against the types of the columns before it; ``place`` names it in messages.

    Raises
    ------
    BundleError
        If it cannot run.
    """
    if not step.inputs:
        msg = f"{place} has no inputs."
        raise BundleError(msg)
    if not isinstance(step, s.Lookup | s.Impute | s.IsMissing | s.Require | s.Whole):
        for name in step.inputs:
            if not types[name].is_number:
                msg = f"{place} needs numbers, but column {name!r} is {types[name]}."
                raise BundleError(msg)
    problem = _shape_problem(step) or _key_problem(step, types) or _cell_problem(step, types)
    if problem:
        raise BundleError(f"{place}: {problem}.")


KEY_TYPES: Mapping[ColumnType, type] = {
    ColumnType.DOUBLE: float,
    ColumnType.BIGINT: int,
    ColumnType.BOOLEAN: bool,
    ColumnType.VARCHAR: str,
    ColumnType.TIMESTAMP: int,
}


def _key_problem(step: s.Step, types: Mapping[str, ColumnType]) -> str | None:
    """Say which key or fill is not of its column's type."""
    match step:
        case s.Lookup():
            pairs = [(step.inputs[0], key) for key in step.keys]
        case s.Impute():
            pairs = list(zip(step.inputs, step.fills, strict=True))
        case _:
            return None
    for name, key in pairs:
        is_number = isinstance(step, s.Impute) and isinstance(key, float) and types[name].is_number
        if type(key) is not KEY_TYPES[types[name]] and not is_number:
            return f"{key!r} is not a value of column {name!r}, which is {types[name]}"
    return None


_CELL_TYPES: Mapping[s.Cell, ColumnType] = {
    s.Cell.INTEGER: ColumnType.BIGINT,
    s.Cell.TRUTH: ColumnType.BOOLEAN,
    s.Cell.TEXT: ColumnType.VARCHAR,
    s.Cell.TEXT_OR_NONE: ColumnType.VARCHAR,
}


def _cell_problem(step: s.Step, types: Mapping[str, ColumnType]) -> str | None:
    """Say which column a model that is kept whole cannot read as its cells."""
    if not isinstance(step, s.Whole):
        return None
    for name, cell in zip(step.inputs, step.cells, strict=True):
        fits = types[name].is_number if cell is s.Cell.NUMBER else types[name] is _CELL_TYPES[cell]
        if not fits:
            return f"column {name!r} is {types[name]}, and cannot be read as {cell}"
    return None


def _whole_problem(step: s.Whole) -> str | None:
    if len(step.cells) != len(step.inputs):
        return "not one cell an input"
    if len(step.outputs) < 1 or len(set(step.labels)) != len(step.labels):
        return "it has no output, or the same label twice"
    try:
        # Imported only with such a model: elsewhere neither format is read.
        match step:
            case s.Onnx():
                from .onnx_file import check_onnx

                check_onnx(step.file.tobytes())
                return _unless(bool(step.answers), "it has no answer")
            case s.Skops():
                from .skops_file import check_skops

                check_skops(step.file.tobytes(), step.types)
    except UnsupportedModelError as error:
        return error.reason
    return _unless(
        bool(step.methods) and set(step.methods) <= _METHODS, f"its methods are {step.methods}"
    )


_METHODS = {"predict", "predict_proba", "decision_function"}


def _shape_problem(step: s.Step) -> str | None:  # noqa: C901, PLR0911, PLR0912 - one return a step
    match step:
        case s.Require():
            return _unless(step.largest >= 0, "its largest value is negative")
        case s.RequireRange():
            return _unless(step.low <= step.high, "no number is within its range")
        case (
            s.NullIf() | s.IsMissing() | s.Clip() | s.Elementwise() | s.Normalize() | s.LogSoftmax()
        ):
            return _unless(len(step.inputs) == len(step.outputs), "not one output an input")
        case s.Impute():
            sizes = {len(step.inputs), len(step.outputs), len(step.fills)}
            return _unless(len(sizes) == 1, "not one fill and one output an input")
        case s.Arithmetic():
            sizes = {len(step.inputs), len(step.outputs), step.operands.size}
            return _unless(
                len(sizes) == 1 and step.operands.ndim == 1, "not one operand and output an input"
            )
        case s.Lookup():
            fits = step.values.shape == (len(step.keys),) and _are_single(step)
            return _unless(fits and len(set(step.keys)) == len(step.keys), "not one value a key")
        case s.OneHot():
            fits = step.codes.shape == (len(step.outputs),) and len(step.inputs) == 1
            return _unless(fits, "not one code an output")
        case s.Dot() | s.Float32Dot():
            shape = (len(step.inputs), len(step.outputs))
            fits = step.weights.shape == shape and step.intercepts.shape == shape[1:]
            return _unless(fits, f"the weights are not {shape[0]} by {shape[1]}")
        case s.KernelSum():
            return kernel_sum_problem(step)
        case s.Neighbours():
            return neighbours_problem(step)
        case s.Couple():
            return couple_problem(step)
        case s.Product() | s.Coalesce():
            return _unless(len(step.inputs) == 2 * len(step.outputs), "not two inputs an output")
        case s.Sum():
            groups = len(step.inputs) % max(len(step.outputs), 1)
            return _unless(bool(step.outputs) and not groups, "not as many inputs for each output")
        case s.WeightedMedian():
            fits = step.weights.shape == (len(step.inputs),) and len(step.outputs) == 1
            return _unless(fits, "not one weight an input and one output") or _weights_problem(step)
        case s.Forest():
            fits = step.start.shape == (len(step.outputs),)
            return _trees_problem(step) or _unless(fits, "not one start an output")
        case s.LinearForest():
            return _trees_problem(step) or _terms_problem(step)
        case s.Interpolate() | s.LookupRow() | s.Softmax():
            return _content_problem(step)
        case s.Onnx() | s.Skops():
            return _whole_problem(step)
        case s.BSplines():
            return _unless(len(step.inputs) == 1, "not one input") or _knots_problem(step)
        case s.Argmax():
            return _unless(len(step.outputs) == 1, "not one output")
        case s.Exceeds():
            return _unless(_are_single(step), "not one input and one output")
        case _:
            assert_never(step)


def _trees_problem(step: s.Forest | s.LinearForest) -> str | None:
    trees = step.trees
    reads = trees.features <= len(step.inputs)
    writes = trees.output.max(initial=-1) < len(step.outputs)
    fits = reads and writes and bool(trees.output.min(initial=0) >= 0)
    return _unless(fits, "a tree reads or writes a column that is not there")


def _terms_problem(step: s.LinearForest) -> str | None:
    nodes, start, reads = len(step.trees.feature), step.term_start, step.term_input
    if step.constants.shape != (nodes,) or start.shape != (nodes + 1,):
        return "not one constant and one run of terms a node"
    if step.coefficients.shape != reads.shape:
        return "not one coefficient a term"
    covers = bool(start[0] == 0 and start[-1] == len(reads) and (start[1:] >= start[:-1]).all())
    if not covers:
        return "its runs of terms do not cover them"
    are_there = reads.min(initial=0) >= 0 and reads.max(initial=-1) < len(step.inputs)
    return _unless(bool(are_there), "a term reads a column that is not there") or _unless(
        step.zero >= 0, "its zero is negative"
    )


def _content_problem(step: s.Interpolate | s.LookupRow | s.Softmax) -> str | None:
    match step:
        case s.Interpolate():
            problem = _unless(_are_single(step), "not one input and one output")
            return problem or _points_problem(step)
        case s.LookupRow():
            return _rows_problem(step)
        case s.Softmax():
            return _softmax_problem(step)


def _softmax_problem(step: s.Softmax) -> str | None:
    is_exponential = step.exponential in {s.Function.EXP, s.Function.FMATH_EXP}
    is_float32 = step.precision is s.Precision.FLOAT32
    if not is_exponential or (is_float32 and step.exponential is not s.Function.EXP):
        return f"its exponential is {step.exponential!r}"
    return _unless(len(step.inputs) == len(step.outputs), "not one output an input")


def _rows_problem(step: s.LookupRow) -> str | None:
    rows = len(step.keys)
    fits = step.keys.shape == (rows, len(step.inputs))
    fits = fits and step.values.shape == (rows, len(step.outputs))
    if not fits or step.unknown.shape != (len(step.outputs),):
        return "not one row of values a row of keys"
    if not rows or np.isnan(step.keys).any():
        return "there is no key, or one is NaN"
    # Zeros of either sign are one key.
    return _unless(len(np.unique(step.keys + 0.0, axis=0)) == rows, "a row of keys occurs twice")


def _points_problem(step: s.Interpolate) -> str | None:
    xs, ys = step.xs, step.ys
    if xs.ndim != 1 or not xs.size or xs.shape != ys.shape:
        return "not one value a point"
    are_finite = bool(np.isfinite(xs).all() and np.isfinite(ys).all())
    return _unless(are_finite and bool((np.diff(xs) >= 0).all()), "its points are not sorted")


def _weights_problem(step: s.WeightedMedian) -> str | None:
    is_finite = bool(np.isfinite(step.weights).all())
    return _unless(is_finite and bool((step.weights >= 0).all()), "a weight is not from 0 upwards")


_DEGREES = 32
"""Splines are of a lower degree than this: de Boor's recursion takes its square."""


def _knots_problem(step: s.BSplines) -> str | None:
    if step.knots.ndim != 1 or not 0 <= step.degree < min(len(step.outputs), _DEGREES):
        return "the knots do not fit the number of splines"
    is_finite = bool(np.isfinite(step.knots).all())
    return _unless(is_finite and bool((np.diff(step.knots) >= 0).all()), "its knots are not sorted")


def _are_single(step: s.Lookup | s.Exceeds | s.Interpolate) -> bool:
    return len(step.inputs) == len(step.outputs) == 1


def _unless(fits: bool, problem: str) -> str | None:
    return None if fits else problem
