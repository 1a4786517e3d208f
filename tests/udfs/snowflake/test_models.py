"""The exact zip in a clean environment: the library's own answers, for every kind of model."""

import warnings

import grid
import lightgbm
import numpy as np
import pyarrow as pa
import pytest
from catboost import CatBoostClassifier
from sklearn.compose import make_column_transformer
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from snowflake_models import Shipped, bits, flights, wanted_of
from snowflake_runtime import run_calls
from xgboost import XGBClassifier, XGBRegressor

from foresql.certify import certify
from foresql.certify.golden import check_golden
from foresql.certify.oracle import Answers
from foresql.errors import ForesqlError
from foresql.kernels import Scorer

LIGHT = {"n_estimators": 12, "num_leaves": 15, "min_child_samples": 5, "n_jobs": 1, "verbose": -1}
SMALL = {"n_estimators": 8, "max_depth": 4, "n_jobs": 1, "random_state": 0}
PICKED = (
    *("missing and infinite", "beyond 2**53", "unseen keys", "missing keys", "keys of Unicode"),
    *("fifty classes", "two targets", "linear leaves", "quotes", "500 columns"),
)
BOOSTED = ("lightgbm", "xgboost", "catboost")
EVERY = ("missing and infinite", "quotes")
PARTS = [1, 0, 7, 64, 3]


def make_models() -> dict[str, Shipped]:
    frame = flights()
    numbers = frame[["distance", "seats"]].assign(rain=frame["rain"].astype(float))
    filled = numbers.fillna(0)
    texts = frame[["seats", "carrier"]].assign(carrier=frame["carrier"].astype(object).fillna("?"))
    plain = frame.assign(carrier=frame["carrier"].cat.rename_categories({"É☃": "E"}))
    late = frame["seats"] > 200
    minutes = frame["seats"] * 0.1 + frame["distance"].fillna(0) / 100 + frame["rain"]
    kinds = np.array(["early", "on time", "late"])[frame["seats"] % 3]
    encoder = make_column_transformer(
        (StandardScaler(), ["seats"]), (OneHotEncoder(handle_unknown="ignore"), ["carrier"])
    )
    cats = {"iterations": 8, "depth": 4, "verbose": 0, "thread_count": 1, "random_seed": 0}
    coded = {"enable_categorical": True, "tree_method": "hist", **SMALL}
    fits = {
        "lightgbm": (lightgbm.LGBMRegressor(**LIGHT), frame, minutes),
        "lightgbm numbers": (lightgbm.LGBMRegressor(**LIGHT), numbers, minutes),
        "lightgbm binary": (lightgbm.LGBMClassifier(**LIGHT), frame, late),
        "lightgbm classes": (lightgbm.LGBMClassifier(**LIGHT), frame, kinds),
        "xgboost": (XGBRegressor(**coded), plain, minutes),
        "xgboost classes": (XGBClassifier(**SMALL), numbers, frame["seats"] % 3),
        "catboost": (CatBoostClassifier(cat_features=["carrier"], **cats), texts, late),
        "forest": (RandomForestClassifier(**SMALL), filled, kinds),
        "isolation": (IsolationForest(n_estimators=8, random_state=0), filled, None),
        "texts": (make_pipeline(encoder, LogisticRegression()), texts, kinds),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            name: Shipped.of(name, estimator.fit(rows, target), rows)
            for name, (estimator, rows, target) in fits.items()
        }


MODELS = ("lightgbm", "lightgbm numbers", "lightgbm binary", "lightgbm classes", "xgboost",
          "xgboost classes", "catboost", "forest", "isolation", "texts")  # fmt: skip


@pytest.fixture(scope="session")
def models() -> dict[str, Shipped]:
    return make_models()


@pytest.fixture(scope="session")
def answered(models, tmp_path_factory):
    """All models in one process: every probe whole and in ragged parts, and the golden rows."""
    calls, places = [], {}
    for name, shipped in models.items():
        for number, table in enumerate(shipped.probes(400)):
            parts = [*PARTS, max(len(table) - sum(PARTS), 0)]
            places[name, number] = (table, len(calls))
            calls += [shipped.call(table), shipped.call(table, parts=parts, index="texts")]
            if shipped.model.outputs.probabilities:
                calls.append(shipped.call(table, "predict_proba"))
    run = run_calls(calls, tmp_path_factory.mktemp("models"))
    return {key: (table, run.answers[start:]) for key, (table, start) in places.items()}


@pytest.mark.parametrize("name", MODELS)
def test_probe_rows_have_the_kernels_bits_in_whatever_batches(name, models, answered):
    shipped = models[name]
    scored = 0
    for (model, _), (table, (whole, parts, *_)) in answered.items():
        if model != name:
            continue
        try:
            wanted = wanted_of(shipped, table)
        except ForesqlError as error:
            wanted = f"{type(error).__name__}: {error}"
        if isinstance(wanted, str):
            assert (whole["error"], parts["error"]) == (wanted, wanted)
            continue
        assert bits(whole["values"]) == bits(wanted)
        assert bits(parts["values"]) == bits(wanted)
        scored += len(table)
    assert scored >= 400


@pytest.mark.parametrize("name", [name for name in MODELS if "binary" in name or "class" in name])
def test_probabilities(name, models, answered):
    shipped = models[name]
    for (model, number), (table, (_, _, said, *_)) in answered.items():
        if model == name and number == 0:
            wanted = shipped.scorer.score(table).probabilities
            if wanted.shape[1] == 2:
                assert bits(said["values"]) == bits(wanted[:, 1].tolist())
            else:
                labels = [str(label) for label in shipped.model.outputs.classes]
                rows = [dict(zip(labels, row, strict=True)) for row in wanted.tolist()]
                assert said["values"] == rows


@pytest.mark.parametrize("name", ["lightgbm", "lightgbm numbers"])
def test_raw_scores_are_lightgbms_own_on_its_boundaries(name, models, answered):
    """Regression has no link: what predict gives is the raw score."""
    shipped = models[name]
    compared = 0
    for (model, _), (table, (whole, *_)) in answered.items():
        if model == name:
            rows = shipped.training.rebuild(table)
            raw = shipped.estimator.predict(rows, raw_score=True)
            assert bits(whole["values"]) == bits(raw.tolist())
            compared += len(table)
    assert compared > 800


@pytest.mark.parametrize("name", ["lightgbm binary", "texts", "isolation"])
def test_golden_rows_of_the_certificate(name, models, tmp_path):
    shipped = models[name]
    certificate = certify(
        shipped.model, shipped.estimator, shipped.training, rows=200, routes=["kernel"]
    )

    def route(table: pa.Table) -> Answers:
        proba = "predict_proba" if shipped.model.outputs.probabilities else None
        calls = [shipped.call(table, entry) for entry in ("predict", proba) if entry]
        said = [answer["values"] for answer in run_calls(calls, tmp_path).answers]
        none = np.empty((len(table), 0))
        if proba is None:
            return Answers(np.array(said[0]), none, none)
        rows = said[1]
        if not isinstance(rows[0], dict):
            table_of = np.array([[1 - p, p] for p in rows])
        else:
            table_of = np.array([list(row.values()) for row in rows])
        return Answers(np.array(said[0]), table_of, none)

    check_golden(certificate.golden, shipped.model, Scorer(shipped.model), route)


def test_models_of_the_grid(tmp_path):
    """Names, keys, classes and shapes that break others, in one process."""
    held, calls, kept = 0, [], []
    for case in grid.cases():
        family, kind = case.name.split(": ")
        if kind not in (PICKED if family in BOOSTED else EVERY):
            continue
        fitted = case.fit()
        if fitted is None:
            continue
        try:
            shipped = Shipped.of(case.name, fitted.estimator, fitted.frame)
            call = shipped.call(shipped.training.table.slice(0, 60))
        except ForesqlError:
            continue
        calls.append(call)
        kept.append((case.name, shipped))
    for (name, shipped), said in zip(kept, run_calls(calls, tmp_path).answers, strict=True):
        wanted = wanted_of(shipped, shipped.training.table.slice(0, 60))
        assert bits(said.get("values", [said])) == bits(wanted), name
        held += 1
    assert held > 25
