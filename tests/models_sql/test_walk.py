"""Forests that rows walk down in tables: the kernel's answers, bit for bit, in every engine."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from grid import cases

from foresql import UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.ir import Column, ColumnType, Model, Outputs, Signature, Trees
from foresql.ir import steps as s
from foresql.ir.trees import LEAF
from foresql.models_sql import compile_query, target_of

SOME = (
    "lightgbm: missing and infinite",
    "lightgbm: denormal",
    "lightgbm: unseen keys",
    "xgboost: missing",
    "xgboost: missing keys",
    "xgboost: one leaf",
    "catboost: three classes",
    "histogram boosting: infinite",
)
CASES = {case.name: case for case in cases() if case.name in SOME}


@pytest.fixture
def walker(engine):
    """An engine that has a walk."""
    if target_of(engine.name).walk is None:
        pytest.skip("it has no walk")
    return engine


@pytest.fixture(scope="session")
def fitted():
    """Fit each case once for all engines."""
    return {name: case.fit() for name, case in CASES.items()}


@pytest.fixture(scope="session")
def deep():
    """Fit a random forest without a limit of depth."""
    from sklearn.ensemble import RandomForestRegressor

    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(2_000, 4)).round(2), columns=list("abcd"))
    target = frame["a"] * frame["b"] + np.sin(3 * frame["c"]) + rng.normal(size=len(frame))
    forest = RandomForestRegressor(20, max_features=2, random_state=0).fit(frame, target)
    return forest, frame


@pytest.mark.parametrize("name", CASES)
def test_grid(walker, agrees, fitted, name):
    case = fitted[name]
    agrees(walker, case.estimator, case.frame, others=case.others, strategy="walk")


def test_random_forest_without_a_limit_of_depth(walker, agrees, deep):
    forest, frame = deep
    assert sum(tree.tree_.node_count for tree in forest.estimators_) > 40_000
    agrees(walker, forest, frame, strategy="walk")


def test_rows_stay_as_they_are(walker, deep):
    """Duplicates stay, columns are carried, and a table without rows is none."""
    forest, frame = deep
    model = convert(forest, Training.of(frame, forest))
    query = compile_query(model, target_of(walker.name), "probes", keep=("key",), strategy="walk")
    for each in query.tables:
        walker.load(each)
    few = pd.concat([frame.head(2), frame.head(2), frame.iloc[[5]]])
    rows = pa.Table.from_pandas(few, preserve_index=False)
    rows = rows.append_column("key", pa.array(["x", "x", None, "y", "x"]))
    expected = zip(rows["key"].to_pylist(), forest.predict(few).tolist(), strict=True)
    order = lambda pair: (str(pair[0]), pair[1])  # noqa: E731
    found = walker.run(query.text, rows)
    answers = zip(found["key"].to_pylist(), found["prediction"].to_pylist(), strict=True)
    assert sorted(answers, key=order) == sorted(expected, key=order)
    assert walker.run(query.text, rows.slice(0, 1)).num_rows == 1
    assert walker.run(query.text, rows.slice(0, 0)).num_rows == 0


def a_model(thresholds, *, start=(0.0, 1.0), precision=s.Precision.FLOAT64) -> Model:
    """Make a tree with a split a threshold, and single leaves, for two outputs that alternate."""
    count = len(thresholds)
    inner = 2 * np.arange(count)
    feature = np.full(2 * count + 3, LEAF, np.int32)
    feature[inner] = 0
    left, right = np.zeros((2, 2 * count + 3), np.int32)
    left[inner], right[inner] = inner + 1, inner + 2
    threshold = np.zeros(2 * count + 3)
    threshold[inner] = thresholds
    value = np.where(feature == LEAF, np.arange(2 * count + 3) / 4 + 0.1, 0.0)
    value = value.astype(np.float32).astype(float)
    trees = Trees(
        feature=feature,
        threshold=threshold,
        left=left,
        right=right,
        missing_left=np.arange(2 * count + 3) % 4 == 0,
        category_set=np.full(2 * count + 3, -1, np.int32),
        set_start=np.zeros(1, np.int64),
        set_values=np.zeros(0, np.int32),
        value=value,
        cover=np.ones(2 * count + 3),
        root=np.array([0, 2 * count + 1, 2 * count + 2], np.int32),
        output=np.array([1, 0, 1], np.int32),
    )
    step = s.Forest(("x",), ("a", "b"), trees, np.array(start), precision)
    return Model(
        Signature((Column("x", ColumnType.DOUBLE),)), (step,), Outputs(("a", "b"), margins=())
    )


EDGES = [-np.inf, -1.7976931348623157e308, -5e-324, -0.0, 5e-324, 0.5, 1.7976931348623157e308]


@pytest.mark.parametrize("precision", s.Precision)
def test_edges(walker, model_agrees, precision):
    if precision is s.Precision.FLOAT32 and target_of(walker.name).to_float32 is None:
        pytest.skip("it has no float32")
    with np.errstate(all="ignore"):
        around = [np.nextafter(edge, to) for edge in EDGES for to in (-np.inf, np.inf)]
    table = pa.table({"x": pa.array([*EDGES, *around, np.inf, None, 1.0, -2.0])})
    model = a_model([*EDGES, np.inf], precision=precision)
    model_agrees(walker, model, table, strategy="walk")


def test_a_target_without_a_walk_is_refused():
    with pytest.raises(UnsupportedModelError, match="has no walk"):
        compile_query(a_model([0.5]), target_of("mysql"), "flights", strategy="walk")


@pytest.mark.parametrize("target", ["duckdb", "postgres", "sqlite"])
def test_an_unlimited_forest_is_a_short_text(deep, target):
    estimator, frame = deep
    model = convert(estimator, Training.of(frame, estimator))
    query = compile_query(model, target_of(target), "flights", strategy="walk")
    assert len(query.text) < 40_000
    assert all(name.startswith("model_") for name in (each.name for each in query.tables))


@pytest.mark.parametrize("name", ["duckdb", "postgres", "sqlite"])
def test_the_rule_walks_where_no_other_text_is_short_enough(deep, name):
    estimator, frame = deep
    model = convert(estimator, Training.of(frame, estimator))
    target = target_of(name)
    target = replace(target, limits=replace(target.limits, bytes=100_000))
    query = compile_query(model, target, "flights")
    assert query.strategies == ("walk",)
    assert query.tables
