"""A registry with models of every kind of column and answer, and a client in the same process."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import httpx
import lightgbm
import numpy as np
import pandas as pd
import pytest
from serving_process import Server
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import foresql
from foresql.serving import App, Limits, Settings

ROWS = 300
QUICK = {"probe_rows": 100, "alias": "champion"}


def numbers(seed=1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"distance": rng.gamma(2, 400, ROWS), "dep delay": rng.normal(0, 20, ROWS)}
    )
    frame.loc[::7, "dep delay"] = np.nan
    return frame


def keys() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    return pd.DataFrame(
        {
            'the "hour"': rng.integers(0, 24, ROWS),
            "carrier": rng.choice(["AA", "UA", "naïve ☃"], ROWS),
            "weekend": rng.choice([True, False], ROWS),
            "at": pd.to_datetime(
                rng.choice(["2013-01-01 00:00:00.000000", "2013-06-01 12:00:00.000001"], ROWS)
            ),
        }
    )


def regressor(seed=1, trees=5):
    frame = numbers(seed)
    target = np.log1p(frame["distance"]) + frame["dep delay"].fillna(5)
    options = {"n_estimators": trees, "num_leaves": 7, "n_jobs": 1, "verbose": -1}
    return lightgbm.LGBMRegressor(**options).fit(frame, target), frame, target


def publish_all(registry: Path) -> None:
    model, frame, target = regressor()
    foresql.publish(
        "delay", model, like=frame, registry=registry, calibration=(frame, target), **QUICK
    )
    late = frame.assign(carrier=pd.Categorical(keys()["carrier"]))
    words = np.where((target > 6) & (late["carrier"] != "AA"), "late", "on time")
    boosted = HistGradientBoostingClassifier(categorical_features="from_dtype", max_iter=5)
    foresql.publish("late", boosted.fit(late, words), like=late, registry=registry, **QUICK)
    several = keys()
    encoder = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), [*several.columns]))
    kinds = make_pipeline(encoder, LogisticRegression())
    labels = np.random.default_rng(3).integers(3, size=ROWS) * 10
    foresql.publish("kinds", kinds.fit(several, labels), like=several, registry=registry, **QUICK)
    plain = LinearRegression().fit(frame[["distance"]], np.stack([target, target], axis=1))
    plain.coef_[1] *= 1e306  # infinite for the longest distances
    foresql.publish("pair", plain, like=frame[["distance"]], registry=registry, **QUICK)


@pytest.fixture(scope="session")
def published(tmp_path_factory) -> Path:
    registry = tmp_path_factory.mktemp("serving") / "registry"
    publish_all(registry)
    return registry


@pytest.fixture(scope="session")
def publish_another():
    """Publish a second version of `delay`, whose answers are others."""

    def publish(registry) -> None:
        model, frame, target = regressor(seed=2, trees=9)
        options = QUICK | {"alias": "challenger", "calibration": (frame, target)}
        foresql.publish("delay", model, like=frame, registry=registry, **options)

    return publish


@pytest.fixture
def registry(published, tmp_path) -> Path:
    """A copy, in which a test may move aliases."""
    return shutil.copytree(published, tmp_path / "registry")


class Client:
    """Asks an application in this process."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.service = app.service
        self._runner = asyncio.Runner()
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://localhost")

    def run(self, coroutine):
        return self._runner.run(coroutine)

    def get(self, path, **options):
        return self.run(self.http.get(path, **options))

    def post(self, path, content, **options):
        how = "content" if isinstance(content, bytes) else "json"
        return self.run(self.http.post(path, **{how: content}, **options))

    def together(self, requests):
        """Post all at once, and give the responses in order."""

        async def ask():
            return await asyncio.gather(*(self.http.post(p, json=b) for p, b in requests))

        return self.run(ask())

    def close(self):
        self.run(self.http.aclose())
        self._runner.close()


@pytest.fixture
def start():
    """Start an application; it is stopped at the end."""
    clients = []

    def make(registry, **options) -> Client:
        limits = options.pop("limits", {})
        options.setdefault("poll_seconds", 3600)
        settings = Settings(registry, threads=2, **options)
        client = Client(App(replace(settings, limits=Limits(**limits))))
        client.service.start()
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()
        client.service.stop()


@pytest.fixture(scope="session")
def shared(published):
    """One application for all tests that only ask."""
    client = Client(App(Settings(published, poll_seconds=3600, threads=2)))
    client.service.start()
    yield client
    client.close()
    client.service.stop()


@pytest.fixture(scope="session")
def database(published):
    with duckdb.connect() as connection:
        for name in ("delay", "late", "kinds", "pair"):
            foresql.register(connection, f"{name}@champion", registry=published)
        yield connection


@pytest.fixture
def serve():
    servers = []

    def start(*arguments):
        servers.append(Server(*arguments))
        return servers[-1]

    yield start
    for server in servers:
        server.process.kill()
        server.process.communicate()
