"""The walking kernel gives the bits of the numpy kernel, for trees and batches of any size."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from foresql.errors import ForesqlError
from foresql.frontends import Training, convert
from foresql.ir.steps import Forest, LinearForest, Precision
from foresql.ir.thresholds import at_most_float32
from foresql.ir.trees import LEAF
from foresql.kernels import Scorer, threads
from foresql.kernels.coding import codings_of
from foresql.kernels.linear_forest import NumpyLinearForest
from foresql.kernels.native import NativeForest, NativePlan, NativeWalk, load_library, walk_tables
from foresql.kernels.native.walk_keys import BY_FLOAT, BY_RANK
from foresql.kernels.numpy_forest import NumpyForest

pytestmark = pytest.mark.skipif(
    load_library() is None,
    reason="the native kernel was not built: install a C compiler, then foresql",
)

FORESTS = {
    "leaves only": [1] * 3,
    "small": [2, 1, 9, 17, 5],
    "many": [12, 1, 31, 7] * 6,
    "large": [300, 2, 900],
    "just beyond a byte": [256, 257],
}
ROWS = (0, 1, 7, 8, 9, 63, 64, 65, 511, 512, 513, 1500)


def floats_only(trees, seed):
    """Replace the thresholds by limits of a cast to float32, odd ones among them."""
    rng = np.random.default_rng(seed)
    odd = [0.0, 1e-45, -1e-45, 1e-38, 3.4028234663852886e38, -3.4028234663852886e38, np.inf]
    drawn = rng.choice([*rng.normal(size=20), *odd], len(trees.feature))
    numeric = (trees.feature != LEAF) & (trees.category_set < 0)
    return replace(trees, threshold=np.where(numeric, at_most_float32(drawn), trees.threshold))


def moderate(trees):
    """Replace the leaves that a float32 cannot hold."""
    return replace(trees, value=np.where(np.abs(trees.value) < 1e30, trees.value, 1.0))


def numpy_scores(step, inputs, start=0.5):
    scores = np.full((len(step.outputs), inputs.shape[1]), start)
    codings = codings_of(step.trees)
    NumpyForest.of(step, codings).add_to(scores, {index: inputs[index] for index in codings})
    return scores


def native_scores(kernel, step, inputs, start=0.5, **options):
    scores = np.full((len(step.outputs), inputs.shape[1]), start)
    kernel.add_to(scores, dict(enumerate(inputs)), **options)
    return scores


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("case", FORESTS)
def test_same_bits(case, rows, forests):
    for seed in range(3):
        trees = forests.make(seed, FORESTS[case])
        inputs = forests.rows(seed, trees, rows)
        step = forests.step(trees)
        expected = numpy_scores(step, inputs)
        for kernel in (NativeWalk, NativePlan):
            assert np.array_equal(native_scores(kernel.of(step), step, inputs), expected)


@pytest.mark.parametrize("case", ["small", "many", "large", "just beyond a byte"])
def test_every_plan_gives_the_same_bits(case, forests):
    """Byte-blend takes only the small trees; a plan runs blocks there and walks what is over."""
    trees = forests.make(8, FORESTS[case])
    trees = replace(trees, set_values=np.minimum(trees.set_values, 2_000))
    step = forests.step(trees)
    kernels = [NativeWalk.of(step), NativePlan.of(step), NativeForest.of(step, codings_of(trees))]
    assert (kernels[-1] is None) == (max(FORESTS[case]) > 256)
    for rows in (*ROWS, 1024, 1025, 1100, 2047):
        inputs = forests.rows(rows, trees, rows)
        expected = numpy_scores(step, inputs)
        for kernel in filter(None, kernels):
            assert np.array_equal(native_scores(kernel, step, inputs), expected)


def test_a_batch_is_blended_as_far_as_that_is_worth_it(forests):
    trees = forests.make(8, [60] * 40)
    trees = replace(trees, set_values=np.minimum(trees.set_values, 2_000))
    plan = NativePlan.of(forests.step(trees))
    assert 1 < plan.least_rows < 500
    least = int(np.ceil(plan.least_rows))
    expected = {0: 0, 1: 0, least - 1: 0, least: least, 512: 512, 513: 512, 511 + least: 512}
    assert {rows: plan.blended(rows) for rows in expected} == expected
    assert plan.blended(512 + least) == 512 + least
    assert replace(plan, least_rows=513.0).blended(1_024) == 0
    assert replace(plan, blend=None).blended(1_024) == 0
    assert replace(plan, walk=None, least_rows=0.0).blended(7) == 7


@pytest.mark.parametrize("rows", [1, 65, 513])
def test_limits_of_float32_are_compared_as_floats(rows, forests):
    for seed in range(4):
        trees = floats_only(forests.make(seed, [40, 300, 3]), seed)
        step = forests.step(trees)
        inputs = forests.rows(seed, trees, rows)
        walk = NativeWalk.of(step)
        assert BY_FLOAT in walk.tables.feature["kind"]
        assert BY_RANK not in walk.tables.feature["kind"]
        assert np.array_equal(native_scores(walk, step, inputs), numpy_scores(step, inputs))


@pytest.mark.parametrize("rows", [5, 700])
def test_float32_sums(rows, forests):
    trees = moderate(forests.make(3, [40, 300, 3, 9, 9, 9, 9, 9, 9]))
    step = forests.step(trees, Precision.FLOAT32)
    inputs = forests.rows(3, trees, rows)
    for kernel in (NativeWalk, NativePlan):
        found = native_scores(kernel.of(step), step, inputs, start=0.25)
        assert np.array_equal(found, numpy_scores(step, inputs, start=0.25))
        assert np.array_equal(found, found.astype(np.float32))


def test_a_start_that_is_no_float32_is_rounded_first(forests):
    trees = moderate(forests.make(3, [4, 300]))
    step = forests.step(trees, Precision.FLOAT32)
    inputs = forests.rows(3, trees, 30)
    found = native_scores(NativeWalk.of(step), step, inputs, start=0.1)
    assert np.array_equal(found, numpy_scores(step, inputs, start=0.1))


def twins_of(trees, rng, count):
    """Repeat each tree with other leaves, as a classifier's other classes do."""
    nodes = len(trees.feature)
    shift = (np.arange(count) * nodes)[:, None]
    inner = np.tile(trees.feature != LEAF, count)
    arrays = {name: np.tile(getattr(trees, name), count) for name in ("feature", "threshold")}
    arrays |= {name: np.tile(getattr(trees, name), count) for name in ("missing_left", "cover")}
    for name in ("left", "right"):
        moved = (getattr(trees, name) + shift).ravel()
        arrays[name] = np.where(inner, moved, 0).astype(np.int32)
    return replace(
        trees,
        **arrays,
        category_set=np.tile(trees.category_set, count),
        value=rng.normal(size=nodes * count),
        root=(trees.root + shift).ravel().astype(np.int32),
        output=np.arange(count, dtype=np.int32),
    )


@pytest.mark.parametrize("rows", [3, 300])
def test_twins_are_walked_once(rows, forests):
    trees = twins_of(forests.make(4, [400]), np.random.default_rng(1), 3)
    outputs = ("a", "b", "c")
    step = Forest(forests.step(trees).inputs, outputs, trees, np.zeros(3), Precision.FLOAT64)
    walk = NativeWalk.of(step)
    assert walk.tables.tree["classes"].tolist() == [3]
    inputs = forests.rows(4, trees, rows)
    assert np.array_equal(native_scores(walk, step, inputs), numpy_scores(step, inputs))


def linear_step(seed, leaves, forests):
    rng = np.random.default_rng(seed)
    plain = forests.step(forests.make(seed, leaves))
    nodes = len(plain.trees.feature)
    sizes = np.where(plain.trees.feature == LEAF, rng.integers(0, 5, nodes), 0)
    return LinearForest(
        plain.inputs,
        plain.outputs,
        plain.trees,
        rng.normal(size=nodes),
        np.cumsum([0, *sizes]).astype(np.int64),
        rng.integers(0, len(plain.inputs), sizes.sum()).astype(np.int32),
        rng.normal(size=sizes.sum()) * 10.0 ** rng.integers(-3, 30, sizes.sum()),
        1e-35,
    )


@pytest.mark.parametrize("rows", [0, 1, 9, 64, 1500])
@pytest.mark.parametrize("leaves", [[5, 1, 30], [300, 2], [1], [9] * 20])
def test_linear_leaves(leaves, rows, forests):
    step = linear_step(7, leaves, forests)
    inputs = forests.rows(7, step.trees, rows)
    plain = NumpyLinearForest(step)
    expected = np.zeros((len(step.outputs), rows))
    with np.errstate(all="ignore"):
        plain.add_to(expected, {index: inputs[index] for index in plain.inputs})
    walk = NativeWalk.of_linear(step)
    assert walk.is_in_bounds(len(inputs))
    found = native_scores(walk, step, inputs, start=0.0)
    assert np.array_equal(found, expected, equal_nan=True)


@pytest.mark.parametrize("leaves", [[60] * 9, [700, 300]])
def test_threads_share_the_rows(leaves, forests):
    trees = forests.make(5, leaves)
    step = forests.step(trees)
    inputs = forests.rows(5, trees, 9_001)
    plan = NativePlan.of(step)
    expected = native_scores(plan, step, inputs)
    assert np.array_equal(native_scores(plan, step, inputs[:, :700]), expected[:, :700])
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(native_scores, plan, step, inputs, threads=2 + i % 3) for i in range(9)]
        assert all(np.array_equal(run.result(), expected) for run in runs)


@pytest.mark.parametrize(("count", "rows"), [(1, 0), (2, 1), (3, 9_001), (5, 6_144), (4, 2_047)])
def test_parts_cover_all_rows_once(count, rows):
    seen = np.zeros(rows, np.int64)

    def run(part):
        seen[part] += 1

    threads.run_in_parts(run, rows, count)
    assert (seen == 1).all()


@pytest.mark.parametrize("text", ["0", "-1", "two", "", "1.5"])
def test_what_is_no_number_of_threads_is_refused(monkeypatch, text):
    monkeypatch.setenv(threads.SETTING, text)
    with pytest.raises(ForesqlError, match="FORESQL_THREADS"):
        threads.thread_count(None)
    assert threads.thread_count(3) == 3


def test_links_that_are_too_short_leave_it_to_numpy(monkeypatch, forests):
    monkeypatch.setattr(walk_tables, "_LINK_BITS", 14)
    step = forests.step(forests.make(1, [900]))
    assert NativeWalk.of(step) is None
    assert NativePlan.of(step) is None
    trees = forests.make(1, [90])
    small = forests.step(replace(trees, set_values=np.minimum(trees.set_values, 2_000)))
    assert NativeWalk.of(small) is None
    inputs = forests.rows(1, small.trees, 600)
    found = native_scores(NativePlan.of(small), small, inputs)
    assert np.array_equal(found, numpy_scores(small, inputs))


DAMAGES = [
    ("nodes", "link", 1, 0),
    ("nodes", "link", 1, 2**32 - 1),
    ("nodes", "split", -1, 2**31),
    ("tree", "first_node", 0, -2),
    ("tree", "nodes", 0, 10**6),
    ("tree", "depth", 0, 1),
    ("tree", "leaves", 0, 10**6),
    ("tree", "leaves", 0, 1),
    ("tree", "first_leaf", 1, 10**9),
    ("tree", "classes", 0, 99),
    ("tree", "first_output", 1, 7),
    ("feature", "input", 0, 5),
    ("feature", "thresholds", 0, 10**9),
    ("feature", "first_step", 0, 3),
    ("feature", "first_step", 0, 2**20),
    ("feature", "missing_left", 0, 99),
    ("feature", "kind", 0, 7),
    ("feature", "count", -1, 2**30),
    ("words", None, -1, 10**6),
    ("words", None, 1, 1),
    ("output", None, 0, 2),
    ("output", None, 0, -1),
]
"""A table, its field, a place and a wrong value."""


@pytest.mark.parametrize(("table", "field", "place", "value"), DAMAGES)
def test_indices_out_of_bounds_are_found(table, field, place, value, forests):
    trees = forests.make(6, [300, 40])
    walk = NativeWalk.of(forests.step(trees))
    assert walk.is_in_bounds(5)
    array = getattr(walk.tables, table)
    (array if field is None else array[field])[place] = value
    assert not walk.is_in_bounds(5)


def test_what_would_be_checked_again_and_again_is_found(forests):
    """Trees that share nodes, and features that share columns: a short file of long work."""
    step = forests.step(forests.make(6, [300, 40]))
    shared = NativeWalk.of(step)
    shared.tables.tree[1] = shared.tables.tree[0]
    assert not shared.is_in_bounds(5)
    swapped = NativeWalk.of(step)
    feature = swapped.tables.feature
    feature[:2] = feature[:2][::-1].copy()
    assert not swapped.is_in_bounds(5)


def test_what_the_check_lets_pass_runs(forests):
    """Flip bytes of all tables: what is not refused runs, to whatever scores."""
    rng = np.random.default_rng(9)
    trees = forests.make(6, [30, 9, 14])
    step, inputs = forests.step(trees), forests.rows(6, trees, 21)
    passed = 0
    for _ in range(600):
        walk = NativeWalk.of(step)
        name = rng.choice(["nodes", "tree", "feature", "words", "output", "thresholds", "sets"])
        view = getattr(walk.tables, name).view(np.uint8)
        view[rng.integers(len(view), size=rng.integers(1, 3))] ^= np.uint8(1 << rng.integers(8))
        if walk.is_in_bounds(len(inputs)):
            passed += 1
            native_scores(walk, step, inputs)
    assert passed > 50


def regression_rows(rng, rows):
    matrix = rng.normal(size=(rows, 6)).astype(np.float32).astype(np.float64)
    return matrix, matrix[:, 0] * matrix[:, 1] + rng.normal(size=rows)


def test_a_deep_random_forest_is_scikit_learns():
    rng = np.random.default_rng(2)
    matrix, target = regression_rows(rng, 2_000)
    model = RandomForestRegressor(9, n_jobs=1, random_state=1).fit(matrix, target)
    training = Training.of(matrix, model)
    found = Scorer(convert(model, training), threads=2).score(training.table).prediction[:, 0]
    assert np.array_equal(found, model.predict(matrix))


def test_a_deep_classifier_is_scikit_learns():
    rng = np.random.default_rng(2)
    matrix, target = regression_rows(rng, 2_000)
    labels = np.digitize(target, [-1, 0, 1])
    model = RandomForestClassifier(9, n_jobs=1, random_state=1).fit(matrix, labels)
    training = Training.of(matrix, model)
    found = Scorer(convert(model, training)).score(training.table).probabilities
    assert np.array_equal(found, model.predict_proba(matrix))


def test_a_deep_xgboost_model_is_xgboosts():
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(2)
    matrix, target = regression_rows(rng, 3_000)
    matrix[rng.random(matrix.shape) < 0.05] = np.nan
    model = xgboost.XGBRegressor(n_estimators=20, max_depth=14, tree_method="exact", n_jobs=1)
    model.fit(matrix, target)
    training = Training.of(matrix, model)
    found = Scorer(convert(model, training)).score(training.table).prediction[:, 0]
    assert np.array_equal(found, model.predict(matrix))
