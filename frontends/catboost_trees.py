"""CatBoost's trees as arrays, with its cast to float32 moved into the thresholds.

A split that holds goes right: ``float32(x) > border``, or the category's hash is a value. The
children of categorical splits are swapped here, since the sets of :class:`~..ir.trees.Trees` go
left. Source: catboost/libs/model/cpu/quantization.h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..ir import Trees
from ..ir import steps as s
from ..ir.trees import LEAF
from .catboost_categories import Categories, used_splits
from .catboost_model import CtrSplit, FloatSplit, OneHotSplit
from .catboost_thresholds import threshold_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .catboost_model import CatBoostModel, Tree
    from .graph import Graph, Names


class _Tests(NamedTuple):
    """What each of a model's splits is to a forest; ``code`` is -1 where it tests no category."""

    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    missing_left: NDArray[np.bool_]
    code: NDArray[np.int32]


def build_trees(model: CatBoostModel, inputs: Names, graph: Graph) -> tuple[Names, Trees]:
    """Give the columns that the trees read, and the trees, one for each raw score."""
    columns, tests = _place_splits(model, inputs, graph)
    dimension = model.dimension
    trees = [tree for tree in model.trees for _ in range(dimension)]
    sizes = np.array([len(tree.split) for tree in trees], np.int64)
    root = np.cumsum(np.concatenate([[0], sizes[:-1]]))
    split = np.concatenate([tree.split for tree in trees])
    is_leaf = split < 0
    place = np.where(is_leaf, 0, split)
    code = np.where(is_leaf, -1, tests.code[place])
    is_set = code >= 0
    left, right = _linked(trees, root, is_leaf, is_set)
    values = [tree.values[:, output] for tree in model.trees for output in range(dimension)]
    return columns, Trees(
        feature=np.where(is_leaf, LEAF, tests.feature[place]).astype(np.int32),
        threshold=np.where(is_leaf | is_set, 0.0, tests.threshold[place]),
        left=left,
        right=right,
        missing_left=tests.missing_left[place] & ~is_leaf,
        # A set holds one code, and is numbered by it.
        category_set=code.astype(np.int32),
        set_start=np.arange(code.max(initial=-1) + 2, dtype=np.int64),
        set_values=np.arange(code.max(initial=-1) + 1, dtype=np.int32),
        value=np.where(is_leaf, np.concatenate(values), 0.0),
        cover=np.concatenate([tree.weights for tree in trees]),
        root=root.astype(np.int32),
        output=np.tile(np.arange(dimension, dtype=np.int32), len(model.trees)),
    )


def _linked(
    trees: list[Tree],
    root: NDArray[np.int64],
    is_leaf: NDArray[np.bool_],
    is_set: NDArray[np.bool_],
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Renumber children from their tree's nodes to all nodes; leaves have none."""
    lefts = [tree.left + start for tree, start in zip(trees, root, strict=True)]
    rights = [tree.right + start for tree, start in zip(trees, root, strict=True)]
    left = np.where(is_leaf, 0, np.concatenate(lefts)).astype(np.int32)
    right = np.where(is_leaf, 0, np.concatenate(rights)).astype(np.int32)
    return np.where(is_set, right, left), np.where(is_set, left, right)


def _place_splits(model: CatBoostModel, inputs: Names, graph: Graph) -> tuple[Names, _Tests]:
    """Name the column that each split reads, after the steps that make it."""
    count = max(len(model.splits), 1)
    tests = _Tests(
        np.zeros(count, np.int32),
        np.zeros(count),
        np.zeros(count, np.bool_),
        np.full(count, -1, np.int32),
    )
    categories = Categories(model, inputs, graph)
    numbers = categories.numbers()
    columns: dict[str, int] = {}
    for index in used_splits(model):
        split = model.splits[index]
        match split:
            case FloatSplit():
                feature = model.floats[split.feature]
                column = inputs[feature.column]
                tests.threshold[index] = threshold_of(split.border, column, graph)
                tests.missing_left[index] = not feature.nan_is_high
            case OneHotSplit():
                column = categories.column(split.feature)
                tests.code[index] = categories.code(split)
            case CtrSplit():
                column = numbers[split.ctr]
                tests.threshold[index] = split.border
                tests.missing_left[index] = True
        tests.feature[index] = columns.setdefault(column, len(columns))
    if not columns:
        # A forest of leaves alone reads a column all the same, and this one is a number.
        return graph.columnwise(inputs[:1], "is_missing", s.IsMissing), tests
    return tuple(columns), tests
