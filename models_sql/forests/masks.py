"""Which leaves are left in each bin: words of bits, several trees in each.

Number a tree's leaves from left to right. A split that sends a row right rules out every leaf of
its left subtree, and among the leaves that are never ruled out the leftmost is the row's own.
Which splits of an input send a row right depends on its bin alone, so each input has one mask a
bin, and the lowest bit that the masks of all inputs leave set is the row's leaf.

Source: Lucchese et al., QuickScorer (SIGIR 2015), for the masks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.trees import LEAF

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from ...ir import Trees
    from .bins import Bins

WORD = 63
"""Bits of a word; the sign is left alone."""
WIDE_WORD = 127
_CANDIDATES = 256
"""Among how many trees those that share a word are looked for."""
_MOST_ROWS = 2**9
_MOST_WORDS = 2**18
"""How large a table for several inputs may be: it is made anew for each query."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tree's bits begin, and what its leaves are worth from left to right."""

    word: int
    shift: int
    values: list[float]


@dataclass(frozen=True, slots=True)
class Masks:
    """A forest as words.

    Attributes
    ----------
    places
        Of each tree.
    by_input
        The words that the splits of an input change, each with its mask in every bin.
    is_wide
        Whether words have 127 bits.
    """

    places: list[Place]
    by_input: dict[int, dict[int, list[int]]] = field(default_factory=dict)
    is_wide: bool = False


def masks_of(trees: Trees, bins: dict[int, Bins]) -> Masks:
    """Compute the masks of a forest whose trees have up to ``WIDE_WORD`` leaves."""
    first, count = _leaves(trees)
    most = int(count.max())
    is_wide = most > WORD
    places = _placed(trees, first, most, WIDE_WORD if is_wide else WORD)
    masks = Masks(places, is_wide=is_wide)
    full = _filled(places, most)
    found: dict[int, dict[int, NDArray[Any]]] = {}
    word = np.repeat([place.word for place in places], np.diff([*trees.root, len(trees.feature)]))
    shift = np.repeat([place.shift for place in places], np.diff([*trees.root, len(trees.feature)]))
    # Words of more than 63 bits are Python's own numbers.
    kind = np.dtype(object) if is_wide else np.dtype(np.int64)
    for feature, its_bins in bins.items():
        nodes = np.flatnonzero(trees.feature == feature)
        ones = np.left_shift(np.ones(len(nodes), kind), count[trees.left[nodes]]) - 1
        kept = ~np.left_shift(ones, first[trees.left[nodes]] + shift[nodes])
        for node, goes_left, mask in zip(
            nodes.tolist(), its_bins.left(trees, nodes), kept, strict=True
        ):
            words = found.setdefault(feature, {})
            given = words.setdefault(
                int(word[node]), np.full(its_bins.count, full[int(word[node])], kind)
            )
            given[~goes_left] &= mask
    masks.by_input.update(
        (feature, {word: given.tolist() for word, given in words.items()})
        for feature, words in found.items()
    )
    return masks


def runs(masks: Iterable[int]) -> tuple[list[int], list[int]]:
    """Give values that differ from those before, and how often each comes."""
    values: list[int] = []
    lengths: list[int] = []
    for mask in masks:
        if values and values[-1] == mask:
            lengths[-1] += 1
        else:
            values.append(mask)
            lengths.append(1)
    return values, lengths


def together(rows: Mapping[int, int], words: Mapping[int, Iterable[int]]) -> list[list[int]]:
    """Put inputs together whose words are looked up by a combination of their bins.

    That saves a lookup for each word that they share. ``rows`` are the bins of each input.
    """
    read = {feature: sum(1 << word for word in words[feature]) for feature in rows}
    groups: list[_Group] = []
    for feature in sorted(rows, key=lambda each: (-rows[each], each)):
        alone = _Group([feature], rows[feature], read[feature])
        fitting = [each for each in groups if each.fits(alone)]
        if fitting:
            max(fitting, key=lambda each: (each.words & alone.words).bit_count()).add(alone)
        else:
            groups.append(alone)
    return [group.members for group in groups]


@dataclass(slots=True)
class _Group:
    """Inputs, how many combinations of bins they have, and their words as bits."""

    members: list[int]
    rows: int
    words: int

    def fits(self, other: _Group) -> bool:
        """Whether a table for both is small."""
        rows, words = self.rows * other.rows, (self.words | other.words).bit_count()
        return rows <= _MOST_ROWS and rows * words <= _MOST_WORDS

    def add(self, other: _Group) -> None:
        """Take the other's inputs."""
        self.members += other.members
        self.rows *= other.rows
        self.words |= other.words


def most_leaves(trees: Trees) -> int:
    """Count the leaves of the largest tree."""
    return max(int((trees.feature[nodes] == LEAF).sum()) for nodes in trees.slices())


def _leaves(trees: Trees) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give the first leaf below each node, within its tree, and how many there are."""
    count = np.ones(len(trees.feature), np.intp)
    inner = np.flatnonzero(trees.feature != LEAF).tolist()
    # Children come behind their parents.
    for node in reversed(inner):
        count[node] = count[trees.left[node]] + count[trees.right[node]]
    first = np.zeros(len(trees.feature), np.intp)
    for node in inner:
        first[trees.left[node]] = first[node]
        first[trees.right[node]] = first[node] + count[trees.left[node]]
    return first, count


def _placed(trees: Trees, first: NDArray[np.intp], most: int, bits: int) -> list[Place]:
    """Lay trees side by side, as many as go into a word; one that is a leaf needs no bits."""
    values = [_values(trees, first, nodes) for nodes in trees.slices()]
    places = [Place(-1, 0, each) for each in values]
    splits = [index for index, each in enumerate(values) if len(each) > 1]
    for word, members in enumerate(_alike(trees, splits, bits // most)):
        for position, index in enumerate(members):
            places[index] = Place(word, position * most, values[index])
    return places


def _values(trees: Trees, first: NDArray[np.intp], nodes: slice) -> list[float]:
    """Give the values of a tree's leaves from left to right."""
    leaves = np.flatnonzero(trees.feature[nodes] == LEAF) + nodes.start
    return trees.value[leaves[np.argsort(first[leaves])]].tolist()


def _alike(trees: Trees, given: list[int], together: int) -> Iterable[list[int]]:
    """Put trees together that read the same inputs: a word then takes fewer lookups."""
    slices = list(trees.slices())
    reads = {index: frozenset(trees.feature[slices[index]].tolist()) for index in given}
    rest = given
    while rest:
        members, rest = rest[:1], rest[1:]
        inputs = set(reads[members[0]])
        while rest and len(members) < together:
            found = min(rest[:_CANDIDATES], key=lambda index: len(reads[index] - inputs))
            rest.remove(found)
            members.append(found)
            inputs |= reads[found]
        yield members


def _filled(places: list[Place], most: int) -> dict[int, int]:
    """Set all bits of the trees of each word."""
    full: dict[int, int] = {}
    for place in places:
        ones = ((1 << most) - 1) << place.shift
        full[place.word] = full.get(place.word, 0) | ones
    return full
