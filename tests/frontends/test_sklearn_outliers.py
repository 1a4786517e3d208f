"""scikit-learn's outlier detectors: scores, and the labels 1 and -1."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import SGDOneClassSVM
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from foresql import ScoringError, UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.ir import ColumnType
from foresql.kernels import Scorer

ROWS = 300
RNG = np.random.default_rng(5)
FRAME = pd.DataFrame(
    {
        "plain": RNG.normal(size=ROWS),
        "skewed": RNG.gamma(1.0, 2.0, ROWS),
        "tied": RNG.choice([0.1, -0.0, 0.0, 1e-40, 7.5], ROWS),
        "whole": RNG.integers(-6, 7, ROWS),
        "flag": RNG.random(ROWS) < 0.3,
    }
)
GAPS = FRAME.assign(plain=FRAME["plain"].mask(RNG.random(ROWS) < 0.2))
PROBES = 1000


def isolate(**options):
    return IsolationForest(n_estimators=8, random_state=0, **options)


def convert_fitted(estimator, frame=FRAME):
    return convert(estimator, Training.of(frame, estimator))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"contamination": 0.1},
        {"max_samples": 40, "max_features": 0.6},
        {"max_samples": 2},
        {"max_features": 1, "bootstrap": True, "contamination": 0.4},
    ],
    ids=str,
)
@pytest.mark.parametrize("frame", [FRAME, GAPS], ids=["full", "gaps"])
def test_isolation_forest(options, frame, agree):
    model = agree(isolate(**options).fit(frame), frame, rows=PROBES)
    assert model.outputs.classes == (-1, 1)
    assert model.outputs.label_type is ColumnType.BIGINT


def test_isolation_forest_in_sql(agree):
    model = isolate(contamination=0.2).fit(FRAME)
    agree(model, FRAME, rows=3000, routes=("kernel", "reloaded", "duckdb"))


def test_isolation_forest_of_one_column_and_weights(agree):
    model = isolate(max_samples=64).fit(FRAME[["skewed"]], sample_weight=RNG.random(ROWS))
    agree(model, FRAME[["skewed"]], rows=PROBES)


def test_isolation_forest_answers_what_it_never_saw(quietly):
    model = isolate().fit(FRAME)
    odd = FRAME.head(6).astype({"whole": float, "flag": float})
    odd.loc[0, :] = np.nan
    odd.loc[1, "plain"], odd.loc[2, "skewed"] = np.inf, -np.inf
    odd.loc[3, "plain"], odd.loc[4, "tied"] = 1e300, -1e39
    converted = convert(model, Training.of(odd, model))
    ours = Scorer(converted).score(Training.of(odd, model).table)
    assert ours.margins[:, 0].tobytes() == quietly(lambda: model.decision_function(odd)).tobytes()
    labels = quietly(lambda: model.predict(odd)).tolist()
    assert (ours.prediction[:, 0] * 2 - 1).tolist() == labels


def test_isolation_forest_in_a_pipeline(agree):
    frame = FRAME.assign(city=RNG.choice(["Ö", "b", "c d"], ROWS))
    encoder = OneHotEncoder(sparse_output=False)
    before = make_column_transformer((encoder, ["city"]), remainder="passthrough")
    agree(make_pipeline(before, isolate()).fit(frame), frame, rows=PROBES)


def test_isolation_forest_of_single_rows_is_refused():
    with pytest.raises(UnsupportedModelError, match="larger max_samples"):
        convert_fitted(isolate(max_samples=1).fit(FRAME))


def test_isolation_forest_of_sparse_columns_is_refused():
    frame = FRAME[["tied"]].astype(str)
    with pytest.raises(UnsupportedModelError, match="sparse"):
        convert_fitted(make_pipeline(OneHotEncoder(), isolate()).fit(frame), frame)


@pytest.mark.parametrize("columns", [["plain"], ["plain", "skewed", "whole", "flag"]])
@pytest.mark.parametrize("contamination", [0.01, 0.3])
def test_elliptic_envelope(columns, contamination, agree, quietly):
    frame = FRAME[columns].astype(float)
    model = EllipticEnvelope(contamination=contamination, random_state=0)
    quietly(lambda: model.fit(frame))
    assert agree(model, frame, rows=PROBES).outputs.classes == (-1, 1)


@pytest.mark.parametrize("options", [{"assume_centered": True}, {"store_precision": False}])
def test_elliptic_envelope_behind_a_scaler(options, agree, quietly):
    model = make_pipeline(StandardScaler(), EllipticEnvelope(random_state=0, **options))
    frame = FRAME[["plain", "skewed"]]
    agree(quietly(lambda: model.fit(frame)), frame, rows=PROBES)


@pytest.mark.parametrize("options", [{}, {"nu": 0.1, "average": True}, {"fit_intercept": False}])
def test_one_class_svm(options, agree):
    model = make_pipeline(StandardScaler(), SGDOneClassSVM(random_state=0, **options))
    assert agree(model.fit(FRAME), FRAME, rows=PROBES).outputs.classes == (-1, 1)
    agree(SGDOneClassSVM(random_state=0).fit(FRAME[["plain"]]), FRAME[["plain"]], rows=PROBES)


@pytest.mark.parametrize("kind", [EllipticEnvelope, SGDOneClassSVM])
def test_missing_and_infinite_values_are_refused(kind):
    frame = FRAME[["plain", "skewed"]]
    model = kind(random_state=0).fit(frame)
    scorer = Scorer(convert_fitted(model, frame))
    for odd in (np.nan, np.inf):
        changed = frame.head(3).assign(plain=[0.0, odd, 1.0])
        with pytest.raises(ScoringError, match="plain"):
            scorer.score(Training.of(changed, model).table)


@pytest.mark.parametrize("kind", [EllipticEnvelope, IsolationForest, SGDOneClassSVM])
def test_detectors_that_were_never_fitted(kind):
    with pytest.raises(UnsupportedModelError, match="it is not fitted"):
        convert_fitted(kind())
