"""A model: its signature, its steps, and which columns are its answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from ..errors import BundleError
from . import steps as s
from .checks import KEY_TYPES, check_step
from .signature import ColumnType, Scalar, Signature

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
            check_step(step, types, place)
            for position, name in enumerate(s.outputs_of(step)):
                if name in types:
                    msg = f"{place} writes column {name!r} a second time."
                    raise BundleError(msg)
                types[name] = _output_type(step, position, types)
        self._check_outputs(types)
        self._check_residuals()
        for column in self.signature.columns:
            kind = KEY_TYPES[column.type]
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
