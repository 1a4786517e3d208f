"""Forest steps: pruned trees, constant trees folded into the start, inputs that no split reads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ...ir import steps as s
from ...ir.trees import LEAF
from .trees import prune_trees

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from ...ir import Trees
    from .domain import Known

AnyForest = TypeVar("AnyForest", s.Forest, s.LinearForest)
_NODES = ("feature", "threshold", "left", "right", "missing_left", "category_set", "value", "cover")


def prune_forest(step: s.Forest, inputs: Sequence[Known]) -> s.Forest:
    """Prune the trees of a forest; its sums keep their order and their bits."""
    leaves = step.trees.value.view(np.int64)
    return _folded(replace(step, trees=prune_trees(step.trees, inputs, leaves).trees))


def prune_linear_forest(step: s.LinearForest, inputs: Sequence[Known]) -> s.LinearForest:
    """Prune the trees of a forest whose leaves are weighted sums."""
    pruned = prune_trees(step.trees, inputs, _equal_sums(step))
    starts, ends = step.term_start[pruned.content], step.term_start[pruned.content + 1]
    offsets = np.cumsum([0, *(ends - starts)]).astype(np.int64)
    terms = np.repeat(starts - offsets[:-1], ends - starts) + np.arange(offsets[-1])
    return replace(
        step,
        trees=pruned.trees,
        constants=step.constants[pruned.content],
        term_start=offsets,
        term_input=step.term_input[terms],
        coefficients=step.coefficients[terms],
    )


def _equal_sums(step: s.LinearForest) -> NDArray[np.int64]:
    """Give leaves that are equal, bit for bit, the same number: int64[nodes]."""
    numbers: dict[tuple[bytes, ...], int] = {}
    found = np.zeros(len(step.trees.feature), np.int64)
    for node in np.flatnonzero(step.trees.feature == LEAF).tolist():
        terms = slice(step.term_start[node], step.term_start[node + 1])
        key = (
            step.constants[node].tobytes(),
            step.trees.value[node].tobytes(),
            step.term_input[terms].tobytes(),
            step.coefficients[terms].tobytes(),
        )
        found[node] = numbers.setdefault(key, len(numbers))
    return found


def with_output(step: s.Forest | s.LinearForest, names: Sequence[str]) -> s.Forest | s.LinearForest:
    """Leave some outputs, with their trees; the step itself where these have no tree."""
    places = [step.outputs.index(name) for name in names]
    kept = np.isin(step.trees.output, places)
    if len(places) == len(step.outputs) or not kept.any():
        return step
    number = np.zeros(len(step.outputs), np.int32)
    number[places] = np.arange(len(places))
    if isinstance(step, s.Forest):
        chosen = choose_trees(step, kept)
        trees = replace(chosen.trees, output=number[chosen.trees.output])
        return replace(chosen, outputs=tuple(names), trees=trees, start=step.start[places])
    linear = choose_trees(step, kept)
    trees = replace(linear.trees, output=number[linear.trees.output])
    return replace(linear, outputs=tuple(names), trees=trees)


def choose_trees(step: AnyForest, kept: NDArray[np.bool_]) -> AnyForest:
    """Leave out trees; ``kept`` is bool[trees]."""
    trees = step.trees
    sizes = np.diff(np.append(trees.root, len(trees.feature)))
    nodes = np.flatnonzero(np.repeat(kept, sizes))
    number = np.zeros(len(trees.feature), np.int32)
    number[nodes] = np.arange(len(nodes))
    inner = trees.feature[nodes] != LEAF
    arrays: dict[str, Any] = {name: getattr(trees, name)[nodes] for name in _NODES}
    for link in ("left", "right"):
        arrays[link] = np.where(inner, number[arrays[link]], 0).astype(np.int32)
    arrays |= {"root": number[trees.root[kept]], "output": trees.output[kept]}
    chosen = _with_used_sets(replace(trees, **arrays))
    if isinstance(step, s.Forest):
        return replace(step, trees=chosen)
    lengths = np.diff(step.term_start)
    terms = np.repeat(np.isin(np.arange(len(lengths)), nodes), lengths)
    return replace(
        step,
        trees=chosen,
        constants=step.constants[nodes],
        term_start=np.cumsum([0, *lengths[nodes]]).astype(np.int64),
        term_input=step.term_input[terms],
        coefficients=step.coefficients[terms],
    )


def _with_used_sets(trees: Trees) -> Trees:
    used, place = np.unique(trees.category_set, return_inverse=True)
    members = [trees.categories(index) for index in used.tolist() if index >= 0]
    first = int(used[0] < 0)
    return replace(
        trees,
        category_set=(place - first).astype(np.int32),
        set_start=np.cumsum([0, *map(len, members)]).astype(np.int64),
        set_values=np.concatenate([*members, np.zeros(0, np.int32)]).astype(np.int32),
    )


def _folded(step: s.Forest) -> s.Forest:
    """Add the constant trees before an output's first split to where its sum starts.

    Sums run from the start through the trees, so this is their own first part, bit for bit. The
    last tree stays where all are constant: a forest has one.
    """
    trees = step.trees
    start, kept = step.start.copy(), np.ones(trees.count, np.bool_)
    is_constant = trees.feature[trees.root] == LEAF
    if not sums_are_certain(step):
        return step
    varies = np.zeros(len(start), np.bool_)
    for tree, output in enumerate(trees.output.tolist()):
        if not is_constant[tree] or varies[output]:
            varies[output] = True
        elif tree < trees.count - 1 or kept[:-1].any():
            start[output] = added(float(start[output]), trees.value[[trees.root[tree]]], step)
            kept[tree] = False
    if kept.all():
        return step
    return replace(choose_trees(step, kept), start=start)


def added(start: float, leaves: NDArray[np.float64], step: s.Forest) -> float:
    """Add one leaf a tree as the kernel does, one by one."""
    with np.errstate(over="ignore", invalid="ignore"):
        terms = np.concatenate([[start], leaves]).astype(step.precision.value)
        return float(np.add.accumulate(terms)[-1])


def sums_are_certain(step: s.Forest) -> bool:
    """Whether all numbers are finite, and sums in float32 are of float32 numbers.

    A sum of two float32 numbers that is rounded to float64 and then to float32 is their sum in
    float32; of any other numbers it need not be.
    """
    numbers = np.concatenate([step.start, step.trees.value[step.trees.feature == LEAF]])
    with np.errstate(over="ignore"):
        rounded = numbers.astype(step.precision.value)
    return bool(np.isfinite(numbers).all() and np.array_equal(rounded, numbers))


def narrowed(
    step: s.Forest | s.LinearForest, sources: Collection[str]
) -> s.Forest | s.LinearForest:
    """Leave out the inputs that no tree reads; where none does, one stays.

    ``sources`` are the columns of the signature: of the inputs, one of them costs least.
    """
    trees = step.trees
    read = trees.feature != LEAF
    used = set(np.unique(trees.feature[read]).tolist())
    if isinstance(step, s.LinearForest):
        used |= set(np.unique(step.term_input).tolist())
    if not used:
        used = {next((i for i, name in enumerate(step.inputs) if name in sources), 0)}
    if len(used) == len(step.inputs):
        return step
    places = sorted(used)
    number = np.zeros(len(step.inputs), np.int32)
    number[places] = np.arange(len(places))
    inputs = tuple(step.inputs[place] for place in places)
    features = np.where(read, number[trees.feature], LEAF).astype(np.int32)
    renumbered = replace(trees, feature=features)
    if isinstance(step, s.Forest):
        return replace(step, inputs=inputs, trees=renumbered)
    return replace(step, inputs=inputs, trees=renumbered, term_input=number[step.term_input])
