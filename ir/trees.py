"""A forest as parallel arrays: no node objects, nothing to recurse over, easy to check."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from ..errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

LEAF = -1
"""The ``feature`` of a node that is a leaf."""


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """All trees of an ensemble, node after node, each tree's root first.

    A numeric node sends ``x <= threshold`` left, in float64, and a missing value (NaN) left where
    ``missing_left``. A categorical node sends a value left when its integer part, cut towards
    zero, is in the node's set; a missing or negative one goes right, unless ``missing_left``.
    Children have higher indices than their parent, so every walk ends.

    Attributes
    ----------
    feature : int32[nodes]
        Index into the step's inputs, or ``LEAF``.
    threshold : float64[nodes]
        The split value of a numeric node.
    left, right : int32[nodes]
        Indices of the children in these same arrays; 0 at leaves.
    missing_left : bool[nodes]
        Where NaN goes.
    category_set : int32[nodes]
        Which set a categorical node tests, or -1 at numeric nodes and leaves.
    set_start : int64[sets + 1]
        Where each set begins in ``set_values``.
    set_values : int32[...]
        The categories of each set, ascending and not negative.
    value : float64[nodes]
        What a leaf adds to the score; 0 at inner nodes.
    cover : float64[nodes]
        Training rows (or their weight) that reached the node; contributions are weighed by it.
    root : int32[trees]
        The first node of each tree.
    output : int32[trees]
        The score column to which each tree adds.
    """

    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    missing_left: NDArray[np.bool_]
    category_set: NDArray[np.int32]
    set_start: NDArray[np.int64]
    set_values: NDArray[np.int32]
    value: NDArray[np.float64]
    cover: NDArray[np.float64]
    root: NDArray[np.int32]
    output: NDArray[np.int32]

    def __post_init__(self) -> None:
        _check_shapes(self)
        _check_links(self)
        _check_sets(self)

    @property
    def count(self) -> int:
        """How many trees there are."""
        return len(self.root)

    @property
    def features(self) -> int:
        """One more than the highest input index that a split reads."""
        return int(self.feature.max(initial=LEAF)) + 1

    def slices(self) -> Iterator[slice]:
        """Where each tree's nodes lie."""
        ends = np.append(self.root[1:], len(self.feature))
        for start, end in zip(self.root.tolist(), ends.tolist(), strict=True):
            yield slice(start, end)

    def categories(self, index: int) -> NDArray[np.int32]:
        """List the members of one set."""
        return self.set_values[self.set_start[index] : self.set_start[index + 1]]

    def members(self, sets: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """List the members of some sets, one after the other, and say how many each has."""
        starts, sizes = self.set_start[sets], np.diff(self.set_start)[sets]
        places = np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)
        return self.set_values[places + np.arange(len(places))], sizes


def _refuse(message: str) -> None:
    raise BundleError("Malformed forest: " + message)


def _check_shapes(trees: Trees) -> None:
    per_node = {"feature", "threshold", "left", "right", "missing_left", "category_set"}
    per_node |= {"value", "cover"}
    nodes = len(trees.feature)
    for field in fields(trees):
        array = getattr(trees, field.name)
        if array.ndim != 1:
            _refuse(f"{field.name} has {array.ndim} dimensions, not 1.")
        if field.name in per_node and len(array) != nodes:
            _refuse(f"{field.name} has {len(array)} entries for {nodes} nodes.")
    if len(trees.output) != trees.count:
        _refuse(f"{len(trees.output)} outputs for {trees.count} trees.")
    if not trees.count or trees.root[0] != 0:
        _refuse("the first tree does not start at node 0.")
    # Without the sign, a difference that overflows would pass for an ascending one.
    if (trees.root < 0).any() or (np.diff(trees.root) <= 0).any() or (trees.root >= nodes).any():
        _refuse("the roots are not ascending node numbers.")


def _check_links(trees: Trees) -> None:
    nodes = np.arange(len(trees.feature))
    inner = trees.feature != LEAF
    end_of_tree = np.append(trees.root[1:], len(nodes))
    end = np.repeat(end_of_tree, np.diff(np.append(trees.root, len(nodes))))
    children = np.concatenate([trees.left[inner], trees.right[inner]])
    parents = np.concatenate([nodes[inner], nodes[inner]])
    if (children <= parents).any() or (children >= end[parents]).any():
        _refuse("a child does not come after its parent in the same tree.")
    parents_of_each = np.bincount(children)
    if parents_of_each.max(initial=0) > 1 or len(children) != len(nodes) - trees.count:
        _refuse("a node has no parent, or two.")
    if (trees.feature < LEAF).any():
        _refuse("a feature index is negative.")
    if np.isnan(trees.threshold[inner & (trees.category_set < 0)]).any():
        _refuse("a threshold is NaN.")


def _check_sets(trees: Trees) -> None:
    sets = len(trees.set_start) - 1
    if sets < 0 or trees.set_start[0] != 0 or trees.set_start[-1] != len(trees.set_values):
        _refuse("the category sets do not cover their values.")
    if (trees.set_start < 0).any() or (trees.set_values < 0).any():
        _refuse("a category set, or a category, is negative.")
    if (np.diff(trees.set_start) < 0).any():
        _refuse("a category set ends before it starts.")
    if (trees.category_set >= sets).any() or (trees.category_set < -1).any():
        _refuse("a node names a category set that is not there.")
    if (trees.category_set[trees.feature == LEAF] >= 0).any():
        _refuse("a leaf names a category set.")
    numeric = {int(f) for f in np.unique(trees.feature[trees.category_set < 0]) if f != LEAF}
    categorical = {int(f) for f in np.unique(trees.feature[trees.category_set >= 0])}
    if numeric & categorical:
        _refuse(f"inputs {sorted(numeric & categorical)} are split both by order and by set.")
