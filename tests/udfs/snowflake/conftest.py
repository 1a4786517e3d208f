"""A model that has every function, shipped once."""

import lightgbm
import pytest
from snowflake_models import Shipped, flights


@pytest.fixture(scope="session")
def flight_model() -> Shipped:
    frame = flights()
    target = frame["seats"] * 0.1 + frame["distance"].fillna(0) / 100 + frame["rain"]
    options = {"n_estimators": 20, "num_leaves": 15, "n_jobs": 1, "verbose": -1}
    estimator = lightgbm.LGBMRegressor(**options).fit(frame[:600], target[:600])
    return Shipped.of("delay", estimator, frame[:600], (frame[600:], target[600:]))
