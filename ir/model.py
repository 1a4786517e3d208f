"""A model: its signature, its steps, and which columns are its answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, assert_never

import numpy as np

from ..errors import BundleError, UnsupportedModelError
from . import steps as s
from .onnx_file import check_onnx
from .points import couple_problem, kernel_sum_problem, neighbours_problem
from .signature import ColumnType, Scalar, Signature
from .skops_file import check_skops

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Outputs:
    """Which columns answer which question.

    Attributes
    ----------
    prediction
        What the library's ``predict`` gives: one column, or several where it gives a vector. With
        ``classes`` the column holds an index into them.
    classes
        The labels of a classifier, in the library's order.
    probabilities
        One column a class, or none.
    margins
        Raw scores, before any link; contributions are given in their units.
    """

    prediction: tuple[str, ...]
    classes: tuple[Scalar, ...] | None = None
    probabilities: tuple[str, ...] = ()
    margins: tuple[str, ...] = ()

    @property
    def label_type(self) -> ColumnType:
        """The SQL type of a label."""
        kinds = {type(label) for label in self.classes or ()}
        if kinds == {bool}:
            return ColumnType.BOOLEAN
        if kinds == {int}:
            return ColumnType.BIGINT
        return ColumnType.VARCHAR if kinds == {str} else ColumnType.DOUBLE


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A fitted model in foresql's own terms.

    ``background`` holds the training mean of columns that enter a :class:`~.steps.Dot`; the
    contributions of a linear model are measured from there. ``residuals`` are sorted absolute
    errors on calibration rows, from which conformal intervals are read.

    Raises
    ------
    BundleError
        If a step reads a column that nothing wrote, writes one twice, or has the wrong shape.
    """

    signature: Signature
    steps: tuple[s.Step, ...]
    outputs: Outputs
    background: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    residuals: tuple[float, ...] = ()
    types: Mapping[str, ColumnType] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        types = {column.name: column.type for column in self.signature.columns}
        for index, step in enumerate(self.steps):
            place = f"Step {index} ({type(step).__name__})"
            for name in step.inputs:
                if name not in types:
                    msg = f"{place} reads column {name!r}, which nothing wrote before it."
                    raise BundleError(msg)
                if isinstance(step, s.Whole) and name not in self.signature:
                    msg = f"{place} reads column {name!r}, which is not in the signature."
                    raise BundleError(msg)
            _check_step(step, types, place)
            for position, name in enumerate(s.outputs_of(step)):
                if name in types:
                    msg = f"{place} writes column {name!r} a second time."
                    raise BundleError(msg)
                types[name] = _output_type(step, position, types)
        self._check_outputs(types)
        self._check_residuals()
        for column in self.signature.columns:
            kind = _KEY_TYPES[column.type]
            if any(type(category) is not kind for category in column.categories or ()):
                msg = f"A category of column {column.name!r} is not {column.type}."
                raise BundleError(msg)
        object.__setattr__(self, "types", MappingProxyType(types))

    def _check_outputs(self, types: Mapping[str, ColumnType]) -> None:
        answers = self.outputs
        for name in (*answers.prediction, *answers.probabilities, *answers.margins):
            if types.get(name) is not ColumnType.DOUBLE:
                msg = f"The output {name!r} is not a column that a step computed."
                raise BundleError(msg)
        if not answers.prediction:
            msg = "The model has no prediction."
            raise BundleError(msg)
        if answers.classes is not None and (len(answers.prediction) != 1 or not answers.classes):
            msg = "A classifier predicts one label, of those that it lists."
            raise BundleError(msg)
        if answers.probabilities and len(answers.probabilities) != len(answers.classes or ()):
            msg = "There is not one probability for each class."
            raise BundleError(msg)

    def _check_residuals(self) -> None:
        errors = np.array(self.residuals, np.float64)
        # Written so that NaN fails too.
        if not ((errors >= 0).all() and (errors[1:] >= errors[:-1]).all()):
            msg = "The residuals are not sorted absolute errors."
            raise BundleError(msg)

    def is_key(self, name: str) -> bool:
        """Whether a signature column is read by value (as a category) and not as a number."""
        column_type = self.signature[name].type
        if not column_type.is_number:
            return True
        if column_type is ColumnType.DOUBLE:
            return False
        return any(_reads_as_key(step, name) for step in self.steps)


def _reads_as_key(step: s.Step, name: str) -> bool:
    match step:
        case s.Lookup():
            return name in step.inputs
        case s.Impute():
            return any(
                name == source and not isinstance(fill, float)
                for source, fill in zip(step.inputs, step.fills, strict=True)
            )
        case s.Onnx() | s.Skops():
            return (name, s.Cell.INTEGER) in zip(step.inputs, step.cells, strict=True)
        case _:
            return False


def _output_type(step: s.Step, position: int, types: Mapping[str, ColumnType]) -> ColumnType:
    """Give the type of a step's output: a key that is imputed stays a key, all else is float64."""
    if isinstance(step, s.Impute) and not isinstance(step.fills[position], float):
        return types[step.inputs[position]]
    return ColumnType.DOUBLE


def _check_step(step: s.Step, types: Mapping[str, ColumnType], place: str) -> None:
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


_KEY_TYPES: Mapping[ColumnType, type] = {
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
        if type(key) is not _KEY_TYPES[types[name]] and not is_number:
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
        if isinstance(step, s.Onnx):
            check_onnx(step.file.tobytes())
            return _unless(bool(step.answers), "it has no answer")
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
