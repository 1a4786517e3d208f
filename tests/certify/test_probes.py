import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from foresql.certify.edges import split_values
from foresql.certify.probes import EXTREMES, HUGE, _pool, make_probes
from foresql.frontends import Training, convert
from foresql.ir import Column, ColumnType, Model, Outputs, Signature, Trees
from foresql.ir.steps import Forest, LinearForest
from foresql.ir.trees import LEAF
from foresql.kernels import Scorer

ROWS = 600
SIDES = (-np.inf, np.inf)


def make_frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=ROWS),
            "gap": np.where(rng.random(ROWS) < 0.2, np.nan, rng.normal(size=ROWS)),
            "count": rng.integers(-5, 30, ROWS),
            "flag": rng.random(ROWS) < 0.5,
            "k": pd.Categorical(rng.choice(["a", "b", "é"], ROWS)),
            "when": pd.Timestamp("2013-01-01") + pd.to_timedelta(rng.integers(0, 9, ROWS), "D"),
        }
    )
    frame.loc[::6, "k"] = None
    return frame


FRAME = make_frame()
TREE_COLUMNS = ["x", "gap", "count", "flag", "k"]
TARGET = FRAME["x"] * 3 + FRAME["gap"].fillna(2) * FRAME["count"] + FRAME["flag"]
TARGET += FRAME["k"].cat.codes * FRAME["x"]
GROUPS = ["boundaries", "missing", "infinite", "huge", "unseen", "splits", "missing at splits"]


def probes_of(estimator, frame, rows=2_000, seed=5):
    training = Training.of(frame, estimator)
    model = convert(estimator, training)
    table = training.only(model.signature.names).table
    return model, {probe.name: probe.table for probe in make_probes(model, table, rows, seed)}


@pytest.fixture(scope="module")
def forest():
    model = lgb.LGBMRegressor(n_estimators=12, num_leaves=15, verbose=-1, n_jobs=1)
    return probes_of(model.fit(FRAME[TREE_COLUMNS], TARGET), FRAME[TREE_COLUMNS])


def thresholds(model, column) -> np.ndarray:
    step = next(step for step in model.steps if isinstance(step, Forest))
    index = next(i for i, name in enumerate(step.inputs) if name.split("|")[0] == column)
    nodes = (step.trees.feature == index) & (step.trees.feature != LEAF)
    return np.unique(step.trees.threshold[nodes])


def values(table, column) -> list:
    return table.column(column).to_pylist()


@pytest.mark.parametrize("column", ["x", "gap"])
def test_every_threshold_and_both_neighbours_are_probed(forest, column):
    model, probes = forest
    limits = thresholds(model, column)
    limits = limits[np.isfinite(limits)]
    wanted = {*limits, *(value for side in SIDES for value in np.nextafter(limits, side))}
    assert len(wanted) > 45
    assert wanted <= set(_pool(model, column, probes["boundaries"], split_values(model)[column]))
    assert wanted <= set(values(probes["splits"], column))


def test_integers_on_both_sides_of_every_threshold_are_probed(forest):
    model, probes = forest
    for group in ("boundaries", "splits"):
        found = set(values(probes[group], "count"))
        for limit in np.floor(thresholds(model, "count")):
            assert {int(limit), int(limit) + 1} <= found


def test_every_category_and_none_are_probed(forest):
    _, probes = forest
    for group in ("boundaries", "splits"):
        assert set(values(probes[group], "k")) == {"a", "b", "é", None}
        assert set(values(probes[group], "flag")) == {True, False}


def test_split_values_are_the_thresholds(forest):
    model, _ = forest
    found = split_values(model)
    for column in ("x", "gap"):
        limits = thresholds(model, column)
        assert found[column] == sorted(limits[np.isfinite(limits)].tolist())


def test_extremes_are_probed_where_the_library_must_answer(forest):
    _, probes = forest
    for column in ("x", "gap"):
        found = {(repr(value)) for value in values(probes["boundaries"], column)}
        assert {repr(value) for value in EXTREMES} <= found


def test_every_split_is_reached_by_rows_on_both_of_its_sides(forest):
    """Each split has probe rows that differ in the one value that it reads."""
    model, probes = forest
    step = next(step for step in model.steps if isinstance(step, Forest))
    trees = step.trees
    scorer = Scorer(model)
    run = scorer.run(scorer.decoder.decode(probes["splits"]))
    inputs = np.stack([run.numbers(name) for name in step.inputs])
    rows = np.arange(inputs.shape[1])
    for part in trees.slices():
        reached = {part.start: rows}
        for node in range(part.start, part.stop):
            here = reached[node]
            assert len(here) >= 2
            if trees.feature[node] == LEAF:
                continue
            x = inputs[trees.feature[node], here]
            left = x <= trees.threshold[node]
            if trees.category_set[node] >= 0:
                left = np.isin(np.trunc(x), trees.categories(trees.category_set[node]))
            left = np.where(np.isnan(x), trees.missing_left[node], left)
            reached[int(trees.left[node])] = here[left]
            reached[int(trees.right[node])] = here[~left]


@pytest.mark.parametrize("rows", [1, 100, 2_000])
def test_there_are_at_least_as_many_rows_as_asked_for(rows):
    model = lgb.LGBMRegressor(n_estimators=3, num_leaves=7, verbose=-1, n_jobs=1)
    frame = FRAME[["x", "gap"]]
    _, probes = probes_of(model.fit(frame, TARGET), frame, rows)
    assert len(probes["boundaries"]) == rows
    assert all(len(probes[name]) >= 50 for name in ("missing", "infinite", "huge"))
    assert 0 < len(probes["splits"]) <= max(4 * rows, 1)


def test_probes_are_the_same_for_the_same_seed(forest):
    model = lgb.LGBMRegressor(n_estimators=12, num_leaves=15, verbose=-1, n_jobs=1)
    model.fit(FRAME[TREE_COLUMNS], TARGET)
    _, again = probes_of(model, FRAME[TREE_COLUMNS])
    _, other = probes_of(model, FRAME[TREE_COLUMNS], seed=6)
    _, probes = forest
    assert list(probes) == list(again) == list(other) == GROUPS
    for name in GROUPS:
        assert str(probes[name].to_pylist()) == str(again[name].to_pylist())
    assert str(probes["boundaries"].to_pylist()) != str(other["boundaries"].to_pylist())


def test_boundaries_hold_training_values_and_made_ones(forest):
    _, probes = forest
    seen = set(FRAME["x"])
    share = np.mean([value in seen for value in values(probes["boundaries"], "x")])
    assert 0.4 < share < 0.6


def test_tables_have_the_signature_s_types(forest):
    model, probes = forest
    for table in probes.values():
        assert tuple(table.column_names) == model.signature.names
        assert table.schema.field("x").type == pa.float64()
        assert table.schema.field("count").type == pa.int64()
        assert table.schema.field("flag").type == pa.bool_()
        assert table.schema.field("k").type == pa.string()


def test_missing_values_where_training_had_none_are_probed_apart(forest):
    _, probes = forest
    for name, table in probes.items():
        nulls = {column for column in table.column_names if table.column(column).null_count}
        if name.startswith("missing"):
            assert nulls == set(TREE_COLUMNS) if name == "missing" else nulls >= {"x", "count"}
        else:
            assert nulls <= {"gap", "k"}


def test_infinite_and_huge_values_are_probed_apart(forest):
    _, probes = forest
    for name, table in probes.items():
        for column in ("x", "gap"):
            column_values = table.column(column)
            has_infinite = pc.any(pc.is_inf(column_values)).as_py()
            assert has_infinite == (name == "infinite")
            finite = np.nan_to_num(column_values.to_numpy(), nan=0.0, posinf=0.0, neginf=0.0)
            largest = np.abs(finite).max()
            assert (largest >= 1e39) == (name == "huge")
    assert {v for v in values(probes["huge"], "x") if abs(v) >= 1e38} == set(HUGE)


@pytest.mark.parametrize(
    "scaler", [StandardScaler(), MinMaxScaler(feature_range=(-7, 0.1)), SimpleImputer()]
)
def test_thresholds_are_traced_back_through_scaling(scaler):
    frame = FRAME[["x", "gap"]]
    last = lgb.LGBMRegressor(n_estimators=5, verbose=-1, n_jobs=1)
    pipeline = make_pipeline(scaler, last).fit(frame.to_numpy(), TARGET)
    model, probes = probes_of(pipeline, frame)
    step = next(step for step in model.steps if isinstance(step, Forest))
    scorer = Scorer(model)
    run = scorer.run(scorer.decoder.decode(probes["splits"]))
    for index, name in enumerate(step.inputs):
        read = np.sort(run.numbers(name))
        nodes = (step.trees.feature == index) & np.isfinite(step.trees.threshold)
        for limit in np.unique(step.trees.threshold[nodes]):
            place = np.searchsorted(read, limit, side="right")
            # Scaling leaves gaps: the nearest values that it can give are a few steps away.
            assert limit - read[place - 1] <= 8 * np.spacing(abs(limit))
            assert read[place] - limit <= 8 * np.spacing(abs(limit))


ENCODERS = {
    "one-hot": OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    "ordinal": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_keys_are_probed_and_unseen_ones_apart(name):
    frame = FRAME[["count", "when"]].assign(k=FRAME["k"].astype(str), level=FRAME["count"] / 2)
    last = lgb.LGBMRegressor(n_estimators=20, verbose=-1, n_jobs=1)
    parts = [("encode", ENCODERS[name], ["k", "when", "count", "level"])]
    pipeline = make_pipeline(ColumnTransformer(parts), last).fit(frame, TARGET)
    _, probes = probes_of(pipeline, frame)
    for column in ("k", "when", "count"):
        known = set(Training.of(frame).table.column(column).to_pylist())
        assert set(values(probes["boundaries"], column)) == known
        assert set(values(probes["splits"], column)) <= known
        assert set(values(probes["unseen"], column)) - known - {None}
    assert set(frame["level"]) <= set(values(probes["boundaries"], "level"))


def test_only_known_keys_are_probed_where_others_are_refused():
    frame = FRAME[["count"]].assign(level=FRAME["count"] / 2, k=FRAME["k"].astype(str))
    pipeline = make_pipeline(OneHotEncoder(), Ridge()).fit(frame, TARGET)
    _, probes = probes_of(pipeline, frame)
    for column in frame:
        known = set(Training.of(frame).table.column(column).to_pylist())
        assert set(values(probes["boundaries"], column)) == known


def test_integers_that_are_filled_and_then_refused_unless_known():
    frame = FRAME[["count"]]
    imputer = SimpleImputer(missing_values=0, strategy="most_frequent")
    pipeline = make_pipeline(imputer, OneHotEncoder(), Ridge()).fit(frame, TARGET)
    _, probes = probes_of(pipeline, frame)
    assert set(values(probes["boundaries"], "count")) <= set(frame["count"])


def test_an_empty_training_table_still_gives_boundaries():
    model = lgb.LGBMRegressor(n_estimators=3, verbose=-1, n_jobs=1)
    model.fit(FRAME[["x", "gap"]], TARGET)
    _, probes = probes_of(model, FRAME[["x", "gap"]].iloc[:0], rows=100)
    assert len(probes["boundaries"]) == 100
    assert "splits" not in probes


def test_a_model_without_trees_has_no_rows_for_splits():
    pipeline = make_pipeline(StandardScaler(), Ridge()).fit(FRAME[["x"]], TARGET)
    _, probes = probes_of(pipeline, FRAME[["x"]])
    assert "splits" not in probes


def test_columns_that_only_leaves_read_are_missing_in_turn():
    trees = Trees(
        feature=np.array([0, LEAF, LEAF], np.int32),
        threshold=np.zeros(3),
        left=np.array([1, 0, 0], np.int32),
        right=np.array([2, 0, 0], np.int32),
        missing_left=np.zeros(3, np.bool_),
        category_set=np.full(3, -1, np.int32),
        set_start=np.zeros(1, np.int64),
        set_values=np.zeros(0, np.int32),
        value=np.array([0.0, 1, 2]),
        cover=np.ones(3),
        root=np.zeros(1, np.int32),
        output=np.zeros(1, np.int32),
    )
    terms = np.array([0, 0, 1, 1], np.int64), np.array([1], np.int32), np.ones(1)
    step = LinearForest(("a", "b"), ("y",), trees, np.zeros(3), *terms, 0.0)
    columns = tuple(Column(name, ColumnType.DOUBLE, nullable=False) for name in step.inputs)
    model = Model(Signature(columns), (step,), Outputs(step.outputs))
    table = pa.table({"a": [-1.0, 1.0], "b": [3.0, 4.0]})
    probes = {probe.name: probe.table for probe in make_probes(model, table, 50, 0)}
    rows = probes["missing at splits"].to_pylist()
    assert {"a": -1.0, "b": None} in rows
    assert {"a": 1.0, "b": None} not in rows


def test_points_of_a_line_are_probed():
    frame = FRAME[["x"]]
    line = IsotonicRegression(out_of_bounds="clip")
    model, probes = probes_of(make_pipeline(StandardScaler(), line).fit(frame, TARGET), frame)
    points = split_values(model)["x"]
    scaled = StandardScaler().fit(frame).transform(pd.DataFrame({"x": points}))[:, 0]
    np.testing.assert_allclose(scaled, line.X_thresholds_)
    assert set(points) <= set(values(probes["boundaries"], "x"))
