"""The route of plain SQL: held against the library, or left out with a reason."""

from dataclasses import replace
from importlib import import_module

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from foresql import CertificationError, certify
from foresql.frontends import Training, convert
from foresql.ir import steps as s
from foresql.models_sql import links

sql = import_module("foresql.certify.sql")
rng = np.random.default_rng(4)
FRAME = pd.DataFrame(rng.normal(size=(300, 3)), columns=["a", "b", "c"])
NUMBER = FRAME["a"] * FRAME["b"] + FRAME["c"]
THREE = np.array(["p", "q", "r"])[np.digitize(NUMBER, [-0.5, 0.5])]
FRAME["k"] = pd.Categorical(rng.choice(["x", "y", "z"], len(FRAME)))
NUMBERS = FRAME[["a", "b", "c"]]
SMALL = {"n_estimators": 5, "num_leaves": 6, "verbose": -1, "n_jobs": 1}
ROUTES = ("kernel", "sql")
ESTIMATORS = {
    "regression": (lgb.LGBMRegressor(**SMALL), FRAME, NUMBER),
    "two classes": (lgb.LGBMClassifier(**SMALL), FRAME, NUMBER > 0),
    "three classes": (lgb.LGBMClassifier(**SMALL), FRAME, THREE),
    "linear": (make_pipeline(StandardScaler(), LogisticRegression()), NUMBERS, THREE),
    "bayes": (GaussianNB(), NUMBERS, THREE),
    "tanh": (
        MLPRegressor(hidden_layer_sizes=(4,), activation="tanh", max_iter=20),
        NUMBERS,
        NUMBER,
    ),
}


def converted(estimator, frame):
    training = Training.of(frame, estimator)
    model = convert(estimator, training)
    return model, training.only(model.signature.names)


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.filterwarnings("ignore")
def test_sql_is_a_route(name):
    estimator, frame, target = ESTIMATORS[name]
    estimator.fit(frame, target)
    model, training = converted(estimator, frame)
    certificate = certify(model, estimator, training, rows=500, routes=ROUTES)
    assert certificate.routes == ROUTES
    assert certificate.without == {}
    assert certificate.largest_difference < 1e-13


def test_rows_that_sql_cannot_tell_are_left_out():
    """Rows between stored points tie, and a query ends at them."""
    estimator = KNeighborsRegressor(3).fit(NUMBERS, NUMBER)
    model, training = converted(estimator, NUMBERS)
    certificate = certify(model, estimator, training, rows=300, routes=ROUTES)
    assert "sql" in certificate.routes


@pytest.mark.filterwarnings("ignore:The `probability` parameter:FutureWarning")
def test_a_model_without_sql_is_certified_without_it():
    estimator = SVC(probability=True).fit(NUMBERS, np.median(NUMBER) < NUMBER)
    model, training = converted(estimator, NUMBERS)
    document = certify(model, estimator, training, rows=300, routes=ROUTES).to_json()
    assert document["routes"] == [route for route in ROUTES if route != "sql"]
    assert "it iterates" in document["without"]["sql"]


@pytest.mark.parametrize(
    ("most", "reason"),
    [("_MOST_NODES", "nodes of trees, and the gate"), ("_MOST_BYTES", "bytes, and the gate")],
)
def test_what_would_take_long_is_left_out(monkeypatch, most, reason):
    monkeypatch.setattr(sql, most, 20)
    estimator = lgb.LGBMRegressor(**SMALL).fit(FRAME, NUMBER)
    model, training = converted(estimator, FRAME)
    certificate = certify(model, estimator, training, rows=100, routes=ROUTES)
    assert certificate.routes == ("kernel",)
    assert reason in certificate.without["sql"]


def wrong(monkeypatch, change):
    """Let SQL be that of a changed model."""
    compiled = sql.compile_query
    monkeypatch.setattr(
        sql, "compile_query", lambda model, *a, **k: compiled(change(model), *a, **k)
    )


def test_a_wrong_bit_is_found(monkeypatch):
    def change(model):
        steps = [
            replace(step, start=np.nextafter(step.start + 1, 9) - 1)
            if isinstance(step, s.Forest)
            else step
            for step in model.steps
        ]
        return replace(model, steps=tuple(steps))

    wrong(monkeypatch, change)
    estimator = lgb.LGBMRegressor(**SMALL).fit(FRAME, NUMBER)
    model, training = converted(estimator, FRAME)
    with pytest.raises(CertificationError, match=r"Route sql gives .*, and the kernel"):
        certify(model, estimator, training, rows=100, routes=ROUTES)


def test_a_wrong_label_is_found(monkeypatch):
    moved = {s.Function.SIGMOID: lambda x: links.sigmoid(x - 0.1)}
    monkeypatch.setattr(links, "LINKS", moved)
    estimator = lgb.LGBMClassifier(**SMALL).fit(FRAME, NUMBER > 0)
    model, training = converted(estimator, FRAME)
    with pytest.raises(CertificationError, match="Route sql gives the label"):
        certify(model, estimator, training, rows=2000, routes=ROUTES)


def test_a_row_that_sql_does_not_refuse_is_found(monkeypatch):
    def change(model):
        kept = [step for step in model.steps if not isinstance(step, s.Require)]
        return replace(model, steps=tuple(kept))

    wrong(monkeypatch, change)
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(NUMBERS, THREE)
    model, training = converted(estimator, NUMBERS)
    with pytest.raises(CertificationError, match="answers a row that the library refuses"):
        certify(model, estimator, training, rows=100, routes=ROUTES)
