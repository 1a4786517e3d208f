"""Rows that tell the two sides of every split apart.

Random rows seldom lie on a threshold of a large forest and reach its split at once. So every split
gets rows of its own: a training row that reaches it, with the one value that it reads put on the
threshold, and one step to either side, or into each of its categories and out of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ScoringError
from ..ir import ColumnType
from ..ir import steps as s
from ..ir.steps import Operator
from ..ir.trees import LEAF
from ..kernels import Scorer
from ..kernels.coding import CategoryCoding, codings_of
from ..kernels.traversal import Traversal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    from ..ir import Model, Scalar
    from ..kernels.columns import Values

    AnyForest = s.Forest | s.LinearForest
    Change = tuple[int, str, Scalar | None]
    """A row of the table, and the value that one of its columns is given."""

_MOST_TRAINING_ROWS = 10_000
_MOST_CATEGORIES = 64
_INT64 = 2**63 - 1


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where an input of a forest comes from: a source column, and the steps on the way."""

    source: str
    chain: tuple[tuple[s.Step, int], ...] = ()


def split_changes(model: Model, table: pa.Table, rng: np.random.Generator) -> list[Change]:
    """List the rows to make; a change to None is a training row with a missing value.

    A change of no column, named ``""``, is a training row as it is: with such rows every leaf that
    a training row reaches is reached.
    """
    forests = [step for step in model.steps if isinstance(step, s.Forest | s.LinearForest)]
    if not forests or not len(table):
        return []
    picked = rng.permutation(len(table))[:_MOST_TRAINING_ROWS]
    scorer = Scorer(model, None)
    try:
        values = scorer.run(scorer.decoder.decode(table.take(picked)))
    except ScoringError:
        # The rows of the boundaries will show whether the library refuses them too.
        return []
    origins = origins_of(model)
    changes: dict[Change, None] = {}
    for step in forests:
        around = _Around(step, values, rng)
        for node, row in enumerate(_witnesses(step, values).tolist()):
            if row >= 0:
                found = _changes(model, step, node, origins, around)
                changes |= {(int(picked[row]), name, value): None for name, value in found}
    return list(changes)


def origins_of(model: Model) -> dict[str, Origin]:
    """Trace columns back to the source column from which they are computed."""
    origins = {name: Origin(name) for name in model.signature.names}
    for step in model.steps:
        match step:
            case s.Impute() | s.NullIf() | s.Clip() | s.Arithmetic() | s.Lookup():
                reads = step.inputs
            case s.OneHot():
                reads = step.inputs * len(step.outputs)
            case _:
                continue
        for index, (read, written) in enumerate(zip(reads, step.outputs, strict=True)):
            if read in origins:
                before = origins[read]
                origins[written] = Origin(before.source, (*before.chain, (step, index)))
    return origins


def _witnesses(step: AnyForest, values: Values) -> NDArray[np.intp]:
    """Give, for each node, a row that reaches it, or -1."""
    trees = step.trees
    codings = codings_of(trees)
    decisions = Traversal.of(trees, codings)
    codes = np.zeros((trees.features, values.rows), np.intp)
    for index, coding in codings.items():
        codes[index] = coding.encode(values.numbers(step.inputs[index]))
    found = np.full(len(trees.feature), -1, np.intp)
    for root in trees.root.tolist():
        rows, node = np.arange(values.rows), np.full(values.rows, root)
        while len(rows):
            found[node] = rows
            inner = trees.feature[node] != LEAF
            rows, node = rows[inner], node[inner]
            goes_left = decisions.goes_left(node, codes[trees.feature[node], rows])
            node = np.where(goes_left, trees.left[node], trees.right[node])
    return found


class _Around:
    """Values on either side of a split, as the forest reads them."""

    def __init__(self, step: AnyForest, values: Values, rng: np.random.Generator) -> None:
        self._trees = step.trees
        self._rng = rng
        self._categories: dict[int, NDArray[np.float64]] = {}
        for index, coding in codings_of(step.trees).items():
            if isinstance(coding, CategoryCoding):
                seen = values.numbers(step.inputs[index])
                known = np.concatenate([coding.categories, np.trunc(seen[np.isfinite(seen)])])
                edge = [known.max(initial=0) + 1]
                self._categories[index] = np.unique(np.concatenate([known.astype(float), edge]))

    def values(self, node: int) -> list[float]:
        """List a threshold and its neighbours, or categories in the set and out of it."""
        if self._trees.category_set[node] < 0:
            threshold = float(self._trees.threshold[node])
            return [threshold, *_neighbours(threshold)]
        categories = self._categories[int(self._trees.feature[node])]
        if len(categories) > _MOST_CATEGORIES:
            categories = self._rng.choice(categories, _MOST_CATEGORIES, replace=False)
        return [float(value) for value in categories]


def _changes(
    model: Model, step: AnyForest, node: int, origins: Mapping[str, Origin], around: _Around
) -> Iterator[tuple[str, Scalar | None]]:
    trees = step.trees
    if trees.feature[node] == LEAF:
        yield "", None
        if isinstance(step, s.LinearForest):
            terms = step.term_input[step.term_start[node] : step.term_start[node + 1]]
            read = (origins.get(step.inputs[index]) for index in terms.tolist())
            yield from ((origin.source, None) for origin in read if origin is not None)
        return
    origin = origins.get(step.inputs[trees.feature[node]])
    if origin is None:
        return
    yield origin.source, None
    column_type = model.signature[origin.source].type
    values: list[Any] = list(around.values(node))
    for passed, position in reversed(origin.chain):
        values = [value for y in values for value in _before(passed, position, y)]
    for value in values:
        for plain in _plain(value, column_type):
            yield origin.source, plain


def _neighbours(value: float) -> tuple[float, float]:
    with np.errstate(over="ignore"):
        return float(np.nextafter(value, -np.inf)), float(np.nextafter(value, np.inf))


_INVERSE: Mapping[Operator, Callable[[float, float], float]] = {
    Operator.ADD: lambda y, c: y - c,
    Operator.SUBTRACT: lambda y, c: y + c,
    Operator.SUBTRACT_FROM: lambda y, c: c - y,
    Operator.MULTIPLY: lambda y, c: y / c if c else y,
    Operator.DIVIDE: lambda y, c: y * c,
    Operator.MODULO: lambda y, _: y,
    Operator.POWER: lambda y, _: y,
}


def _before(step: s.Step, position: int, y: float) -> list[Any]:
    """List values that a step turns into ``y``, or into its neighbours."""
    match step:
        case s.Arithmetic():
            near = _INVERSE[step.operator](y, float(step.operands[position]))
            return [near, *_neighbours(near)]
        case s.NullIf():
            return [y, step.low, step.high]
        case s.Lookup():
            order = np.argsort(step.values, kind="stable")
            above = int(np.searchsorted(step.values[order], y, side="right"))
            return [step.keys[i] for i in order[max(above - 1, 0) : above + 1].tolist()]
        case s.OneHot():
            others = np.delete(step.codes, position)[:1]
            return [float(step.codes[position]), *others.tolist()]
        case _:
            return [y]


def _plain(value: Any, column_type: ColumnType) -> list[Scalar]:
    """Give a value as values of the column's type: an integer column has no value between two."""
    match column_type:
        case ColumnType.DOUBLE:
            return [float(value)]
        case ColumnType.BOOLEAN:
            return [False, True]
        case ColumnType.BIGINT if isinstance(value, float):
            whole = int(np.floor(np.clip(value, -_INT64, _INT64 // 2)))
            return [whole, whole + 1] if np.isfinite(value) else []
        case _:
            return [value]
