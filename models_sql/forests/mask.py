"""Forests as lookups: inputs become bins, bins give words of bits, and bits name the leaves.

The query reads a table of words for each input, joined by the bin, and combines the words of all
inputs with one AND each, for several trees at once. So it takes the time of so many lookups as
there are inputs and words, and is planned in a small part of the time that the CASEs take.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...ir.trees import LEAF
from ..expressions import Expression, cell, chain, fill, ref, text
from .bins import MOST_CATEGORIES, Bins, Coder, listed, one_row
from .masks import WIDE_WORD, masks_of, most_leaves, runs, together
from .sums import check_leaves, put_sums, sum_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...ir.steps import Forest
    from ..builder import Builder
    from ..target import ConstantLists
    from .masks import Masks


class MaskStrategy:
    """Lookups in lists of the statement, where the target has them."""

    name = "mask"

    def problem(self, step: Forest, builder: Builder) -> str | None:
        """Refuse what has no place in a word or a list."""
        target, trees = builder.target, step.trees
        if target.constant_lists is None:
            return f"{target.title} has no lists of constants that are looked up"
        leaves = most_leaves(trees)
        if leaves > WIDE_WORD:
            return f"a tree has {leaves} leaves, and a word has {WIDE_WORD} bits"
        largest = int(trees.set_values.max(initial=0))
        if largest >= MOST_CATEGORIES:
            return f"it splits by category {largest:,}, and lists go up to {MOST_CATEGORIES - 1:,}"
        return sum_problem(step, builder)

    def emit(self, step: Forest, builder: Builder) -> None:
        """Write the words, and one sum an output."""
        lists = builder.target.constant_lists
        if lists is None:
            builder.refuse(str(self.problem(step, builder)))
        check_leaves(step, builder)
        _Lookups(step, builder, lists).emit()


class _Lookups:
    def __init__(self, step: Forest, builder: Builder, lists: ConstantLists) -> None:
        self._step = step
        self._builder = builder
        self._lists = lists
        features = sorted({int(feature) for feature in step.trees.feature if feature != LEAF})
        self._bins = {feature: Bins.of(step.trees, feature) for feature in features}

    def emit(self) -> None:
        """Write the forest from its inputs to its sums."""
        masks = masks_of(self._step.trees, self._bins)
        keys = self._coded()
        words = self._words(masks, keys)
        put_sums(self._step, self._builder, self._values(masks, words))

    def _coded(self) -> Mapping[int, tuple[str, int]]:
        """Name the column of each input's bins, with the most that is expected in it."""
        coder = Coder(self._builder, self._lists)
        keys: dict[int, tuple[str, int]] = {}
        for feature, bins in self._bins.items():
            # Missing numbers have a bin, whether they are NULL or NaN.
            column = self._builder.exact(self._step.inputs[feature], clean=False)
            keys[feature] = coder.code(bins, column)
        coder.close()
        return keys

    def _words(self, masks: Masks, keys: Mapping[int, tuple[str, int]]) -> Mapping[int, str]:
        """Name the column of each word."""
        terms: dict[int, list[Expression]] = {}
        packed = self._builder.add_relation("")
        constants: dict[str, str] = {}
        for feature, by_word in sorted(masks.by_input.items()):
            constants[f"a{feature}"] = self._packed(by_word, is_wide=masks.is_wide)
        rows = {feature: most for feature, (_, most) in keys.items()}
        for members in together(rows, masks.by_input):
            key = self._key([keys[feature] for feature in members])
            table = self._table(members, rows, masks, packed)
            relation = self._builder.add_relation(f"{table} CROSS JOIN {packed}")
            for word in sorted({word for each in members for word in masks.by_input[each]}):
                terms.setdefault(word, []).append(cell(relation, f"w{word}", key))
        self._builder.relations[packed] = one_row(constants)
        return {word: self._define(chain("&", each)) for word, each in sorted(terms.items())}

    def _key(self, given: list[tuple[str, int]]) -> str:
        """Name the column of the number of a combination of bins, from 1."""
        (name, _), *rest = given
        for other, most in rest:
            scaled = fill("{} * {}", ref(name), text(str(most)), is_atom=False)
            number = fill("{} + ({} - {})", scaled, ref(other), text(str(most)), is_atom=False)
            name = self._define(number)
        return name

    def _packed(self, by_word: Mapping[int, list[int]], *, is_wide: bool) -> str:
        """Write the masks of all words of an input, one behind the other."""
        template = self._lists.wide_words if is_wide else self._lists.words
        values, lengths = runs(mask for _, word in sorted(by_word.items()) for mask in word)
        none, given = (template.replace("{}", listed(each)) for each in ((), values))
        times = self._lists.integers.replace("{}", listed(lengths))
        return str(fill(self._lists.repeated, text(none), text(given), text(times)))

    def _table(self, members: list[int], rows: Mapping[int, int], masks: Masks, packed: str) -> str:
        """Write the query for a table of words by the bins of some inputs."""
        count = text(str(math.prod(rows[feature] for feature in members)))
        columns = [f"{fill(self._lists.number, count)} AS k"]
        terms: dict[int, list[Expression]] = {}
        places: list[str] = []
        below = int(str(count))
        for feature in members:
            below //= rows[feature]
            digit = fill(self._lists.digit, text("n"), text(str(below)), text(str(rows[feature])))
            places.append(f"{digit} AS p{feature}")
            for index, word in enumerate(sorted(masks.by_input[feature])):
                offset = text(str(index * self._bins[feature].count))
                place = chain("+", [text(f"p{feature}"), offset])
                given = fill(self._lists.at, text(f"{packed}.a{feature}"), place)
                terms.setdefault(word, []).append(given)
        columns += [f"{chain('&', each)} AS w{word}" for word, each in sorted(terms.items())]
        numbers = fill(self._lists.numbers, count)
        bins = f"(SELECT n, {', '.join(places)} FROM {numbers}) AS bins"  # noqa: S608 - no user text
        return f"    SELECT\n      {', '.join(columns)}\n    FROM {bins}"

    def _values(self, masks: Masks, words: Mapping[int, str]) -> list[Expression]:
        """Look up each tree's leaf.

        A list stands where it is read: as columns, all lists would be copied in each stage.
        """
        values: list[Expression] = []
        for place in masks.places:
            if len(place.values) == 1:
                values.append(self._builder.literal(place.values[0]))
                continue
            leaves = text(self._lists.doubles.replace("{}", listed(place.values)))
            word = ref(words[place.word])
            if place.shift:
                word = fill(self._lists.right, word, text(str(place.shift)))
            values.append(fill(self._lists.at, leaves, fill(self._lists.low_bits, word)))
        return values

    def _define(self, expression: Expression) -> str:
        return self._builder.define(expression, null=False, nan=False, whole=True).name
