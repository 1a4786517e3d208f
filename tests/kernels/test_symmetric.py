"""Trees that split alike at all nodes of a level: one split a level gives the same bits."""

from dataclasses import replace

import numpy as np
import pytest

from foresql.ir import Trees
from foresql.ir.steps import Forest, Precision
from foresql.kernels.coding import codings_of
from foresql.kernels.native import NativeForest, load_library
from foresql.kernels.native.library import SETTING
from foresql.kernels.native.symmetric import order_levels
from foresql.kernels.native.tables import build_tables
from foresql.kernels.numpy_forest import NumpyForest

LIBRARY = load_library()
VARIANTS = ("baseline", "avx2", "avx512")[: LIBRARY.best + 1 if LIBRARY else 0]
FEATURES = 4
SET_FEATURE = 3
THRESHOLDS = (-np.inf, -1.0, -0.0, 5e-324, 0.25, 1.5, 1e300, np.inf)
ODD = (np.nan, np.inf, -np.inf, 0.0, -0.0, -5e-324, 1e308, -0.5, 7.9, 30.0, 2.0**40)

pytestmark = pytest.mark.skipif(
    LIBRARY is None, reason="the native kernel was not built: install a C compiler, then foresql"
)


def symmetric_trees(rng, depths):
    """Make complete trees, breadth first, with one split a level."""
    names = ("feature", "threshold", "left", "right", "missing_left", "category_set")
    arrays = {name: [] for name in names}
    root, set_start, set_values = [], [0], []
    for depth in depths:
        start = len(arrays["feature"])
        root.append(start)
        for level in range(depth):
            feature = int(rng.integers(FEATURES))
            split = {"feature": feature, "threshold": 0.0, "category_set": -1}
            split["missing_left"] = bool(rng.integers(2))
            if feature == SET_FEATURE:
                split["category_set"] = len(set_start) - 1
                set_values += np.flatnonzero(rng.random(40) < 0.4).tolist()
                set_start.append(len(set_values))
            else:
                split["threshold"] = float(rng.choice([*THRESHOLDS, rng.normal()]))
            for node in range(2**level - 1, 2 ** (level + 1) - 1):
                children = {"left": start + 2 * node + 1, "right": start + 2 * node + 2}
                for name, value in (split | children).items():
                    arrays[name].append(value)
        for name in names:
            empty = -1 if name in {"feature", "category_set"} else 0
            arrays[name] += [empty] * 2**depth
    types = {"threshold": np.float64, "missing_left": np.bool_}
    nodes = len(arrays["feature"])
    return Trees(
        **{name: np.array(values, types.get(name, np.int32)) for name, values in arrays.items()},
        set_start=np.array(set_start, np.int64),
        set_values=np.array(set_values, np.int32),
        value=np.where(np.array(arrays["feature"]) < 0, rng.normal(size=nodes), 0.0),
        cover=np.ones(nodes),
        root=np.array(root, np.int32),
        output=rng.integers(0, 2, len(depths)).astype(np.int32),
    )


def rows_of(rng, trees, rows):
    splits = trees.threshold[(trees.feature >= 0) & (trees.category_set < 0)]
    near = [np.nextafter(splits, np.inf), np.nextafter(splits, -np.inf)]
    pool = np.concatenate([splits, *near, ODD, np.arange(-2, 43)])
    return dict(enumerate(rng.choice(pool, (FEATURES, rows))))


def both(trees, columns, precision):
    step = Forest(("x",) * FEATURES, ("a", "b"), trees, np.zeros(2), precision)
    codings = codings_of(trees)
    found = []
    for forest in (NativeForest.of(step, codings), NumpyForest.of(step, codings)):
        scores = np.full((2, len(columns[0])), 0.5)
        forest.add_to(scores, {index: columns[index] for index in codings})
        found.append(scores)
    return found


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("depths", [[6] * 9, [1] * 17, [8, 0, 3], [0, 2, 2, 5, 0], [7]])
def test_same_bits(monkeypatch, variant, precision, depths):
    monkeypatch.setenv(SETTING, variant)
    for seed, rows in enumerate((1, 64, 511, 512, 513, 1500)):
        rng = np.random.default_rng([seed, len(depths)])
        trees = symmetric_trees(rng, depths)
        trees.value[:] = trees.value.astype(precision.value)
        assert order_levels(trees) is not None
        native, numpy = both(trees, rows_of(rng, trees, rows), precision)
        assert np.array_equal(native, numpy)


@pytest.mark.parametrize(
    ("name", "value"), [("threshold", 9.5), ("feature", 1), ("missing_left", None)]
)
def test_one_node_that_differs_makes_a_forest_ordinary(name, value):
    rng = np.random.default_rng(3)
    while True:
        trees = symmetric_trees(rng, [3, 4])
        if (trees.feature[[0, 1, 2]] == 0).all():
            break
    array = getattr(trees, name)
    array[2] = not array[2] if value is None else value
    assert order_levels(trees) is None
    native, numpy = both(trees, rows_of(rng, trees, 600), Precision.FLOAT64)
    assert np.array_equal(native, numpy)


def test_bits_beyond_the_leaves_are_found():
    trees = symmetric_trees(np.random.default_rng(2), [3, 5, 0])
    step = Forest(("x",) * FEATURES, ("a", "b"), trees, np.zeros(2), Precision.FLOAT64)
    native = NativeForest.of(step, codings_of(trees))
    tables = build_tables(trees, codings_of(trees))
    assert native.check(FEATURES) == 0
    for place, bit in ((0, 8), (2, 128), (3, 32), (-1, 1)):
        damaged = replace(tables, splits=tables.splits.copy())
        damaged.splits["leaf"][place] = bit
        assert NativeForest(LIBRARY, damaged, outputs=2, single=False).check(FEATURES) != 0


def test_nine_levels_are_too_many_for_a_byte():
    assert order_levels(symmetric_trees(np.random.default_rng(1), [9])) is None
