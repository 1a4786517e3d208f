"""From an answer back to the one margin with which it rises or falls."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...ir import steps as s
from ...ir.steps import Function, Operator
from .domain import ANY, Known, among
from .functions import MONOTONE
from .knowledge import known_outputs

if TYPE_CHECKING:
    from ...ir import Model

_TWO = 2


@dataclass(frozen=True, slots=True)
class Chain:
    """A forest's sum, and what leads from it to an answer.

    Attributes
    ----------
    forest, margin
        The forest, and which of its outputs it is.
    steps
        Those that the answer needs, in their order.
    answer
        The column to which they lead.
    """

    forest: s.Forest
    margin: str
    steps: tuple[s.Step, ...]
    answer: str

    def bounds(self, margin: float) -> Known:
        """Bound the answer to a margin.

        Functions of a library are off by a few last places; their bounds are wider than that. So
        the bounds at a margin hold for what is computed there and, if the answer rises, from above
        for all lower margins too, whatever the last places of a function do.
        """
        env = {self.margin: among([margin], missing=False)}
        for step in self.steps:
            known = known_outputs(step, [env.get(name, ANY) for name in step.inputs])
            env.update(zip(s.outputs_of(step), known, strict=True))
        return env[self.answer]


@dataclass(frozen=True, slots=True)
class _Link:
    """A margin, and whether a column rises with it."""

    margin: str
    rises: bool


def margin_of(model: Model, answer: str) -> Chain | None:
    """Find the margin behind an answer; None where it is not one that alone decides."""
    producers = {name: step for step in model.steps for name in s.outputs_of(step)}
    used: set[int] = set()

    def trace(name: str) -> _Link | None:
        step = producers.get(name)
        if isinstance(step, s.Forest):
            return _Link(name, rises=True)
        if step is None:
            return None
        used.add(id(step))
        if isinstance(step, s.Argmax):
            return _of_two(*map(trace, step.inputs)) if len(step.inputs) == _TWO else None
        rises = _rises(step, name)
        if rises is None:
            return None
        before = trace(step.inputs[s.outputs_of(step).index(name)])
        return before and _Link(before.margin, before.rises == rises)

    link = trace(answer)
    forest = producers.get(link.margin) if link else None
    if link is None or not isinstance(forest, s.Forest):
        return None
    steps = tuple(step for step in model.steps if id(step) in used)
    return Chain(forest, link.margin, steps, answer)


def _of_two(first: _Link | None, second: _Link | None) -> _Link | None:
    """Say how the index of the larger one of two columns turns: only where one of them falls."""
    if first is None or second is None or first.margin != second.margin:
        return None
    return second if first.rises != second.rises else None


def _rises(step: s.Step, name: str) -> bool | None:
    """Whether a step's output rises with its input; None where that is not so everywhere."""
    match step:
        case s.Exceeds():
            return True
        case s.Clip():
            return None if math.isnan(step.low) or math.isnan(step.high) else True
        case s.Elementwise() if step.function in MONOTONE:
            return step.function is not Function.NEGATIVE
        case s.Arithmetic():
            operand = float(step.operands[step.outputs.index(name)])
            return _arithmetic_rises(step.operator, operand)
        case _:
            return None


def _arithmetic_rises(operator: Operator, operand: float) -> bool | None:
    if not math.isfinite(operand):
        return None
    match operator:
        case Operator.ADD | Operator.SUBTRACT:
            return True
        case Operator.SUBTRACT_FROM:
            return False
        case Operator.MULTIPLY | Operator.DIVIDE if operand:
            return operand > 0
        case _:
            return None
