"""The conditions of splits, and what is computed once for all splits of an input."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from ...ir.steps import Function
from ..expressions import Ref, case, fill, ref

if TYPE_CHECKING:
    from ...ir import Trees
    from ..builder import Builder
    from ..columns import Number
    from ..expressions import Part

_SMALLEST_NORMAL = 2.0**-1022


@dataclass(frozen=True, slots=True)
class Split:
    """A condition, and whether a row for which it holds goes left.

    What is missing makes a condition NULL, which sends a row the other way.
    """

    parts: tuple[Part, ...]
    holds_left: bool


class Splits:
    """Writes the splits of one forest; ``columns`` are the inputs that they read, made ready."""

    def __init__(self, trees: Trees, inputs: tuple[str, ...], builder: Builder) -> None:
        """Make each input that is split ready: without NaN, and cut to its integer part."""
        self._trees = trees
        self._builder = builder
        self._target = builder.target
        self.columns: dict[int, Number] = {}
        for feature in sorted({int(f) for f in trees.feature if f >= 0}):
            column = builder.exact(inputs[feature])
            is_set = bool((trees.category_set[trees.feature == feature] >= 0).any())
            self.columns[feature] = _cut(column, builder) if is_set else column

    def split(self, node: int) -> Split | bool:
        """Write the condition of a node; True where all rows go left, False where none does."""
        trees = self._trees
        column = self.columns[int(trees.feature[node])]
        missing_left = bool(trees.missing_left[node]) and column.null
        if trees.category_set[node] >= 0:
            return self._by_set(column, node, missing_left)
        return self._by_order(column, float(trees.threshold[node]), missing_left)

    def _by_order(self, column: Number, threshold: float, missing_left: bool) -> Split | bool:
        if 0 < abs(threshold) < _SMALLEST_NORMAL and not self._target.has_denormals:
            if self._target.has_denormals is None:
                self._builder.refuse(f"{self._target.title} may lack the number {threshold!r}")
            # No row holds a number between 0 and the smallest normal one, on either side.
            threshold = 0.0 if threshold > 0 else -_SMALLEST_NORMAL
        written = self._target.literal(threshold)
        if written is None or threshold == math.inf:
            return _all_one_way(column, threshold > 0, missing_left)
        sign = ">" if missing_left else "<="
        return Split((Ref(column.name), f" {sign} {written}"), not missing_left)

    def _by_set(self, column: Number, node: int, missing_left: bool) -> Split | bool:
        trees = self._trees
        members = trees.categories(int(trees.category_set[node])).tolist()
        if not members:
            return _all_one_way(column, False, missing_left)
        tests = self._tests(column.name, members)
        if missing_left:
            # Engines differ in whether NULL is in no list, so that is asked first.
            there = (Ref(column.name), " IS NOT NULL AND NOT (")
            return Split((*there, *tests, ")"), holds_left=False)
        return Split(tests, holds_left=True)

    def _tests(self, name: str, members: list[int]) -> tuple[Part, ...]:
        """Test for membership: runs of three and more by their ends, all others in one list."""
        number = self._target.number
        runs: list[list[int]] = [[members[0]]]
        for before, member in pairwise(members):
            if member == before + 1:
                runs[-1].append(member)
            else:
                runs.append([member])
        single = [member for run in runs if len(run) < 3 for member in run]  # noqa: PLR2004
        tests = [
            f" BETWEEN {number(float(run[0]))} AND {number(float(run[-1]))}"
            for run in runs
            if len(run) >= 3  # noqa: PLR2004 - a run of two is shorter in the list
        ]
        if single:
            tests.append(f" IN ({', '.join(number(float(member)) for member in single)})")
        parts: list[Part] = []
        for test in tests:
            parts += [*([" OR "] if parts else []), Ref(name), test]
        return tuple(parts)


def _all_one_way(column: Number, left: bool, missing_left: bool) -> Split | bool:
    """Send all that is there one way; missing values may go the other."""
    if not column.null or left == missing_left:
        return left
    return Split((Ref(column.name), " IS NOT NULL"), left)


def _cut(column: Number, builder: Builder) -> Number:
    """Give the integer part, towards zero, of what may be a category."""
    if column.whole:
        return column
    x, zero = ref(column.name), builder.literal(0.0)
    near = fill("{} < {} AND {} > {}", x, zero, x, builder.literal(-1.0), is_atom=False)
    part = case([(near, zero)], builder.function(Function.FLOOR, x))
    return builder.define(part, null=column.null, nan=False, whole=True)
