"""A registry in which `delay` has a champion and a challenger that answers otherwise."""

import shutil

import lightgbm
import numpy as np
import pandas as pd
import pytest

import foresql
from foresql.serving.settings import LogSettings

ROWS = 200


def fitted(trees):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "distance": rng.gamma(2, 400, ROWS),
            "dep delay": rng.normal(0, 20, ROWS),
            "customer": rng.integers(0, 1000, ROWS),
        }
    )
    target = np.log1p(frame["distance"]) + frame["dep delay"]
    options = {"n_estimators": trees, "num_leaves": 7, "n_jobs": 1, "verbose": -1}
    return lightgbm.LGBMRegressor(**options).fit(frame, target), frame, target


@pytest.fixture(scope="session")
def two_versions(tmp_path_factory):
    registry = tmp_path_factory.mktemp("traffic") / "registry"
    for trees, alias in ((3, "champion"), (6, "challenger")):
        model, frame, target = fitted(trees)
        options = {"registry": registry, "probe_rows": 100, "calibration": (frame, target)}
        foresql.publish("delay", model, like=frame, alias=alias, **options)
    return registry


@pytest.fixture
def registry(two_versions, tmp_path):
    """A copy, in which a test may move aliases."""
    return shutil.copytree(two_versions, tmp_path / "registry")


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "traffic.toml"

    def write(text):
        path.write_text(f"[delay]\n{text}\n" if text else "")
        return path

    return write


@pytest.fixture
def log(tmp_path):
    """The settings of a log that keeps all features."""
    return LogSettings(tmp_path / "log", ("*",))
