"""A CatBoost model as plain values: what its ``.cbm`` file and its JSON both say.

Source: ``TModelTrees`` and ``TFullModel`` in catboost/libs/model/model.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import numpy as np

from ..errors import UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

MOST_SPLITS = 16
"""CatBoost grows no deeper symmetric trees."""


class FloatFeature(NamedTuple):
    """A column of numbers; ``nan_is_high`` says that NaN goes above every border."""

    column: int
    borders: tuple[float, ...]
    nan_is_high: bool


class FloatSplit(NamedTuple):
    """Whether a number, cast to float32, is above a border; ``feature`` counts the floats."""

    feature: int
    border: float


class OneHotSplit(NamedTuple):
    """Whether a category's hash is a value; ``feature`` counts the categorical columns."""

    feature: int
    value: int


class Projection(NamedTuple):
    """What a statistic of categories is looked up by: categories, and outcomes of splits."""

    categories: tuple[int, ...]
    floats: tuple[FloatSplit, ...]
    one_hots: tuple[OneHotSplit, ...]


class Statistic(NamedTuple):
    """Counts that were taken in training: a projection, a kind of count, a binarized target."""

    projection: Projection
    kind: str
    classifier: int


class Ctr(NamedTuple):
    """A number made of a statistic. Source: ``TModelCtr::Calc`` in online_ctr.h."""

    statistic: Statistic
    target_border: int
    prior_numerator: float
    prior_denominator: float
    shift: float
    scale: float


class CtrSplit(NamedTuple):
    """Whether a number made of counts is above a border; ``ctr`` counts the model's."""

    ctr: int
    border: float


Split = FloatSplit | OneHotSplit | CtrSplit


@dataclass(frozen=True, slots=True, eq=False)
class CountTable:
    """The counts of a statistic, one row a hash.

    ``counts`` is float64[rows, columns], of integers, or of a float32 sum and an integer.
    """

    hashes: NDArray[np.uint64]
    counts: NDArray[np.float64]
    denominator: int

    def __post_init__(self) -> None:
        if not len(self.hashes) or len(np.unique(self.hashes)) != len(self.hashes):
            fail("its counts of categories have no hash, or one twice")


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """One tree: ``split`` is -1 at leaves, and children have higher numbers than their parent.

    A split that holds goes right. ``values`` is float64[nodes, dimension].
    """

    split: NDArray[np.int32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    values: NDArray[np.float64]
    weights: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CatBoostModel:
    """A parsed model.

    Attributes
    ----------
    feature_names
        A name for each column of the training frame; its position where it had none.
    floats, categories
        The columns of numbers, and the positions of the categorical columns.
    splits
        What the trees' nodes test.
    ctrs, tables
        The numbers that splits test, and the counts behind them.
    trees, dimension
        The trees, and how many raw scores a row has.
    scale, biases
        What the sum of a row's leaves is multiplied by, and what is then added to each.
    info
        CatBoost's own notes, such as the parameters of training.
    """

    feature_names: tuple[str, ...]
    floats: tuple[FloatFeature, ...]
    categories: tuple[int, ...]
    splits: tuple[Split, ...]
    ctrs: tuple[Ctr, ...]
    tables: Mapping[Statistic, CountTable]
    trees: tuple[Tree, ...]
    dimension: int
    scale: float
    biases: tuple[float, ...]
    info: Mapping[str, object]

    def __post_init__(self) -> None:
        if not self.trees:
            raise unsupported("it has no trees", "train it for one iteration or more")
        if self.dimension < 1 or len(self.biases) != self.dimension:
            fail(f"it has {len(self.biases)} biases for {self.dimension} raw scores")
        columns = sorted([*(feature.column for feature in self.floats), *self.categories])
        if columns != list(range(len(self.feature_names))):
            raise unsupported(
                "some of its features were dropped, or are neither numbers nor categories",
                "save it before drop_unused_features() is called",
            )
        for split in self.splits:
            self._check_split(split)
        for ctr in self.ctrs:
            self._check_projection(ctr.statistic.projection)
        for tree in self.trees:
            if ((tree.left > 0) != (tree.split >= 0)).any():
                fail("a node has children and no split, or a split and no children")
            if tree.split.max(initial=-1) >= len(self.splits):
                fail("a tree names a split that is not there")
        self._check_numbers()

    def _check_split(self, split: Split) -> None:
        match split:
            case FloatSplit():
                count, border = len(self.floats), split.border
            case OneHotSplit():
                count, border = len(self.categories), 0.0
            case CtrSplit():
                count, border = len(self.ctrs), split.border
        _within(split.ctr if isinstance(split, CtrSplit) else split.feature, count, "a split")
        if np.isnan(border):
            fail("a border is not a number")

    def _check_projection(self, projection: Projection) -> None:
        for feature in projection.categories:
            _within(feature, len(self.categories), "a projection")
        for split in (*projection.floats, *projection.one_hots):
            self._check_split(split)

    def _check_numbers(self) -> None:
        numbers = [self.scale, *self.biases]
        leaves = all(np.isfinite(tree.values).all() for tree in self.trees)
        if not (np.isfinite(numbers).all() and leaves):
            raise unsupported(
                "its training diverged: leaves are infinite or not a number",
                "train with a lower learning_rate, or a higher l2_leaf_reg",
            )


def _within(index: int, count: int, what: str) -> None:
    if not 0 <= index < count:
        fail(f"{what} reads feature {index} of {count}")


def grow_symmetric(
    splits: NDArray[np.int32], values: NDArray[np.float64], weights: NDArray[np.float64]
) -> Tree:
    """Write a symmetric tree out, with its last split, the leaf number's highest bit, as root.

    ``splits`` has one entry a level, ``values`` is float64[leaves, dimension].
    """
    depth = len(splits)
    if depth > MOST_SPLITS or len(values) != 1 << depth:
        fail(f"a symmetric tree of {depth} splits has {len(values)} leaves")
    if len(weights) not in {0, len(values)}:
        fail(f"a tree of {len(values)} leaves has {len(weights)} weights")
    inner = (1 << depth) - 1
    numbers = np.arange(inner, dtype=np.int32)
    levels = np.repeat(np.arange(depth), 1 << np.arange(depth))
    leaves = np.full(len(values), -1, np.int32)
    nothing = np.zeros(len(values), np.int32)
    by_node = np.zeros((inner, values.shape[1]))
    return Tree(
        split=np.concatenate([splits[::-1][levels].astype(np.int32), leaves]),
        left=np.concatenate([2 * numbers + 1, nothing]),
        right=np.concatenate([2 * numbers + 2, nothing]),
        values=np.concatenate([by_node, values]),
        weights=_add_up(weights) if len(weights) else np.zeros(inner + len(values)),
    )


def _add_up(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the weight of each node of a full tree from those of its leaves."""
    levels = [weights]
    while len(levels[0]) > 1:
        levels.insert(0, levels[0].reshape(-1, 2).sum(axis=1))
    return np.concatenate(levels)


def weigh(
    split: NDArray[np.int32],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Give the weight of each node from those of the leaves; children follow their parents."""
    found = weights.copy()
    for node in np.flatnonzero(split >= 0)[::-1].tolist():
        found[node] = found[left[node]] + found[right[node]]
    return found


def unsupported(reason: str, way_out: str) -> UnsupportedModelError:
    """Make the error that refuses a model file."""
    return UnsupportedModelError("CatBoost model", reason, way_out)


def fail(problem: str) -> NoReturn:
    """Refuse a file that CatBoost did not write so."""
    raise unsupported(
        f"the file is truncated or was edited: {problem}",
        "write it again with model.save_model(path)",
    )
