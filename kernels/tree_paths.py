"""Lay trees out level after level, and find for each split the one before it on the same input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..ir.trees import LEAF

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ..ir import Trees


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Trees as positions: all roots, then level after level.

    Two siblings lie side by side, the left one first, in the order of their parents. Every
    position but a root also stands for the split that leads to it.

    Attributes
    ----------
    nodes : intp[positions]
        Which node of the forest lies at a position.
    roots : int
        How many trees there are.
    inner : intp[splits]
        The positions that are no leaf; the children of the ``i``-th lie at ``roots + 2 * i``.
    is_leaf : bool[positions]
        The others.
    parent : intp[positions]
        A root is its own parent.
    earlier : intp[positions]
        The last position above to which a split on the same input led; the root if none did.
    ratio : float64[positions]
        The cover of a position over that of its parent; 1 at roots.
    fraction : float64[positions]
        The product of ``ratio`` over the path's splits on the same input; 1 at roots.
    reach : float64[positions]
        The product of ``ratio`` over the whole path: the part of the training rows that get there.
    levels : tuple of (intp[...], slice)
        The inner positions of each level, and where their children lie.
    inputs : int
        On how many different inputs a path splits at most.
    """

    nodes: NDArray[np.intp]
    roots: int
    inner: NDArray[np.intp]
    is_leaf: NDArray[np.bool_]
    parent: NDArray[np.intp]
    earlier: NDArray[np.intp]
    ratio: NDArray[np.float64]
    fraction: NDArray[np.float64]
    reach: NDArray[np.float64]
    levels: tuple[tuple[NDArray[np.intp], slice], ...]
    inputs: int

    @classmethod
    def of(cls, trees: Trees, roots: NDArray[np.intp]) -> Paths:
        """Lay out the trees that start at ``roots``."""
        nodes = _level_order(trees, roots)
        is_leaf = trees.feature[nodes] == LEAF
        inner = np.flatnonzero(~is_leaf)
        parent = np.concatenate([np.arange(len(roots)), np.repeat(inner, 2)])
        earlier = _earlier(trees.feature[nodes[parent]], parent, len(roots))
        ratio = _ratio(trees.cover[nodes], parent, len(roots))
        levels = tuple(_levels(inner, len(roots)))
        fraction, reach = np.ones(len(nodes)), np.ones(len(nodes))
        inputs = np.zeros(len(nodes), np.intp)
        for above, below in levels:
            fraction[below] = fraction[earlier[below]] * ratio[below]
            reach[below] = np.repeat(reach[above], 2) * ratio[below]
            inputs[below] = np.repeat(inputs[above], 2) + (earlier[below] < len(roots))
        return cls(
            nodes=nodes,
            roots=len(roots),
            inner=inner,
            is_leaf=is_leaf,
            parent=parent,
            earlier=earlier,
            ratio=ratio,
            fraction=fraction,
            reach=reach,
            levels=levels,
            inputs=int(inputs.max(initial=0)),
        )


def _level_order(trees: Trees, roots: NDArray[np.intp]) -> NDArray[np.intp]:
    levels = [roots]
    while len(levels[-1]):
        inner = levels[-1][trees.feature[levels[-1]] != LEAF]
        children = np.stack([trees.left[inner], trees.right[inner]], axis=1)
        levels.append(children.ravel().astype(np.intp))
    return np.concatenate(levels)


def _levels(inner: NDArray[np.intp], roots: int) -> Iterator[tuple[NDArray[np.intp], slice]]:
    first, end = 0, roots
    while first < len(inner):
        last = int(np.searchsorted(inner, end))
        below = slice(roots + 2 * first, roots + 2 * last)
        yield inner[first:last], below
        first, end = last, below.stop


def _earlier(split: NDArray[np.int32], parent: NDArray[np.intp], roots: int) -> NDArray[np.intp]:
    """Climb from all positions at once; ``split`` is the input whose split leads to each."""
    earlier = parent.copy()
    climbing = np.arange(roots, len(parent))
    while len(climbing):
        at = earlier[climbing]
        climbing = climbing[(at >= roots) & (split[at] != split[climbing])]
        earlier[climbing] = parent[earlier[climbing]]
    return earlier


def _ratio(cover: NDArray[np.float64], parent: NDArray[np.intp], roots: int) -> NDArray[np.float64]:
    """Divide by the parent's cover; where that is 0, no training row goes either way."""
    above = cover[parent]
    ratio = np.divide(cover, above, out=np.zeros(len(cover)), where=above > 0)
    ratio[:roots] = 1.0
    return ratio
