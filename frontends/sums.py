"""Which columns are sums that a library adds in an order of its own, and what may not read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..ir import steps as s
from ..ir.steps import Function, Operator

if TYPE_CHECKING:
    from collections.abc import Iterable

_JUMPS = {Function.CEIL, Function.FLOOR, Function.RINT, Function.SIGN, Function.TRUNC}


def sums_among(steps: Iterable[s.Step]) -> set[str]:
    """Name the columns whose last bit depends on the machine."""
    sums: set[str] = set()
    for step in steps:
        add_sums(step, sums)
    return sums


def add_sums(step: s.Step, sums: set[str]) -> None:
    """Add a step's outputs, where it adds in any order or reads a column of ``sums``."""
    read = _splitting_columns(step) if isinstance(step, s.Forest) else set(step.inputs)
    if s.adds_in_any_order(step) or (read & sums and not isinstance(step, s.IsMissing)):
        sums |= set(s.outputs_of(step))


def jumping_columns(step: s.Step) -> set[str]:
    """Name the inputs of which the last bit can move an output by more than a few bits."""
    match step:
        case s.Forest():
            return _splitting_columns(step)
        case s.NullIf() | s.RequireRange():
            return set(step.inputs)
        case s.Elementwise() if step.function in _JUMPS:
            return set(step.inputs)
        case s.Arithmetic() if step.operator is Operator.MODULO:
            return set(step.inputs)
        case s.Interpolate() if (np.diff(step.xs) == 0).any():
            return set(step.inputs)
        case _:
            return set()


def _splitting_columns(step: s.Forest) -> set[str]:
    return {step.inputs[i] for i in set(step.trees.feature.tolist()) if i >= 0}
