"""Fitted models, made ready once, and connections that hold their functions."""

from dataclasses import dataclass
from typing import Any

import duckdb
import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from foresql.certify.publish import prepare
from foresql.frontends import Training
from foresql.kernels import Scorer
from foresql.udfs.duckdb import register_scorer

SMALL = {"n_estimators": 10, "num_leaves": 7, "min_child_samples": 5, "n_jobs": 1, "verbose": -1}


@dataclass(frozen=True)
class Fitted:
    """An estimator, the frame that it was fitted on, and its scorer."""

    estimator: Any
    frame: pd.DataFrame
    scorer: Scorer

    @property
    def predictions(self) -> np.ndarray:
        return np.asarray(self.estimator.predict(self.frame))

    @property
    def probabilities(self) -> np.ndarray:
        return np.asarray(self.estimator.predict_proba(self.frame))


def ready(estimator, frame, calibration=None) -> Fitted:
    model = prepare(estimator, Training.of(frame, estimator), calibration)
    return Fitted(estimator, frame, Scorer(model))


def many_flights(rows: int) -> pd.DataFrame:
    """Columns of every type that LightGBM reads, with missing values in two of them."""
    random = np.random.default_rng(7)
    distance = random.normal(1000, 400, rows).round(1)
    distance[::7] = np.nan
    carrier = random.choice(["AA", "UA", "É☃", 'say "hi"'], rows).astype(object)
    carrier[::11] = None
    return pd.DataFrame(
        {
            "distance": distance,
            "seats": random.integers(0, 400, rows),
            "rain": random.random(rows) < 0.3,
            "carrier": pd.Categorical(carrier),
        }
    )


@pytest.fixture(scope="session")
def fit():
    """Make an estimator ready: `fit(estimator, frame, target)`."""

    def run(estimator, frame, target, calibration=None):
        return ready(estimator.fit(frame, target), frame, calibration)

    return run


@pytest.fixture(scope="session")
def flights() -> pd.DataFrame:
    return many_flights(500)


@pytest.fixture(scope="session")
def delay(flights) -> np.ndarray:
    return flights["distance"].fillna(0).to_numpy() / 100 + flights["seats"] % 7 + flights["rain"]


@pytest.fixture(scope="session")
def regressor(fit, flights, delay) -> Fitted:
    return fit(lightgbm.LGBMRegressor(**SMALL), flights, delay)


@pytest.fixture(scope="session")
def binary(fit, flights, delay) -> Fitted:
    return fit(lightgbm.LGBMClassifier(**SMALL), flights, delay > 8)


@pytest.fixture(scope="session")
def multiclass(fit, flights, delay) -> Fitted:
    labels = np.select([delay < 5, delay < 10], ["early", "on time"], "late")
    return fit(lightgbm.LGBMClassifier(**SMALL), flights, labels)


@pytest.fixture(scope="session")
def line(fit) -> Fitted:
    """The smallest model: one column, and a plain formula."""
    frame = pd.DataFrame({"x": np.arange(100.0)})
    return fit(LinearRegression(), frame, frame["x"] * 2 + 1)


@pytest.fixture
def con():
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture
def add(con):
    """Register a fitted model, and make its frame the table `t` in the frame's order."""

    def run(fitted, name="predict", **options):
        con.register("frame", fitted.frame)
        con.execute("CREATE OR REPLACE TABLE t AS FROM frame")
        con.unregister("frame")
        return register_scorer(con, fitted.scorer, name, **options)

    return run


@pytest.fixture
def column(con):
    """Run a query that gives one column, and give it as a list."""
    return lambda sql, values=None: [row[0] for row in con.execute(sql, values).fetchall()]
