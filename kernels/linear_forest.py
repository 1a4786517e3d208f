"""Run a forest whose leaves are weighted sums of inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .binmask import MAX_LEAVES, BinMask
from .coding import codings_of
from .leaves import leaf_nodes, leaf_ranges
from .numpy_forest import BLOCK_ROWS
from .traversal import Traversal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from ..ir.steps import LinearForest
    from .columns import Values
    from .plans import LinearForestPlan


class LinearForestKernel:
    """The step, prepared once; running it keeps no state, so threads may share it."""

    def __init__(self, step: LinearForest, plan: LinearForestPlan) -> None:
        """Take the plan that runs it."""
        self._step = step
        self._plan = plan

    def run(self, values: Values) -> None:
        """Write the scores."""
        step, plan = self._step, self._plan
        scores = np.zeros((len(step.outputs), values.rows))
        plan.add_to(scores, {i: values.numbers(step.inputs[i]) for i in plan.inputs})
        for name, column in zip(step.outputs, scores, strict=True):
            values.put(name, column)


class NumpyLinearForest:
    """The step in numpy."""

    def __init__(self, step: LinearForest) -> None:
        """Build the codings, and number the inputs that terms read."""
        self._step = step
        self._codings = codings_of(step.trees)
        ranges = leaf_ranges(step.trees)
        self._leaves = leaf_nodes(step.trees, ranges)
        plan = BinMask if ranges.most_leaves <= MAX_LEAVES else Traversal
        self._plan = plan.of(step.trees, self._codings)
        self._read, self._place = np.unique(step.term_input, return_inverse=True)
        self._terms = np.diff(step.term_start)
        self.inputs: list[int] = sorted({*self._codings, *self._read.tolist()})

    def add_to(
        self, scores: NDArray[np.float64], inputs: Mapping[int, NDArray[np.float64]]
    ) -> None:
        """Add every tree's leaf to ``scores``, float64[outputs, rows], in the trees' order."""
        for start in range(0, scores.shape[1], BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            part = {index: column[block] for index, column in inputs.items()}
            self._add_block(scores[:, block], part)

    def _add_block(
        self, scores: NDArray[np.float64], inputs: Mapping[int, NDArray[np.float64]]
    ) -> None:
        step, rows = self._step, scores.shape[1]
        codes = {index: coding.encode(inputs[index]) for index, coding in self._codings.items()}
        x = np.zeros((len(self._read), rows))
        for row, index in zip(x, self._read.tolist(), strict=True):
            column = inputs[index]
            row[:] = np.where(np.abs(column) <= step.zero, 0.0, column)
        for tree, leaf in enumerate(self._find_leaves(codes, rows)):
            scores[step.trees.output[tree]] += self._sums(leaf, x)

    def _find_leaves(
        self, codes: Mapping[int, NDArray[np.intp]], rows: int
    ) -> Iterator[NDArray[np.intp]]:
        """Give, tree by tree, the node of each row's leaf."""
        if isinstance(self._plan, Traversal):
            yield from self._plan.leaves(codes, rows)
            return
        found = self._plan.positions(codes, rows)
        for leaves, position in zip(self._leaves, found, strict=True):
            yield leaves[position]

    def _sums(self, leaf: NDArray[np.intp], x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the weighted sum of each row's leaf, a term of all rows at a time."""
        step = self._step
        sums, terms = step.constants[leaf], self._terms[leaf]
        is_missing = np.zeros(len(leaf), np.bool_)
        for number in range(int(terms.max(initial=0))):
            rows = np.flatnonzero(terms > number)
            term = step.term_start[leaf[rows]] + number
            value = x[self._place[term], rows]
            is_missing[rows] |= np.isnan(value)
            sums[rows] += step.coefficients[term] * value
        return np.where(is_missing, step.trees.value[leaf], sums)
