"""CatBoost on categories: hashes, one-hot splits and counts, bit for bit or refused."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from catboost import CatBoostClassifier, CatBoostRegressor
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from foresql.certify.edges import split_values
from foresql.certify.routes import ROUTES
from foresql.errors import ScoringError, UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.frontends.catboost_categories import Categories
from foresql.frontends.catboost_file import read_catboost
from foresql.frontends.catboost_hash import hash_category
from foresql.ir.steps import Exceeds, Lookup, LookupRow, Require
from foresql.kernels import Scorer

ROWS = 800
QUIET = {"verbose": 0, "allow_writing_files": False, "thread_count": 1}
SMALL = QUIET | {"iterations": 10, "depth": 4, "learning_rate": 0.2}
ONE_HOT = SMALL | {"one_hot_max_size": 100}
COUNTED = SMALL | {"one_hot_max_size": 1, "max_ctr_complexity": 1, "model_size_reg": 0}
COMBINED = SMALL | {"max_ctr_complexity": 4, "model_size_reg": 0, "depth": 6, "iterations": 30}


def make_frame() -> pd.DataFrame:
    """Make texts, integers and booleans that matter together more than each alone."""
    rng = np.random.default_rng(5)
    texts = np.array(["0", "wü", "a name of some 32 or more letters", "m" * 70, "", "☃" * 5])
    return pd.DataFrame(
        {
            "x": rng.normal(size=ROWS),
            "gaps": np.where(rng.random(ROWS) < 0.3, np.nan, rng.normal(size=ROWS)),
            "text": texts[rng.integers(0, 6, ROWS)].astype(object),
            "whole": rng.integers(-3, 4, ROWS),
            "flag": rng.random(ROWS) < 0.5,
            "letter": np.array(list("pqrst"))[rng.integers(0, 5, ROWS)].astype(object),
        }
    )


FRAME = make_frame()
KEYS = ["text", "whole", "flag", "letter"]
TOGETHER = (FRAME.text.map(len) * 7 + FRAME.whole) * 2_654_435_761 % 97 / 20
SIGNAL = (
    TOGETHER * np.where(FRAME.x > 0, 1, -1) * np.where(FRAME.flag, 1, 2)
    + np.where(FRAME.letter == "p", TOGETHER, 0)
    + np.where(FRAME.gaps.isna(), TOGETHER, 0)
).to_numpy()
CLASSES = np.digitize(SIGNAL, np.quantile(SIGNAL, [0.3, 0.6]))


def fit(options, frame=FRAME, keys=KEYS, target=SIGNAL):
    return CatBoostRegressor(cat_features=keys, **options).fit(frame, target)


def kinds_of(estimator, tmp_path):
    """Tell how many categories, floats and one-hot splits the statistics combine."""
    estimator.save_model(str(tmp_path / "m.cbm"))
    parsed = read_catboost((tmp_path / "m.cbm").read_bytes())
    found = [(ctr.statistic.projection, ctr.statistic.kind) for ctr in parsed.ctrs]
    return {(*map(len, projection), kind) for projection, kind in found}


# --- what is tested and counted -------------------------------------------------------------------


@pytest.mark.parametrize("size", [*range(18), 31, 32, 33, 63, 64, 65, 127, 128, 129, 192, 193, 300])
def test_hashes(size, tmp_path):
    text = "".join(chr(ord("A") + (place * 7 + size) % 50) for place in range(size - 2)) + "é"
    text = "x" * size if size < 3 else text
    frame = pd.DataFrame({"c": np.array([text, "one", "two"] * 20, object)})
    options = QUIET | {"iterations": 1, "depth": 1, "one_hot_max_size": 9}
    estimator = CatBoostRegressor(cat_features=["c"], **options).fit(frame, frame.c == text)
    estimator.save_model(str(tmp_path / "m.cbm"))
    (split,) = read_catboost((tmp_path / "m.cbm").read_bytes()).splits
    assert split.value == hash_category(text)


@pytest.mark.parametrize("policy", ["SymmetricTree", "Depthwise", "Lossguide"])
def test_one_hot(agree, policy):
    model = agree(fit(ONE_HOT | {"grow_policy": policy}), FRAME)
    assert not any(isinstance(step, LookupRow) for step in model.steps)


@pytest.mark.parametrize(
    "kind",
    ["Borders", "Borders:TargetBorderCount=3", "Buckets", "BinarizedTargetMeanValue", "Counter"],
)
def test_counts_of_one_column(agree, kind, tmp_path):
    frame = FRAME[["text", "whole"]]
    options = COUNTED | {"simple_ctr": [f"{kind}:Prior=0.3"]}
    estimator = fit(options, frame, ["text", "whole"])
    assert {(1, 0, 0, kind.partition(":")[0])} == kinds_of(estimator, tmp_path)
    agree(estimator, frame)


@pytest.mark.parametrize(
    "options",
    [
        {"nan_mode": "Min"},
        {"nan_mode": "Max"},
        {"combinations_ctr": ["Buckets", "Counter"]},
        {"combinations_ctr": ["BinarizedTargetMeanValue", "Borders:TargetBorderCount=3"]},
    ],
    ids=str,
)
def test_combinations(agree, options, tmp_path):
    estimator = fit(COMBINED | options)
    combined = kinds_of(estimator, tmp_path)
    assert any(kind[0] > 1 for kind in combined)
    assert any(kind[1] for kind in combined)
    assert any(kind[2] for kind in combined)
    agree(estimator, FRAME, rows=4_000)


def test_borders_in_combinations_are_probed():
    estimator = fit(COMBINED)
    model = convert(estimator, Training.of(FRAME, estimator))
    borders = {step.threshold for step in model.steps if isinstance(step, Exceeds)}
    probed = split_values(model)
    assert borders
    assert borders <= {*probed["x"], *probed["gaps"]}


@pytest.mark.parametrize("target", [CLASSES, CLASSES > 0], ids=["three", "two"])
def test_classes(agree, target):
    estimator = CatBoostClassifier(cat_features=KEYS, **COMBINED).fit(FRAME, target)
    agree(estimator, FRAME, rows=500, routes=tuple(ROUTES))


# --- frames ---------------------------------------------------------------------------------------

TEXTS = {
    "str": "str",
    "object": object,
    "string": "string",
    "category": "category",
    "pyarrow": "string[pyarrow]",
}
INTEGERS = {"int8": "int8", "uint64": "uint64", "Int64": "Int64", "object": object}
INTEGERS |= {"category": "category"}
FLAGS = {"bool": bool, "object": object, "boolean": "boolean", "category": "category"}


@pytest.mark.parametrize("options", [SMALL, ONE_HOT], ids=["counts", "one-hot"])
@pytest.mark.parametrize("dtype", TEXTS.values(), ids=TEXTS)
def test_texts(agree, dtype, options):
    frame = FRAME[["x", "text"]].astype({"text": dtype})
    agree(fit(options, frame, ["text"]), frame, rows=500)


@pytest.mark.parametrize("options", [SMALL, ONE_HOT], ids=["counts", "one-hot"])
@pytest.mark.parametrize("dtype", INTEGERS.values(), ids=INTEGERS)
def test_integers(agree, dtype, options):
    frame = FRAME[["x", "whole"]].assign(whole=FRAME.whole + 3).astype({"whole": dtype})
    agree(fit(options, frame, ["whole"]), frame, rows=500)


def test_negative_integers(agree):
    agree(fit(ONE_HOT, FRAME[["x", "whole"]], ["whole"]), FRAME[["x", "whole"]], rows=500)


@pytest.mark.parametrize("dtype", FLAGS.values(), ids=FLAGS)
def test_booleans(agree, dtype):
    frame = FRAME[["x", "flag"]].astype({"flag": dtype})
    agree(fit(SMALL, frame, ["flag"]), frame, rows=500)


ARRAYS = {
    "objects": (FRAME.to_numpy(), [2, 3, 4, 5]),
    "integers": (FRAME[["whole", "flag"]].to_numpy(int), [0]),
    "polars": (pl.DataFrame(FRAME[["x", "text", "whole"]]), ["text", "whole"]),
}


@pytest.mark.parametrize(("like", "keys"), ARRAYS.values(), ids=ARRAYS)
def test_other_frames(agree, like, keys):
    agree(fit(SMALL, like, keys), like, rows=500)


def test_pipeline_that_passes_categories_through(agree):
    columns = ColumnTransformer(
        [("scale", StandardScaler(), ["x"]), ("keep", "passthrough", ["text", "whole"])]
    )
    estimator = make_pipeline(columns, CatBoostRegressor(cat_features=[1, 2], **SMALL))
    agree(estimator.fit(FRAME, SIGNAL), FRAME, rows=500)


# --- rows that CatBoost refuses -------------------------------------------------------------------


@pytest.mark.parametrize("is_ignored", [False, True])
def test_missing_categories(is_ignored):
    options = {"ignored_features": [2]} if is_ignored else {}
    frame = FRAME[["x", "text", "letter"]]
    estimator = fit(ONE_HOT | options, frame, ["text", "letter"])
    training = Training.of(frame, estimator)
    model = convert(estimator, training)
    assert any(isinstance(step, Require) for step in model.steps) == is_ignored
    row = pa.Table.from_pylist([{"x": 1.0, "text": "wü", "letter": None}], training.table.schema)
    with pytest.raises(ScoringError, match="letter"):
        Scorer(model).score(row)


# --- refusals -------------------------------------------------------------------------------------


def test_part_of_the_frame():
    frame = FRAME[["whole"]]
    estimator = fit(COUNTED, frame, ["whole"])
    part = frame[frame.whole != 0]
    with pytest.raises(UnsupportedModelError, match=r"it counted .* column 'whole'"):
        convert(estimator, Training.of(part, estimator))


def test_part_of_the_frame_with_one_hot_splits():
    estimator = fit(ONE_HOT, FRAME[["text"]], ["text"])
    part = FRAME[["text"]][FRAME.text == "wü"]
    with pytest.raises(UnsupportedModelError, match=r"it splits on \d categories of column 'text'"):
        convert(estimator, Training.of(part, estimator))


def test_categories_of_an_evaluation_set():
    frame = FRAME[["whole"]]
    options = COUNTED | {"counter_calc_method": "Full", "simple_ctr": ["Counter"]}
    estimator = CatBoostRegressor(cat_features=["whole"], **options)
    evaluated = (frame.assign(whole=77), SIGNAL)
    estimator.fit(frame, SIGNAL, eval_set=evaluated, use_best_model=False)
    with pytest.raises(UnsupportedModelError, match="counter_calc_method='SkipTest'"):
        convert(estimator, Training.of(frame, estimator))


def test_categories_that_a_transformer_made():
    imputer = SimpleImputer(strategy="constant", fill_value="none")
    columns = ColumnTransformer([("fill", imputer, ["text"])])
    estimator = make_pipeline(columns, CatBoostRegressor(cat_features=[0], **SMALL))
    estimator.fit(FRAME, SIGNAL)
    with pytest.raises(UnsupportedModelError, match="made by a transformer"):
        convert(estimator, Training.of(FRAME, estimator))


def test_dates_as_categories():
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(FRAME.whole, unit="D")
    frame = pd.DataFrame({"day": days.map(str).astype(object)})
    estimator = fit(SMALL, frame, ["day"])
    like = pd.DataFrame({"day": days})
    with pytest.raises(UnsupportedModelError, match="'day' are timestamp"):
        convert(estimator, Training.of(like, estimator))


def test_many_splits_in_one_combination(monkeypatch):
    monkeypatch.setattr(f"{Categories.__module__}._MOST_OUTCOMES", 0)
    estimator = fit(COMBINED)
    with pytest.raises(UnsupportedModelError, match="max_ctr_complexity=1"):
        convert(estimator, Training.of(FRAME, estimator))


def test_a_column_is_looked_up_once():
    estimator = fit(COMBINED)
    model = convert(estimator, Training.of(FRAME, estimator))
    looked_up = [step.inputs for step in model.steps if isinstance(step, Lookup)]
    assert len(looked_up) == len(set(looked_up)) == len(KEYS)
