"""Dead code: steps, and outputs of steps, that nothing reads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...ir import steps as s
from .forests import narrowed, with_output
from .narrowing import flags_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence


def live_steps(
    steps: Sequence[s.Step], answers: Iterable[str], sources: Collection[str]
) -> tuple[s.Step, ...]:
    """Leave what the answers need, and what may refuse a row.

    ``sources`` are the columns of the signature.
    """
    live, kept = set(answers), list[s.Step]()
    for step in reversed(steps):
        names = [name for name in s.outputs_of(step) if name in live]
        if not names and not refuses(step):
            continue
        kept.append(_with_outputs(step, names, sources))
        live.update(kept[-1].inputs)
    return tuple(reversed(kept))


def refuses(step: s.Step) -> bool:
    """Whether a step may refuse a row."""
    match step:
        case s.Require() | s.RequireRange() | s.Onnx() | s.Skops():
            return True
        case s.Lookup():
            return step.missing is None or step.unknown is None
        case s.Neighbours():
            return not step.mean
        case _:
            return False


def _with_outputs(  # noqa: PLR0911 - one a step
    step: s.Step, names: list[str], sources: Collection[str]
) -> s.Step:
    """Leave some of the outputs, and the inputs that they need."""
    if isinstance(step, s.Forest | s.LinearForest):
        return narrowed(with_output(step, names), sources)
    if not names or len(names) == len(s.outputs_of(step)):
        return step
    places = [s.outputs_of(step).index(name) for name in names]
    outputs = tuple(names)
    match step:
        case s.NullIf() | s.IsMissing() | s.Clip() | s.Elementwise():
            return replace(step, inputs=_chosen(step.inputs, places), outputs=outputs)
        case s.Impute():
            inputs, fills = _chosen(step.inputs, places), tuple(step.fills[i] for i in places)
            return replace(step, inputs=inputs, outputs=outputs, fills=fills)
        case s.Arithmetic():
            inputs, operands = _chosen(step.inputs, places), step.operands[places]
            return replace(step, inputs=inputs, outputs=outputs, operands=operands)
        case s.Coalesce() | s.Product() | s.Sum():
            inputs = _in_groups(step.inputs, places, len(step.outputs))
            return replace(step, inputs=inputs, outputs=outputs)
        case s.Dot() | s.Float32Dot():
            weights, intercepts = step.weights[:, places], step.intercepts[places]
            return replace(step, outputs=outputs, weights=weights, intercepts=intercepts)
        case s.LookupRow():
            values, unknown = step.values[:, places], step.unknown[places]
            return replace(step, outputs=outputs, values=values, unknown=unknown)
        case s.OneHot():
            return flags_of(step, names)
        case _:
            return step


def _chosen(names: Sequence[str], places: Sequence[int]) -> tuple[str, ...]:
    return tuple(names[place] for place in places)


def _in_groups(names: Sequence[str], places: Sequence[int], width: int) -> tuple[str, ...]:
    """Choose from every group of as many columns as there were outputs."""
    groups = range(0, len(names), width)
    return tuple(names[start + place] for start in groups for place in places)
