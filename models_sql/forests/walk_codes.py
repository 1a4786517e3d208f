"""Codes of a row: how many thresholds of a column lie below its number, and on which side it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..expressions import Expression, bare, case, fill, fill_named, ref, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..builder import Builder
    from ..columns import Number
    from .packing import Entry, Packed
    from .splits import Splits

    Element = Callable[[Expression], Expression]
    Part = Callable[[int, int], Expression]


class Codes:
    """Writes the codes of a row as whole numbers."""

    def __init__(self, packed: Packed, splits: Splits, builder: Builder, whole: str) -> None:
        """Take ``whole``, a cast to 64 bits."""
        self._packed = packed
        self._splits = splits
        self._builder = builder
        self._whole = whole
        self._unit = 1 << packed.entry_bits
        self._counts: dict[int, Expression] = {}

    def entries(self) -> list[Expression]:
        """Write the code of each entry, shifted to its place in a record."""
        return [self._entry(entry) for entry in self._packed.entries]

    def count_by_halves(self, element: Element) -> None:
        """Count the thresholds below each number, in a stage a halving."""
        offset = 0
        for feature, thresholds in self._packed.thresholds.items():
            column = self._splits.columns[feature]
            self._counts[feature] = self._halve(column, offset, len(thresholds), element)
            offset += len(thresholds)

    def count_by_function(self, template: str, part: Part) -> None:
        """Count the thresholds below each number by a function of the engine."""
        offset = 0
        for feature, thresholds in self._packed.thresholds.items():
            count = text("0")
            if len(thresholds):
                x = ref(self._splits.columns[feature].name)
                count = fill_named(template, value=x, array=part(offset + 1, len(thresholds)))
            self._counts[feature] = self._define(fill(self._whole, count))
            offset += len(thresholds)

    def _halve(self, column: Number, offset: int, length: int, element: Element) -> Expression:
        below = fill(self._whole, text("0"))
        while length:
            half = max(length // 2, 1)
            place = fill(f"{{}} + {offset + half}", below, is_atom=False)
            is_above = fill("{} < {}", element(bare(place)), ref(column.name), is_atom=False)
            onward = fill(f"{{}} + {half}", below, is_atom=False)
            below = self._define(case([(is_above, onward)], below))
            length = length - half if length > 1 else 0
        return below

    def _define(self, expression: Expression) -> Expression:
        return ref(self._builder.define(expression, null=False, nan=False).name)

    def _entry(self, entry: Entry) -> Expression:
        if entry.is_set:
            return self._of_set(entry)
        column = self._splits.columns[entry.feature]
        shifted = fill(f"{{}} * {self._unit}", self._counts[entry.feature], is_atom=False)
        most = len(self._packed.thresholds[entry.feature]) + 1
        instead = self._constant(0 if entry.missing_left else most)
        return case(self._builder.where_missing([column], instead), bare(shifted))

    def _of_set(self, entry: Entry) -> Expression:
        """Write 0 where a row goes left, else 1."""
        split = self._splits.split(entry.node)
        left, right = self._constant(0), self._constant(1)
        if isinstance(split, bool):
            return left if split else right
        if not split.holds_left:
            left, right = right, left
        return case([(Expression(split.parts, 0, is_atom=True), left)], right)

    def _constant(self, code: int) -> Expression:
        return fill(self._whole, text(str(code * self._unit)))
