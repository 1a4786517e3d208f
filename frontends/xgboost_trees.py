"""XGBoost's trees as arrays, with its cast to float32 moved into the thresholds.

A numeric split sends ``float32(x) < split_condition`` left, a categorical one sends the categories
of its set right, and a missing value follows ``default_left``. The children of categorical splits
are swapped here, since the sets of :class:`~..ir.trees.Trees` go left.

Source: ``GetNextNode`` in src/predictor/predict_fn.h, ``Decision`` in src/common/categorical.h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..ir import Trees
from ..ir.thresholds import below_float32
from ..ir.trees import LEAF

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .xgboost_json import ModelJson, TreeJson


class _Nodes(NamedTuple):
    """One tree's nodes, parents before their children; ``sets`` has one entry a categorical."""

    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    missing_left: NDArray[np.bool_]
    is_categorical: NDArray[np.bool_]
    value: NDArray[np.float64]
    cover: NDArray[np.float64]
    sets: list[NDArray[np.int32]]


def build_trees(model: ModelJson, leaves: Sequence[NDArray[np.float32]]) -> Trees:
    """Join all trees into one set of arrays; ``leaves`` holds the value of each tree's nodes."""
    parts = [_nodes(tree, value) for tree, value in zip(model.trees, leaves, strict=True)]
    if any(part.feature.max() >= model.features for part in parts):
        msg = "a tree splits on a feature that is not there"
        raise ValueError(msg)
    sizes = np.array([len(part.feature) for part in parts], np.int32)
    root = np.cumsum(np.concatenate([[0], sizes[:-1]])).astype(np.int32)
    feature = np.concatenate([part.feature for part in parts])
    is_categorical = np.concatenate([part.is_categorical for part in parts])
    number = np.cumsum(is_categorical) - 1
    sets = [members for part in parts for members in part.sets]
    lengths = np.array([len(members) for members in sets], np.int64)
    return Trees(
        feature=feature,
        threshold=np.concatenate([part.threshold for part in parts]),
        left=_shifted([part.left for part in parts], root, feature),
        right=_shifted([part.right for part in parts], root, feature),
        missing_left=np.concatenate([part.missing_left for part in parts]),
        category_set=np.where(is_categorical, number, -1).astype(np.int32),
        set_start=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        set_values=np.concatenate([*sets, np.zeros(0, np.int32)]).astype(np.int32),
        value=np.concatenate([part.value for part in parts]),
        cover=np.concatenate([part.cover for part in parts]),
        root=root,
        output=np.array(model.group, np.int32),
    )


def leaf_values(tree: TreeJson) -> NDArray[np.float32]:
    """Give what each node adds, if it is a leaf: XGBoost keeps it as the split's condition."""
    return tree.array("split_conditions", np.float32)


def _shifted(
    children: list[NDArray[np.int32]], root: NDArray[np.int32], feature: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Renumber children from their tree's nodes to all nodes; leaves have none."""
    moved = [links + start for links, start in zip(children, root, strict=True)]
    return np.where(feature == LEAF, 0, np.concatenate(moved)).astype(np.int32)


def _nodes(tree: TreeJson, leaves: NDArray[np.float32]) -> _Nodes:
    left, right = tree.array("left_children", np.int32), tree.array("right_children", np.int32)
    _check_children(left, right)
    kept = _reachable(left, right)
    place = np.zeros(len(left), np.int32)
    place[kept] = np.arange(len(kept))
    is_leaf = left[kept] < 0
    is_categorical = (tree.array("split_type", np.int8)[kept] == 1) & ~is_leaf
    is_numeric = ~is_categorical & ~is_leaf
    condition = tree.array("split_conditions", np.float32)[kept].astype(np.float64)
    threshold = np.zeros(len(kept))
    threshold[is_numeric] = below_float32(condition[is_numeric])
    left, right = place[left[kept]], place[right[kept]]
    default_left = tree.array("default_left", np.bool_)[kept]
    sets = _sets(tree)
    return _Nodes(
        feature=np.where(is_leaf, LEAF, tree.array("split_indices", np.int32)[kept]).astype(
            np.int32
        ),
        threshold=threshold,
        left=np.where(is_categorical, right, left),
        right=np.where(is_categorical, left, right),
        missing_left=(default_left ^ is_categorical) & ~is_leaf,
        is_categorical=is_categorical,
        value=np.where(is_leaf, leaves[kept].astype(np.float64), 0.0),
        cover=tree.array("sum_hessian", np.float32)[kept].astype(np.float64),
        sets=[sets[node] for node in kept[is_categorical].tolist()],
    )


def _check_children(left: NDArray[np.int32], right: NDArray[np.int32]) -> None:
    """Refuse children that are no nodes; two parents of one are found by :class:`Trees`.

    Raises
    ------
    ValueError
        If there are any.
    """
    inner = left >= 0
    children = np.concatenate([left[inner], right[inner]])
    if not len(left) == len(right) > 0 or not ((children > 0) & (children < len(left))).all():
        msg = "a tree has children that are not there"
        raise ValueError(msg)
    if len(np.unique(children)) != len(children):
        msg = "a node of a tree has two parents"
        raise ValueError(msg)


def _reachable(left: NDArray[np.int32], right: NDArray[np.int32]) -> NDArray[np.int32]:
    """List the nodes of a tree, level by level: pruned ones stay in XGBoost's arrays."""
    levels = [np.zeros(1, np.int32)]
    while True:
        inner = levels[-1][left[levels[-1]] >= 0]
        if not len(inner):
            return np.concatenate(levels)
        levels.append(np.stack([left[inner], right[inner]], axis=1).ravel())


def _sets(tree: TreeJson) -> dict[int, NDArray[np.int32]]:
    """Give the categories of each categorical node."""
    members = tree.array("categories", np.int32)
    starts, sizes = tree.fields["categories_segments"], tree.fields["categories_sizes"]
    nodes = tree.fields["categories_nodes"]
    triples = list(zip(nodes, starts, sizes, strict=True))
    within = all(0 <= start <= start + size <= len(members) for _, start, size in triples)
    if not within or sum(sizes) > len(members):
        msg = "the category sets of a tree are larger than their values"
        raise ValueError(msg)
    return {node: np.unique(members[start : start + size]) for node, start, size in triples}
