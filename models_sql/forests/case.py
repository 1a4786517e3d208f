"""Forests as nested CASE expressions, tree after tree in the library's order.

Every split is one comparison of a column that is ready: without NaN, and with thresholds that need
no cast. A subtree that lies deeper than the engine nests becomes a column of the stage before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...ir.trees import LEAF
from ..expressions import Expression, case, chain, fill, ref
from .splits import Splits
from .sums import check_leaves, put_sums, sum_problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ...ir import Trees
    from ...ir.steps import Forest, LinearForest
    from ..builder import Builder
    from ..expressions import Part
    from ..target import Target

    WriteLeaf = Callable[[int], Expression]

_RESERVE = 4
"""Levels that are left for what stands around a tree."""
_BYTES_A_SPLIT = 18
"""What stands around a threshold: ``WHEN c1 <=  THEN`` and spaces."""
_SAMPLE = 4_000
"""Literals of which the length is looked at."""
_SURELY = 0.97
"""How much of the length that they tell is certain."""


class CaseStrategy:
    """Nested CASEs: nothing but the query, for forests whose text fits the engine."""

    name = "case"

    def problem(self, step: Forest, builder: Builder) -> str | None:
        """Refuse what is longer than a statement, and float32 where there is none."""
        limits, target = builder.target.limits, builder.target
        if least_bytes(step.trees, target) > limits.bytes:
            nodes = len(step.trees.feature)
            return (
                f"its {nodes:,} nodes make a statement beyond the {limits.bytes:,} bytes that "
                f"{target.title} takes"
            )
        return sum_problem(step, builder)

    def emit(self, step: Forest, builder: Builder) -> None:
        """Write one sum an output."""
        check_leaves(step, builder)
        trees = CaseTrees(
            step, builder, lambda node: builder.literal(float(step.trees.value[node]))
        )
        put_sums(step, builder, [trees.tree(tree) for tree in range(step.trees.count)])


def least_bytes(trees: Trees, target: Target) -> float:
    """Tell how long the text of a forest is at least, before it is written."""
    is_split = (trees.feature != LEAF) & (trees.category_set < 0)
    splits, leaves = trees.threshold[is_split], trees.value[trees.feature == LEAF]
    length = len(splits) * (_BYTES_A_SPLIT + _mean_length(splits, target))
    return _SURELY * (length + len(leaves) * _mean_length(leaves, target))


def _mean_length(values: NDArray[np.float64], target: Target) -> float:
    sample = values[:: max(len(values) // _SAMPLE, 1)].tolist()
    return sum(len(target.literal(value) or "") for value in sample) / max(len(sample), 1)


def emit_linear_forest(step: LinearForest, builder: Builder) -> None:
    """Write a forest whose leaves are weighted sums."""
    builder_values = [*step.constants, *step.coefficients, *step.trees.value]
    if not np.isfinite(builder_values).all():
        builder.refuse("a leaf is not finite")
    terms = _LinearLeaves(step, builder)
    trees = CaseTrees(step, builder, terms.leaf)
    for index, output in enumerate(step.outputs):
        given = [trees.tree(t) for t in np.flatnonzero(step.trees.output == index).tolist()]
        total = builder.sum_of([builder.literal(0.0), *given])
        builder.put(output, builder.define(total, null=False, nan=True))


class CaseTrees:
    """Writes the trees of one forest."""

    def __init__(
        self, step: Forest | LinearForest, builder: Builder, write_leaf: WriteLeaf
    ) -> None:
        """Make the inputs ready once."""
        self._trees = step.trees
        self._builder = builder
        self._splits = Splits(step.trees, step.inputs, builder)
        self._write_leaf = write_leaf
        limits = builder.target.limits
        # Some levels are left for the sum of the trees.
        self._deepest = max(min(limits.cases, limits.depth) - _RESERVE, 2)

    def tree(self, index: int) -> Expression:
        """Write one tree."""
        return self._node(int(self._trees.root[index]), self._deepest)

    def _node(self, root: int, left: int) -> Expression:
        """Write a subtree in at most so many levels."""
        parts: list[Part] = []
        depth, cases = self._write(root, left, parts)
        joined = _joined(parts)
        is_leaf = self._trees.feature[root] == LEAF
        return Expression(joined, depth, not is_leaf or not str(joined[0]).startswith("-"), cases)

    def _write(self, node: int, left: int, parts: list[Part]) -> tuple[int, int]:
        """Append a subtree's text, and give its depth and its nested CASEs."""
        depth = cases = 0
        has_branch = False
        while self._trees.feature[node] != LEAF:
            split = self._splits.split(node)
            children = int(self._trees.left[node]), int(self._trees.right[node])
            if isinstance(split, bool):
                node = children[0] if split else children[1]
                continue
            if left <= 0:
                break
            first, node = children if split.holds_left else children[::-1]
            parts += ["" if has_branch else "CASE", " WHEN ", *split.parts, " THEN "]
            inner = self._write(first, left - 1, parts)
            depth, cases = max(depth, 1 + inner[0]), max(cases, 1 + inner[1])
            has_branch = True
        # What follows an ELSE is no level of its own: its branches continue the same CASE.
        parts += [" ELSE "] if has_branch else []
        last = self._end(node)
        parts += [*last.parts, " END"] if has_branch else last.parts
        return max(depth, has_branch + last.depth), max(cases, has_branch + last.cases)

    def _end(self, node: int) -> Expression:
        """Write a leaf, or make a column of a subtree that lies too deep."""
        if self._trees.feature[node] == LEAF:
            return self._write_leaf(node)
        below = self._node(node, self._deepest)
        return ref(self._builder.define(below, null=False, nan=False).name)


class _LinearLeaves:
    """Writes leaves that are weighted sums of inputs."""

    def __init__(self, step: LinearForest, builder: Builder) -> None:
        self._step = step
        self._builder = builder
        zero = builder.literal(0.0)
        self._columns = {}
        for index in sorted({int(i) for i in step.term_input}):
            column = builder.clean(step.inputs[index])
            if step.zero > 0:
                x, near = ref(column.name), builder.literal(step.zero)
                away = fill("{} BETWEEN {} AND {}", x, builder.literal(-step.zero), near)
                column = builder.define(case([(away, zero)], x), null=column.null, nan=False)
            self._columns[index] = column

    def leaf(self, node: int) -> Expression:
        """Write a leaf: its own value where one of its inputs is missing."""
        step, builder = self._step, self._builder
        terms = slice(int(step.term_start[node]), int(step.term_start[node + 1]))
        reads = [self._columns[int(index)] for index in step.term_input[terms]]
        total = [builder.literal(float(step.constants[node]))]
        for column, coefficient in zip(reads, step.coefficients[terms].tolist(), strict=True):
            weight = builder.literal(coefficient)
            total.append(fill("{} * {}", weight, ref(column.name), is_atom=False))
        instead = builder.literal(float(step.trees.value[node]))
        distinct = list({column.name: column for column in reads}.values())
        return case(builder.where_missing(distinct, instead), chain("+", total))


def _joined(parts: list[Part]) -> tuple[Part, ...]:
    """Join neighbouring pieces of text."""
    joined: list[Part] = []
    run: list[str] = []
    for part in parts:
        if isinstance(part, str):
            run.append(part)
            continue
        if run:
            joined.append("".join(run))
            run = []
        joined.append(part)
    return tuple([*joined, "".join(run)] if run else joined)
