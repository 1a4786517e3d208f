"""scikit-learn's trees as arrays: the classic ones and those of histogram gradient boosting.

Source: ``Tree._apply_dense`` in sklearn/tree/_tree.pyx and ``_predict_one_from_raw_data`` in
sklearn/ensemble/_hist_gradient_boosting/_predictor.pyx.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..ir import ColumnType, Trees
from ..ir.thresholds import LARGEST_TO_FLOAT32, at_most_float32
from ..ir.trees import LEAF

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from .graph import Graph, Names

_EXACT_INTEGERS = 2.0**53


class Nodes(NamedTuple):
    """One tree: its nodes in the library's order, and the sets that its splits test."""

    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    missing_left: NDArray[np.bool_]
    category_set: NDArray[np.int32]
    value: NDArray[np.float64]
    cover: NDArray[np.float64]
    sets: tuple[NDArray[np.int32], ...] = ()


def read_tree(tree: Any, value: NDArray[np.float64], features: ArrayLike | None = None) -> Nodes:
    """Read a ``sklearn.tree._tree.Tree``, with a value of its own for each node.

    The library compares ``float32(x) <= threshold``; the threshold here is one for ``x`` itself.
    ``features`` gives the inputs that the tree was shown, where they are not all.
    """
    is_leaf = tree.children_left < 0
    inputs = np.arange(tree.n_features) if features is None else np.asarray(features)
    threshold = np.zeros(tree.node_count)
    threshold[~is_leaf] = at_most_float32(tree.threshold[~is_leaf])
    return Nodes(
        feature=np.where(is_leaf, LEAF, inputs[np.where(is_leaf, 0, tree.feature)]),
        threshold=threshold,
        left=np.where(is_leaf, 0, tree.children_left),
        right=np.where(is_leaf, 0, tree.children_right),
        missing_left=~is_leaf & (tree.missing_go_to_left != 0),
        category_set=np.full(tree.node_count, -1, np.int32),
        value=np.where(is_leaf, value, 0.0),
        cover=tree.weighted_n_node_samples,
    )


def read_predictor(predictor: Any) -> Nodes:
    """Read a ``TreePredictor`` of histogram gradient boosting, which compares in float64."""
    nodes = predictor.nodes
    is_leaf = nodes["is_leaf"] != 0
    is_numeric = ~is_leaf & (nodes["is_categorical"] == 0)
    is_categorical = ~is_leaf & ~is_numeric
    return Nodes(
        feature=np.where(is_leaf, LEAF, nodes["feature_idx"]),
        threshold=np.where(is_numeric, nodes["num_threshold"], 0.0),
        left=np.where(is_leaf, 0, nodes["left"]),
        right=np.where(is_leaf, 0, nodes["right"]),
        missing_left=~is_leaf & (nodes["missing_go_to_left"] != 0),
        category_set=np.where(is_categorical, nodes["bitset_idx"].astype(np.int64), -1),
        value=np.where(is_leaf, nodes["value"], 0.0),
        cover=nodes["count"].astype(np.float64),
        sets=tuple(_members(words) for words in predictor.raw_left_cat_bitsets),
    )


def _members(words: NDArray[np.uint32]) -> NDArray[np.int32]:
    """List the bits that are set."""
    bits = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little")
    return np.flatnonzero(bits).astype(np.int32)


def join_trees(parts: Sequence[Nodes], output: Sequence[int]) -> Trees:
    """Join trees into one set of arrays; tree ``i`` adds to score ``output[i]``."""
    root = _starts([len(part.feature) for part in parts])
    first_set = _starts([len(part.sets) for part in parts])
    sets = [members for part in parts for members in part.sets]
    feature = np.concatenate([part.feature for part in parts])
    is_leaf = feature == LEAF
    left, right = (
        np.concatenate([links + start for links, start in zip(side, root, strict=True)])
        for side in ([part.left for part in parts], [part.right for part in parts])
    )
    numbered = [
        np.where(part.category_set < 0, -1, part.category_set + first)
        for part, first in zip(parts, first_set, strict=True)
    ]
    set_start = np.concatenate([[0], np.cumsum([len(members) for members in sets], dtype=int)])
    return Trees(
        feature=feature.astype(np.int32),
        threshold=np.concatenate([part.threshold for part in parts]),
        left=np.where(is_leaf, 0, left).astype(np.int32),
        right=np.where(is_leaf, 0, right).astype(np.int32),
        missing_left=np.concatenate([part.missing_left for part in parts]),
        category_set=np.concatenate(numbered).astype(np.int32),
        set_start=set_start.astype(np.int64),
        set_values=np.concatenate([*sets, np.zeros(0, np.int32)]).astype(np.int32),
        value=np.concatenate([part.value for part in parts]),
        cover=np.concatenate([part.cover for part in parts]),
        root=root.astype(np.int32),
        output=np.array(output, np.int32),
    )


def _starts(sizes: list[int]) -> NDArray[np.intp]:
    """Where each part begins when they are laid end to end."""
    return np.cumsum([0, *sizes[:-1]])


def require_float32(inputs: Names, graph: Graph, *, allow_nan: bool) -> None:
    """Refuse what the library refuses after it cast the inputs to float32.

    Trees that accept NaN do so in arrays, and not in sparse matrices.
    """
    graph.require_numbers(inputs)
    allow_nan = allow_nan and graph.sparse.isdisjoint(inputs)
    graph.require(inputs, missing=not allow_nan, infinite=True, largest=LARGEST_TO_FLOAT32)


def check_integers(trees: Trees, inputs: Names, graph: Graph) -> None:
    """Refuse splits of integers beyond 2**53.

    A frame of integers is cast to float32 directly there, and SQL's go through float64 first: two
    roundings are not always the one.
    """
    split = (trees.feature != LEAF) & (np.abs(trees.threshold) >= _EXACT_INTEGERS)
    for index in np.unique(trees.feature[split]).tolist():
        if graph.types[inputs[index]] is ColumnType.BIGINT:
            raise graph.refuse(
                f"column {inputs[index]!r} is split at an integer beyond 2**53, which float64 "
                "rounds",
                "divide the column, or cast it to float64, before training",
            )
