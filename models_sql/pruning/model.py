"""A smaller model with the same answers, bit for bit, for rows of which something is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from ...ir import Model, Signature
from ...ir import steps as s
from .domain import Known, known_of
from .knowledge import after, known_outputs
from .liveness import live_steps
from .narrowing import narrowed_step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...ir import Outputs
    from .domain import Domain


@dataclass(frozen=True, slots=True)
class Pruned:
    """What is left of a model.

    Attributes
    ----------
    model
        Gives the same answers, and refuses the same rows, where the columns hold what was said.
    nodes_before, nodes_after
        How many nodes the trees have, before and after.
    dropped
        Columns of the signature that nothing reads any more: the model's lacks them.
    """

    model: Model
    nodes_before: int
    nodes_after: int
    dropped: tuple[str, ...]


def prune(
    model: Model, domains: Mapping[str, Domain], answers: frozenset[str] | None = None
) -> Pruned:
    """Drop what the rows do not need.

    Parameters
    ----------
    model
        The model.
    domains
        What columns of the signature hold in all rows that are scored; others may hold anything.
    answers
        Which of the model's output columns are asked for; None for all. The prediction always
        stays, and of probabilities and margins all or none.
    """
    steps, _ = _interpreted(model, domains)
    outputs = _asked(model.outputs, answers)
    kept = live_steps(steps, _columns_of(outputs), model.signature.names)
    pruned = rebuilt(model, kept, outputs)
    names = pruned.signature.names
    dropped = tuple(name for name in model.signature.names if name not in names)
    return Pruned(pruned, _nodes(model.steps), _nodes(kept), dropped)


def bounds(model: Model, domains: Mapping[str, Domain]) -> Mapping[str, tuple[float, float]]:
    """Give certain bounds of the numbers in each output column, rounding included.

    Where a column may hold NaN, the bounds are those of its other rows.
    """
    _, env = _interpreted(model, domains)
    return {name: (env[name].low, env[name].high) for name in _columns_of(model.outputs)}


def rebuilt(model: Model, steps: tuple[s.Step, ...], outputs: Outputs) -> Model:
    """Make a model of some steps, with the columns that they read."""
    read = {name for step in steps for name in step.inputs}
    columns = tuple(column for column in model.signature.columns if column.name in read)
    background = {name: mean for name, mean in model.background.items() if name in read}
    return replace(
        model,
        signature=Signature(columns),
        steps=steps,
        outputs=outputs,
        background=MappingProxyType(background),
    )


def _interpreted(
    model: Model, domains: Mapping[str, Domain]
) -> tuple[list[s.Step], Mapping[str, Known]]:
    """Go through the steps with what is known of their inputs: give them narrowed, and all that."""
    env = {
        column.name: known_of(domains.get(column.name), column.type)
        for column in model.signature.columns
    }
    keys = {name for name in model.signature.names if model.is_key(name)}
    steps: list[s.Step] = []
    for step in model.steps:
        inputs = [env[name] for name in step.inputs]
        narrowed = narrowed_step(step, inputs, keys)
        steps += narrowed
        current = narrowed[0] if len(narrowed) == 1 else step
        known = known_outputs(current, [env[name] for name in current.inputs])
        env.update(zip(s.outputs_of(step), known, strict=True))
        keys |= _new_keys(step)
        for name in step.inputs:
            env[name] = after(step, env[name], is_key=name in keys)
    return steps, env


def _new_keys(step: s.Step) -> set[str]:
    """Name the key columns that a step writes."""
    if not isinstance(step, s.Impute):
        return set()
    pairs = zip(step.outputs, step.fills, strict=True)
    return {name for name, fill in pairs if not isinstance(fill, float)}


def _asked(outputs: Outputs, answers: frozenset[str] | None) -> Outputs:
    if answers is None:
        return outputs
    return replace(
        outputs,
        probabilities=outputs.probabilities if answers & set(outputs.probabilities) else (),
        margins=outputs.margins if answers & set(outputs.margins) else (),
    )


def _columns_of(outputs: Outputs) -> tuple[str, ...]:
    return (*outputs.prediction, *outputs.probabilities, *outputs.margins)


def _nodes(steps: Iterable[s.Step]) -> int:
    return sum(
        len(step.trees.feature) for step in steps if isinstance(step, s.Forest | s.LinearForest)
    )
