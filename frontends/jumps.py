"""Refuse what jumps behind a sum: in which order a BLAS adds decides the last bit of a sum.

That bit moves a linear prediction by as much, but a row that lies on a split by a whole leaf, one
that is as near to one row as to another by a whole neighbour, and a value that lies between two of
float32 by a whole float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import UnsupportedModelError
from ..ir import steps as s
from ..ir.steps import Function, Operator, Precision
from ..ir.trees import LEAF

if TYPE_CHECKING:
    from ..ir import Outputs
    from .graph import Graph

_ROUNDING = {Function.CEIL, Function.FLOOR, Function.RINT, Function.SIGN, Function.TRUNC}
_AS_CLOSE = 64 * float(np.finfo(np.float64).eps)
"""Points this close together, relative to the largest, are one to a sum that was rounded."""


def refuse_jumps_on_sums(graph: Graph, outputs: Outputs) -> None:
    """Refuse a graph in which a step that jumps reads a column whose last bit is not certain.

    Labels are read from such columns all the same: the gate finds their ties.

    Raises
    ------
    UnsupportedModelError
        With the step, why, and the way out.
    """
    sums = columns_of_sums(graph)
    for step in graph.steps:
        is_label = isinstance(step, s.Argmax | s.Exceeds) and outputs.classes is not None
        problem = _jump(step) if _read(step) & sums and not is_label else None
        if problem:
            what, way_out = problem
            reason = f"{what}, and its last bit differs from one machine to the next"
            raise UnsupportedModelError(type(step).__name__, reason, way_out)


def columns_of_sums(graph: Graph) -> set[str]:
    """Give the columns so far whose last bit the library itself does not fix."""
    sums: set[str] = set()
    for step in graph.steps:
        if isinstance(step, s.IsMissing | s.Argmax | s.Exceeds):
            continue  # whole numbers, which are certain but where they jump
        if s.adds_in_any_order(step) or _calls_numpy(step) or _read(step) & sums:
            sums |= set(s.outputs_of(step))
    return sums


def _calls_numpy(step: s.Step) -> bool:
    """Whether the library may take numpy's ``exp``, where the step takes the C library's."""
    if not isinstance(step, s.Softmax):
        return False
    return step.precision is Precision.FLOAT64 and step.exponential is s.Function.EXP


def _read(step: s.Step) -> set[str]:
    """Name the inputs that have a say: trees need not split on all of theirs."""
    match step:
        case s.Forest():
            read = {*step.trees.feature.tolist()}
        case s.LinearForest():
            read = {*step.trees.feature.tolist(), *step.term_input.tolist()}
        case _:
            return set(step.inputs)
    return {step.inputs[index] for index in read - {LEAF}}


def _jump(step: s.Step) -> tuple[str, str] | None:  # noqa: PLR0912 - one case a step
    """Say where a step's output jumps, and the way out."""
    what = ""
    way_out = "train on the columns themselves"
    match step:
        case s.Forest() | s.LinearForest():
            what = "trees split on"
            way_out += "; in a stack, let trees come first and a linear model last"
        case s.Float32Dot():
            what = "XGBoost rounds to float32"
        case s.Neighbours():
            what = "it looks for the nearest rows by"
            way_out = "look for neighbours in the columns themselves"
        case s.Argmax() | s.Exceeds():
            what = "a label is read from"
            way_out = "let the regression read the scores themselves"
        case s.Lookup() | s.LookupRow():
            what = "an encoder looks for the values of"
        case s.NullIf():
            what = "a range of values becomes missing in"
            way_out = "let the step read the columns themselves, or keep what lies in the range"
        case s.RequireRange():
            what = "it refuses rows by"
        case s.Elementwise() if step.function in _ROUNDING:
            what = f"np.{step.function} jumps at some value of"
        case s.Arithmetic() if step.operator is Operator.MODULO:
            what = "a remainder jumps at some value of"
        case s.Interpolate():
            is_close = np.diff(step.xs) <= _AS_CLOSE * np.abs(step.xs).max()
            if (is_close & (np.diff(step.ys) != 0)).any():
                what = "a line jumps between two points of"
                way_out = "calibrate with method='sigmoid', or train on fewer repeated rows"
        case _:
            pass
    if not what:
        return None
    return f"{what} a column that is a sum of products (as PCA's are) or a softmax", way_out
