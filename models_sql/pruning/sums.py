"""Bounds of a forest's sums, with the roundings of the library's order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...ir.trees import LEAF
from .domain import ANY, Known, between
from .forests import added, sums_are_certain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ...ir import Trees
    from ...ir import steps as s


def tree_bounds(trees: Trees) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the least and the largest leaf of each tree: float64[trees] each."""
    return _per_tree(trees, trees.value, trees.value)


def forest_bounds(step: s.Forest) -> list[Known]:
    """Bound each output.

    A rounded sum never falls where one of its terms rises, so adding every tree's least leaf, in
    the library's order and precision, gives the least sum that any row can have.
    """
    if not sums_are_certain(step):
        return [ANY] * len(step.outputs)
    lows, highs = tree_bounds(step.trees)
    found: list[Known] = []
    for output, start in enumerate(step.start.tolist()):
        trees = step.trees.output == output
        ends = added(start, lows[trees], step), added(start, highs[trees], step)
        found.append(between(*ends, missing=False))
    return found


def linear_forest_bounds(step: s.LinearForest, inputs: Sequence[Known]) -> list[Known]:
    """Bound each output of a forest whose leaves are weighted sums."""
    numbers = [step.constants, step.coefficients, step.trees.value]
    read = [inputs[place] for place in np.unique(step.term_input).tolist()]
    if not all(np.isfinite(each).all() for each in numbers) or any(
        known.is_empty or not known.is_finite for known in read
    ):
        return [ANY] * len(step.outputs)
    with np.errstate(all="ignore"):
        lows, highs = _per_tree(step.trees, *_leaf_bounds(step, inputs))
        low, high = np.zeros(len(step.outputs)), np.zeros(len(step.outputs))
        for tree, output in enumerate(step.trees.output.tolist()):
            low[output] += lows[tree]
            high[output] += highs[tree]
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        return [ANY] * len(step.outputs)
    return [between(*ends, missing=False) for ends in zip(low.tolist(), high.tolist(), strict=True)]


def _leaf_bounds(
    step: s.LinearForest, inputs: Sequence[Known]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the least and the largest value of each leaf, term after term as the kernel adds."""
    least = np.array([known.low for known in inputs])
    most = np.array([known.high for known in inputs])
    # Small numbers enter as 0, which can lie outside of their bounds.
    is_small = (least <= step.zero) & (most >= -step.zero)
    least, most = (
        np.where(is_small, np.minimum(least, 0.0), least),
        np.where(is_small, np.maximum(most, 0.0), most),
    )
    gaps = np.array([known.missing for known in inputs])
    low, high = step.constants.copy(), step.constants.copy()
    lengths = np.diff(step.term_start)
    can_miss = np.zeros(len(low), np.bool_)
    for number in range(int(lengths.max(initial=0))):
        nodes = np.flatnonzero(lengths > number)
        term = step.term_start[nodes] + number
        place, weight = step.term_input[term], step.coefficients[term]
        ends = weight * least[place], weight * most[place]
        low[nodes] += np.minimum(*ends)
        high[nodes] += np.maximum(*ends)
        can_miss[nodes] |= gaps[place]
    value = step.trees.value
    return (
        np.where(can_miss, np.minimum(low, value), low),
        np.where(can_miss, np.maximum(high, value), high),
    )


def _per_tree(
    trees: Trees, low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    is_leaf = trees.feature == LEAF
    return (
        np.minimum.reduceat(np.where(is_leaf, low, np.inf), trees.root),
        np.maximum.reduceat(np.where(is_leaf, high, -np.inf), trees.root),
    )
