"""A registry with one model of each kind, and the frame that they were trained on."""

import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import foresql

ROWS = 400
SMALL = {"n_estimators": 5, "num_leaves": 7, "n_jobs": 1, "verbose": -1}


@pytest.fixture(scope="session")
def orders() -> pd.DataFrame:
    """Codes that look like numbers, and missing values in two columns."""
    random = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "zip": pd.Categorical(random.choice(["01067", "53111", "89073"], ROWS)),
            "total": random.gamma(2, 40, ROWS),
            "items": random.integers(1, 9, ROWS),
            "express": random.random(ROWS) < 0.5,
        }
    )
    frame.loc[::7, "total"] = np.nan
    frame.loc[::11, "zip"] = None
    return frame


@pytest.fixture(scope="session")
def estimators(orders):
    """By name: what the registry holds as version 1."""
    amount = orders["total"].fillna(0) + 9 * orders["items"]
    numbers = orders[["items", "express"]]
    strict = make_pipeline(
        make_column_transformer((OneHotEncoder(handle_unknown="error"), ["items"])),
        LinearRegression(),
    )
    classes = np.select([amount < 60, amount < 110], ["low", "middle"], "high")
    return {
        "amount": lightgbm.LGBMRegressor(**SMALL).fit(orders, amount),
        "large": lightgbm.LGBMClassifier(**SMALL).fit(orders, amount > 100),
        "class": lightgbm.LGBMClassifier(**SMALL).fit(orders, classes),
        "both": LinearRegression().fit(numbers, np.stack([amount, -amount], axis=1)),
        "strict": strict.fit(orders[["items"]], amount),
    }


@pytest.fixture(scope="session")
def registry(estimators, orders, tmp_path_factory):
    folder = tmp_path_factory.mktemp("registry")
    for name, estimator in estimators.items():
        like = orders[list(getattr(estimator, "feature_names_in_", orders.columns))]
        foresql.publish(name, estimator, like=like, registry=folder, probe_rows=50)
    return folder


@pytest.fixture
def score(registry, tmp_path):
    """Score a file of the test's folder into another one there."""

    def run(model, source, output, **options):
        return foresql.score_file(
            f"{model}:1", tmp_path / source, tmp_path / output, registry=registry, **options
        )

    return run
