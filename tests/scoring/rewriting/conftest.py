"""Small models of all kinds, one that refuses rows among them, and tables of awkward values."""

import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

import foresql

KEYS = ["EWR", "JFK", "LGA", "SFO"]
SMALL = {"n_estimators": 8, "num_leaves": 7, "min_child_samples": 5, "n_jobs": 1, "verbose": -1}


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    random = np.random.default_rng(3)
    count = 400
    rows = pd.DataFrame(
        {
            "k": pd.Categorical(random.choice(KEYS, count)),
            "x": random.normal(0, 10, count),
            "i": random.integers(-5, 20, count),
            "b": random.random(count) < 0.5,
        }
    )
    rows.loc[::9, "x"] = np.nan
    rows.loc[::13, "k"] = None
    return rows


@pytest.fixture(scope="session")
def models(frame):
    """From the name of a function to an estimator and the frame that it was fitted to."""
    target = frame["i"] + frame["x"].fillna(3) * (frame["k"] == "JFK") + 4 * frame["b"]
    whole = frame.dropna().astype({"k": str})
    strict = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="error"), ["k"]), (StandardScaler(), ["x", "i"])
        ),
        LinearRegression(),
    ).fit(whole[["k", "x", "i"]], target[whole.index])
    numbers = frame[["x", "i"]]
    labels = np.select([target < 5, target < 12], ["low", "middle"], "high")
    return {
        "predict_reg": (lightgbm.LGBMRegressor(**SMALL).fit(frame, target), frame),
        "predict_big": (lightgbm.LGBMClassifier(**SMALL).fit(frame, target > 8), frame),
        "predict_class": (lightgbm.LGBMClassifier(**SMALL).fit(frame, labels), frame),
        "predict_strict": (strict, whole[["k", "x", "i"]]),
        "predict_tree": (DecisionTreeRegressor(max_depth=4).fit(numbers, target), numbers),
    }


@pytest.fixture(scope="session")
def connected(models):
    """Connections with all models: by Arrow functions, and by the extension where there is one."""
    import duckdb

    found = {"arrow": duckdb.connect(), "native": foresql.connect()}
    for connection in found.values():
        for name, (estimator, like) in models.items():
            foresql.register(connection, estimator, name=name, like=like)
    yield found
    for connection in found.values():
        connection.close()
