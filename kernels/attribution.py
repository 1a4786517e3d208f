"""Walk back from a model's raw scores: which step sums them, and whose columns its inputs are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, assert_never

import numpy as np

from ..errors import UnsupportedModelError
from ..ir import steps as s
from ..ir.steps import Operator
from ..ir.trees import LEAF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from ..ir import Model

Sum: TypeAlias = s.Forest | s.Dot | s.Float32Dot
"""A step whose outputs are sums, and can be split into what each input adds."""


class Margin(NamedTuple):
    """A margin of a model: ``scale`` times one output of a sum, plus ``shift``."""

    step: Sum
    output: int
    scale: float
    shift: float


class _Mixed(NamedTuple):
    """The origin of a column that derives from several, and the step that joined them."""

    step: str
    columns: tuple[str, ...]


_Origin: TypeAlias = str | _Mixed
"""The source column from which a column derives."""

_SHOWN = 5
_WAY_OUT = "predict works as it is, so leave explain out; or "

_AFFINE: Mapping[Operator, Callable[[float], tuple[float, float]]] = {
    Operator.ADD: lambda c: (1.0, c),
    Operator.SUBTRACT: lambda c: (1.0, -c),
    Operator.SUBTRACT_FROM: lambda c: (-1.0, c),
    Operator.MULTIPLY: lambda c: (c, 0.0),
    Operator.DIVIDE: lambda c: (1.0 / c if c else math.nan, 0.0),
}
"""What an operation with ``c`` multiplies its column by, and then adds."""


def trace_margins(model: Model) -> list[Margin]:
    """Find the sum behind each margin; operations with a constant may follow it.

    Raises
    ------
    UnsupportedModelError
        If a margin is no such sum, or the model has none.
    """
    if not model.outputs.margins:
        raise UnsupportedModelError(
            "explain",
            "the model has no raw score that is a sum, so there is nothing to split by column.",
            _WAY_OUT + "fit an estimator that sums: boosted trees or a linear model.",
        )
    writers = {
        name: (index, position)
        for index, step in enumerate(model.steps)
        for position, name in enumerate(s.outputs_of(step))
    }
    return [_trace(model, name, writers) for name in model.outputs.margins]


def _trace(model: Model, margin: str, writers: Mapping[str, tuple[int, int]]) -> Margin:
    name, scale, shift = margin, 1.0, 0.0
    while name in writers:
        index, position = writers[name]
        step = model.steps[index]
        match step:
            case s.Forest() | s.Dot() | s.Float32Dot():
                return Margin(step, position, scale, shift)
            case s.Arithmetic() if step.operator in _AFFINE:
                factor, offset = _AFFINE[step.operator](float(step.operands[position]))
                scale, shift = scale * factor, scale * offset + shift
                name = step.inputs[position]
            case _:
                raise UnsupportedModelError(
                    _label(index, step),
                    f"it computes the raw score {margin!r}, which is then no sum of parts.",
                    _WAY_OUT + "fit an estimator whose raw score is a sum of trees or terms.",
                )
    raise UnsupportedModelError(
        "explain",
        f"the raw score {margin!r} is column {name!r} itself, not a sum of parts.",
        _WAY_OUT + "read the column.",
    )


def attribute_inputs(model: Model, step: Sum) -> NDArray[np.intp]:
    """Give each input's source column: intp[inputs], positions in the signature.

    Inputs that no tree splits on get 0: they add nothing.

    Raises
    ------
    UnsupportedModelError
        If an input that is read derives from several columns, or a forest lacks its covers.
    """
    origins = _origins(model)
    columns = {name: position for position, name in enumerate(model.signature.names)}
    attributed = np.zeros(len(step.inputs), np.intp)
    for index in _read_inputs(model, step):
        origin = origins[step.inputs[index]]
        if isinstance(origin, _Mixed):
            raise UnsupportedModelError(
                origin.step,
                f"it mixes columns {_some(origin.columns)}, so what its output adds to the "
                "prediction belongs to no single one of them.",
                _WAY_OUT + "fit the last estimator on features that each come from one column.",
            )
        attributed[index] = columns[origin]
    return attributed


def _read_inputs(model: Model, step: Sum) -> Iterable[int]:
    match step:
        case s.Dot() | s.Float32Dot():
            return range(len(step.inputs))
        case s.Forest():
            trees = step.trees
            if ((trees.cover[trees.root] <= 0) & (trees.feature[trees.root] != LEAF)).any():
                raise UnsupportedModelError(
                    _label(model.steps.index(step), step),
                    "a tree does not say how many training rows reached its nodes.",
                    _WAY_OUT + "train with a version of the library that stores these counts.",
                )
            return np.unique(trees.feature[trees.feature != LEAF]).tolist()
        case _:
            assert_never(step)


def _origins(model: Model) -> dict[str, _Origin]:
    """Find for every column the source column, or the mixture, that it derives from."""
    origins: dict[str, _Origin] = {name: name for name in model.signature.names}
    for index, step in enumerate(model.steps):
        match step:
            case s.Require() | s.RequireRange():
                continue
            case (
                s.NullIf()
                | s.Impute()
                | s.IsMissing()
                | s.Arithmetic()
                | s.Clip()
                | s.Elementwise()
                | s.Interpolate()
            ):
                found = [origins[name] for name in step.inputs]
            case (
                s.Lookup()
                | s.OneHot()
                | s.LookupRow()
                | s.Dot()
                | s.Float32Dot()
                | s.KernelSum()
                | s.Neighbours()
                | s.Couple()
                | s.WeightedMedian()
                | s.Normalize()
                | s.Forest()
                | s.LinearForest()
                | s.BSplines()
                | s.Softmax()
                | s.LogSoftmax()
                | s.Argmax()
                | s.Exceeds()
                | s.Onnx()
                | s.Skops()
            ):
                found = [_join(_label(index, step), step.inputs, origins)] * len(step.outputs)
            case s.Product() | s.Sum() | s.Coalesce():
                width = len(step.outputs)
                groups = [step.inputs[position::width] for position in range(width)]
                found = [_join(_label(index, step), group, origins) for group in groups]
            case _:
                assert_never(step)
        origins.update(zip(step.outputs, found, strict=True))
    return origins


def _join(label: str, inputs: Iterable[str], origins: Mapping[str, _Origin]) -> _Origin:
    """Give the one origin of several columns; of mixtures, the first keeps its name."""
    found = list(dict.fromkeys(origins[name] for name in inputs))
    for origin in found:
        if isinstance(origin, _Mixed):
            return origin
    return found[0] if len(found) == 1 else _Mixed(label, tuple(map(str, found)))


def _some(columns: Sequence[str]) -> str:
    shown = ", ".join(repr(column) for column in columns[:_SHOWN])
    return shown if len(columns) <= _SHOWN else f"{shown} and {len(columns) - _SHOWN} more"


def _label(index: int, step: s.Step) -> str:
    return f"Step {index} ({type(step).__name__})"
