"""Walk the trees node by node, all rows at once: for trees too large for a lane of bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..ir.trees import LEAF
from .coding import CategoryCoding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from ..ir import Trees
    from .coding import Coding


@dataclass(frozen=True, slots=True, eq=False)
class Traversal:
    """A forest of any size, compared by code.

    A numeric split is the highest code that goes left. ``member`` says for each category set
    which codes are in it: bool[sets, codes]. ``is_twin`` says which trees have the splits of the
    tree before, as those of a classifier's other classes do: their leaves are at the same places.
    """

    trees: Trees
    split: NDArray[np.intp]
    missing: NDArray[np.intp]
    member: NDArray[np.bool_]
    is_twin: NDArray[np.bool_]

    @classmethod
    def of(cls, trees: Trees, codings: Mapping[int, Coding]) -> Traversal:
        """Translate thresholds and sets into codes."""
        split = np.zeros(len(trees.feature), np.intp)
        missing = np.zeros(len(trees.feature), np.intp)
        most = max((coding.codes for coding in codings.values()), default=1)
        member = np.zeros((len(trees.set_start) - 1, most), np.bool_)
        for feature, coding in codings.items():
            nodes = trees.feature == feature
            missing[nodes] = coding.missing
            if isinstance(coding, CategoryCoding):
                for index in np.unique(trees.category_set[nodes]).tolist():
                    inside = np.searchsorted(coding.categories, trees.categories(index))
                    member[index, inside] = True
            else:
                split[nodes] = np.searchsorted(coding.thresholds, trees.threshold[nodes])
        return cls(trees, split, missing, member, twins_of(trees))

    def add_to(self, scores: NDArray[np.float64], codes: Mapping[int, NDArray[np.intp]]) -> None:
        """Add every tree's leaf to ``scores``, float64[outputs, rows], in the trees' order."""
        for tree, leaf in enumerate(self.leaves(codes, scores.shape[1])):
            scores[self.trees.output[tree]] += self.trees.value[leaf]

    def leaves(
        self, codes: Mapping[int, NDArray[np.intp]], rows: int
    ) -> Iterator[NDArray[np.intp]]:
        """Give, tree by tree, the node of each row's leaf: intp[rows]."""
        matrix = np.zeros((max(codes, default=0) + 1, rows), np.intp)
        for feature, column in codes.items():
            matrix[feature] = column
        leaf = np.zeros(rows, np.intp)
        for tree, root in enumerate(self.trees.root.tolist()):
            if not self.is_twin[tree]:
                leaf = self._leaf(root, matrix) - root
            yield leaf + root

    def _leaf(self, root: int, matrix: NDArray[np.intp]) -> NDArray[np.intp]:
        trees = self.trees
        at = np.full(matrix.shape[1], root)
        walking = np.arange(matrix.shape[1]) if trees.feature[root] != LEAF else np.arange(0)
        while len(walking):
            node = at[walking]
            next_node = np.where(
                self.goes_left(node, matrix[trees.feature[node], walking]),
                trees.left[node],
                trees.right[node],
            )
            at[walking] = next_node
            walking = walking[trees.feature[next_node] != LEAF]
        return at

    def goes_left(self, node: NDArray[np.intp], code: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Decide splits; ``node`` and ``code`` broadcast."""
        goes_left = code <= self.split[node]
        sets = self.trees.category_set[node]
        if (sets >= 0).any():
            goes_left = np.where(sets >= 0, self.member[sets, code], goes_left)
        return np.where(code == self.missing[node], self.trees.missing_left[node], goes_left)


def twins_of(trees: Trees) -> NDArray[np.bool_]:
    """Find the trees that differ from the tree before in their leaf values only: bool[trees]."""
    is_twin = np.zeros(trees.count, np.bool_)
    # Most trees have another size, or another first split.
    sizes = np.diff(trees.root, append=len(trees.feature))
    firsts = (sizes, trees.feature[trees.root], trees.threshold[trees.root])
    is_like = np.logical_and.reduce([each[1:] == each[:-1] for each in firsts])
    slices = list(trees.slices())
    for tree in (np.flatnonzero(is_like) + 1).tolist():
        is_twin[tree] = _splits_equal(trees, slices[tree - 1], slices[tree])
    return is_twin


def _splits_equal(trees: Trees, before: slice, here: slice) -> bool:
    plain = (trees.feature, trees.threshold, trees.missing_left, trees.category_set)
    if not all(np.array_equal(array[before], array[here]) for array in plain):
        return False
    inner = trees.feature[here] != LEAF
    distance = here.start - before.start
    links = (trees.left, trees.right)
    return all(np.array_equal(link[before][inner] + distance, link[here][inner]) for link in links)
