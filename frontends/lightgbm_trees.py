"""LightGBM's trees as arrays, with its missing-value and zero rules resolved.

Source: ``Tree::NumericalDecision`` and ``Tree::CategoricalDecision`` in include/LightGBM/tree.h.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..ir import Trees
from ..ir.thresholds import around_zero
from ..ir.trees import LEAF

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .lightgbm_text import ModelText, TreeText

_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_NONE, _MISSING_ZERO = 0, 1
_SIZES = {
    **dict.fromkeys(("leaf_weight", "leaf_count"), 0),
    **dict.fromkeys(("internal_value", "internal_weight", "internal_count"), -1),
    **dict.fromkeys(("split_feature", "split_gain", "threshold", "decision_type"), -1),
    **dict.fromkeys(("left_child", "right_child"), -1),
}
"""How many more numbers than leaves there are of each kind."""
_LAST_DECISION = 11
"""All flags of the type of missing value that has the highest number, NaN."""


class BuiltTrees(NamedTuple):
    """Trees, and the features that some splits must read with zeros made missing.

    Input ``features + i`` of the trees is feature ``zero_is_missing[i]`` in that form.
    """

    trees: Trees
    zero_is_missing: tuple[int, ...]


class _Nodes(NamedTuple):
    """One tree's nodes: first the splits, then the leaves, each in LightGBM's order."""

    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    missing_left: NDArray[np.bool_]
    category_set: NDArray[np.int32]
    value: NDArray[np.float64]
    cover: NDArray[np.float64]
    reads_zero_as_missing: NDArray[np.bool_]
    sets: list[NDArray[np.int32]]


def build_trees(text: ModelText, *, keeps_tiny: bool = False) -> BuiltTrees:
    """Join all trees into one set of arrays.

    ``keeps_tiny`` says that LightGBM compares numbers of at most 1e-35 as they are, and not as 0.
    """
    for tree in text.trees:
        _check(tree, text.features)
    parts = [_nodes(tree, keeps_tiny=keeps_tiny) for tree in text.trees]
    sizes = np.array([len(part.feature) for part in parts], np.int32)
    root = np.cumsum(np.concatenate([[0], sizes[:-1]])).astype(np.int32)[: len(parts)]
    zero_null = np.concatenate([part.reads_zero_as_missing for part in parts])
    feature = np.concatenate([part.feature for part in parts])
    special = np.unique(feature[zero_null])
    feature[zero_null] = text.features + np.searchsorted(special, feature[zero_null])
    sets = [members for part in parts for members in part.sets]
    lengths = np.array([len(members) for members in sets], np.int64)
    trees = Trees(
        feature=feature.astype(np.int32),
        threshold=np.concatenate([part.threshold for part in parts]),
        left=_shifted([part.left for part in parts], root, feature),
        right=_shifted([part.right for part in parts], root, feature),
        missing_left=np.concatenate([part.missing_left for part in parts]),
        category_set=_renumbered_sets(parts),
        set_start=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        set_values=np.concatenate([*sets, np.zeros(0, np.int32)]).astype(np.int32),
        value=np.concatenate([part.value for part in parts]),
        cover=np.concatenate([part.cover for part in parts]),
        root=root,
        output=(np.arange(len(parts)) % text.outputs).astype(np.int32),
    )
    return BuiltTrees(trees, tuple(special.tolist()))


def _check(tree: TreeText, features: int) -> None:
    """Refuse a block whose numbers no LightGBM writes, before anything is sized by them.

    What else can be wrong with a tree is checked by :class:`~..ir.trees.Trees`.

    Raises
    ------
    ValueError
        If there are too few leaves, or a split is of no known kind.
    """
    if not 1 <= tree.leaves == len(tree.array("leaf_value", np.float64)):
        msg = f"a tree of {tree.leaves} leaves does not list them"
        raise ValueError(msg)
    for name, sizes in _SIZES.items():
        if tree.count(name) not in {0, tree.leaves + sizes}:
            msg = f"a tree of {tree.leaves} leaves has {tree.count(name)} numbers of {name}"
            raise ValueError(msg)
    feature = tree.array("split_feature", np.int64)
    if ((feature < 0) | (feature >= features)).any():
        msg = "a tree splits on a feature that is not there"
        raise ValueError(msg)
    decision = tree.array("decision_type", np.int64)
    if ((decision < 0) | (decision > _LAST_DECISION)).any():
        msg = "a tree decides in a way that is not known"
        raise ValueError(msg)


def _shifted(
    children: list[NDArray[np.int32]], root: NDArray[np.int32], feature: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Renumber children from their tree's nodes to all nodes; leaves have none."""
    moved = [links + start for links, start in zip(children, root, strict=True)]
    return np.where(feature == LEAF, 0, np.concatenate(moved)).astype(np.int32)


def _renumbered_sets(parts: list[_Nodes]) -> NDArray[np.int32]:
    renumbered: list[NDArray[np.int32]] = []
    before = 0
    for part in parts:
        renumbered.append(np.where(part.category_set < 0, -1, part.category_set + before))
        before += len(part.sets)
    return np.concatenate(renumbered).astype(np.int32)


def _nodes(tree: TreeText, *, keeps_tiny: bool) -> _Nodes:
    splits = tree.leaves - 1
    decision = tree.array("decision_type", np.int64)
    threshold = tree.array("threshold", np.float64)
    compared = threshold if keeps_tiny else around_zero(threshold)
    categorical = (decision & _CATEGORICAL) > 0
    missing = (decision >> 2) & 3
    default_left = (decision & _DEFAULT_LEFT) > 0
    # Missing type None reads NaN as 0, which then goes where 0 goes.
    missing_left = np.where(missing == _MISSING_NONE, threshold >= 0, default_left)
    missing_left &= ~categorical
    leaf_floats, leaf_ints = np.zeros(tree.leaves), np.zeros(tree.leaves, np.int32)
    sets = _sets(tree)
    return _Nodes(
        feature=np.concatenate([tree.array("split_feature", np.int32), leaf_ints + LEAF]),
        threshold=np.concatenate([np.where(categorical, 0.0, compared), leaf_floats]),
        left=np.concatenate([_links(tree.array("left_child", np.int32), splits), leaf_ints]),
        right=np.concatenate([_links(tree.array("right_child", np.int32), splits), leaf_ints]),
        missing_left=np.concatenate([missing_left, leaf_ints > 0]),
        category_set=np.concatenate(
            [np.where(categorical, threshold, -1).astype(np.int32), leaf_ints - 1]
        ),
        value=np.concatenate([np.zeros(splits), tree.array("leaf_value", np.float64)]),
        cover=_cover(tree, splits),
        reads_zero_as_missing=np.concatenate(
            [(missing == _MISSING_ZERO) & ~categorical, leaf_ints > 0]
        ),
        sets=sets,
    )


def _links(children: NDArray[np.int32], splits: int) -> NDArray[np.int32]:
    """LightGBM writes leaf ``i`` as ``~i``; here leaves follow the splits."""
    return np.where(children < 0, splits + ~children, children).astype(np.int32)


def _cover(tree: TreeText, splits: int) -> NDArray[np.float64]:
    """Training rows at each node; zero where the text has no counts, so nothing is explained."""
    leaves = tree.array("leaf_count", np.float64)
    inner = tree.array("internal_count", np.float64)
    if len(leaves) != tree.leaves or len(inner) != splits:
        return np.zeros(splits + tree.leaves)
    return np.concatenate([inner, leaves])


def _sets(tree: TreeText) -> list[NDArray[np.int32]]:
    """Decode the category bitsets of a tree."""
    words = tree.array("cat_threshold", np.uint32).astype("<u4")
    bounds = tree.array("cat_boundaries", np.int64)
    if len(bounds) and (bounds[0] != 0 or bounds[-1] != len(words) or (np.diff(bounds) < 0).any()):
        msg = "the category sets of a tree do not cover their values"
        raise ValueError(msg)
    return [
        np.flatnonzero(np.unpackbits(words[start:stop].view(np.uint8), bitorder="little")).astype(
            np.int32
        )
        for start, stop in pairwise(bounds.tolist())
    ]
