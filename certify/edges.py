"""Where a model changes its mind: splits, points, knots and ends of ranges, by source column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..ir import steps as s
from ..ir.steps import Operator
from ..ir.trees import LEAF

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ..ir import Model

_MOST_POINTS = 200


def split_values(model: Model) -> dict[str, list[float]]:
    """For each source column, where any step changes its mind, traced back through scaling.

    Of steps that hold points, the values of some, and those half way between two.
    """
    origin: dict[str, tuple[str, list[s.Arithmetic]]] = {}
    found: dict[str, set[float]] = {name: set() for name in model.signature.names}
    for name in model.signature.names:
        origin[name] = (name, [])
    for step in model.steps:
        match step:
            case s.Impute() | s.NullIf() | s.Clip():
                for read, written in zip(step.inputs, step.outputs, strict=True):
                    if read in origin:
                        origin[written] = origin[read]
            case s.Arithmetic():
                for read, written in zip(step.inputs, step.outputs, strict=True):
                    if read in origin:
                        source, chain = origin[read]
                        origin[written] = (source, [*chain, _only(step, read)])
            case _:
                pass
        for name, values in _edges(step):
            if name in origin:
                source, chain = origin[name]
                found[source] |= _traced_back(values, chain)
    return {name: sorted(values) for name, values in found.items()}


def _edges(step: s.Step) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """List where a step changes its mind: splits, points, knots and the ends of ranges."""
    match step:
        case s.Forest() | s.LinearForest():
            for index, name in enumerate(step.inputs):
                yield name, _splits(step, index)
        case s.KernelSum() | s.Neighbours():
            for index, name in enumerate(step.inputs):
                yield name, _near_points(step, index)
        case s.Interpolate():
            yield step.inputs[0], step.xs
        case s.BSplines():
            yield step.inputs[0], step.knots
        case s.NullIf() | s.RequireRange():
            for name in step.inputs:
                yield name, np.array([step.low, step.high])
        case s.Exceeds():
            yield step.inputs[0], np.array([step.threshold])
        case _:
            return


def _only(step: s.Arithmetic, name: str) -> s.Arithmetic:
    index = step.inputs.index(name)
    return s.Arithmetic((name,), (name,), step.operator, step.operands[index : index + 1])


def _splits(step: s.Forest | s.LinearForest, index: int) -> NDArray[np.float64]:
    trees = step.trees
    nodes = (trees.feature == index) & (trees.feature != LEAF)
    numeric = np.unique(trees.threshold[nodes & (trees.category_set < 0)])
    sets = np.unique(trees.category_set[nodes & (trees.category_set >= 0)])
    members = [trees.categories(number) for number in sets.tolist()]
    return np.concatenate([numeric, *members]).astype(np.float64)


def _near_points(step: s.KernelSum | s.Neighbours, index: int) -> NDArray[np.float64]:
    """Give some values of a column of the points, and those as far from one as from the next."""
    values = np.unique(step.points[:, index])
    some = values[np.linspace(0, len(values) - 1, min(len(values), _MOST_POINTS)).astype(np.intp)]
    return np.concatenate([some, (some[1:] + some[:-1]) / 2])


_INVERSE = {
    Operator.ADD: lambda y, c: y - c,
    Operator.SUBTRACT: lambda y, c: y + c,
    Operator.SUBTRACT_FROM: lambda y, c: c - y,
    Operator.MULTIPLY: lambda y, c: y / c,
    Operator.DIVIDE: lambda y, c: y * c,
    Operator.MODULO: lambda y, _: y,
    Operator.POWER: lambda y, _: y,
}


def _traced_back(values: NDArray[np.float64], chain: list[s.Arithmetic]) -> set[float]:
    with np.errstate(all="ignore"):
        for step in reversed(chain):
            values = _INVERSE[step.operator](values, float(step.operands[0]))
    return set(values[np.isfinite(values)].tolist())
