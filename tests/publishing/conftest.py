"""A registry with two versions of a model, warehouses scored by each, and a Postgres server."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from postgres_server import postgres_server
from sklearn.linear_model import LogisticRegression

import foresql

ROWS = 300


@dataclass(frozen=True)
class Shop:
    """`registry` holds delay:1 (champion), delay:2 and kind:1; `one` and `two` are warehouses."""

    registry: Path
    one: Path
    two: Path


def make_frame() -> pd.DataFrame:
    random = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "distance": random.gamma(2, 400, ROWS),
            "hour": random.integers(0, 24, ROWS),
            "carrier": pd.Categorical(random.choice(["UA", "AA", "D'L"], ROWS)),
        }
    )
    frame.loc[::17, "distance"] = np.nan
    return frame


def publish_models(registry: Path, frame: pd.DataFrame) -> None:
    late = (frame["distance"].fillna(0) > 700) ^ (frame["hour"] > 17)
    options = {"like": frame, "registry": registry, "probe_rows": 100}
    for trees in (4, 7):
        model = LGBMClassifier(n_estimators=trees, num_leaves=5, n_jobs=1, verbose=-1)
        foresql.publish("delay", model.fit(frame, late), **options)
    foresql.Registry.open(registry).move_alias("delay", "champion", 1, expected=None)
    numbers = frame[["hour"]]
    kinds = np.where(frame["hour"] < 8, "early", np.where(frame["hour"] < 16, "mid day", "late"))
    classes = LogisticRegression(max_iter=500).fit(numbers, kinds)
    foresql.publish("kind", classes, alias="champion", **options | {"like": numbers})


def fill_warehouse(path: Path, registry: Path, frame: pd.DataFrame, version: int) -> None:
    with foresql.connect(path, registry=registry) as connection:
        connection.register("frame", frame)
        connection.execute("CREATE SCHEMA raw; CREATE TABLE raw.flights AS SELECT 1 AS secret")
        connection.execute("CREATE TABLE stg_flights AS SELECT 1 AS staged")
        connection.execute(
            "CREATE TABLE flight_features AS SELECT row_number() OVER () AS flight_id, * FROM frame"
        )
        connection.execute("COMMENT ON TABLE flight_features IS 'What is known; before departure'")
        connection.execute("COMMENT ON COLUMN flight_features.hour IS 'It''s local: \\ 100 %'")
        registration = foresql.register(connection, f"delay:{version}")
        connection.execute(
            "CREATE TABLE delay_predictions AS SELECT flight_id, predict_delay(f) AS late, "
            "predict_proba_delay(f) AS probability, 'delay' AS model_name, "
            "version_delay() AS model_version FROM flight_features AS f"
        )
        registration.unregister()
        connection.execute("CREATE SCHEMA marts")
        connection.execute(
            "CREATE VIEW marts.by_carrier AS "
            "SELECT carrier, count(*) AS flights FROM flight_features GROUP BY carrier"
        )
        connection.execute("CREATE SCHEMA foresql")
        connection.execute(
            "CREATE TABLE foresql.runs AS SELECT 'run-' || ?::VARCHAR AS run_id, "
            "TIMESTAMP '2026-01-01 10:00:00' AS finished_at",
            [version],
        )


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    shop = Shop(folder / "registry", folder / "one.duckdb", folder / "two.duckdb")
    frame = make_frame()
    publish_models(shop.registry, frame)
    fill_warehouse(shop.one, shop.registry, frame, 1)
    fill_warehouse(shop.two, shop.registry, frame, 2)
    return shop


@pytest.fixture
def shop(template, tmp_path, monkeypatch) -> Shop:
    """Copies that a test may change."""
    folder = shutil.copytree(template.registry.parent, tmp_path / "shop")
    monkeypatch.chdir(folder)
    return Shop(folder / "registry", folder / "one.duckdb", folder / "two.duckdb")


@pytest.fixture(scope="session")
def server():
    with postgres_server() as running:
        # Nothing here outlives the server; a crash of it is not what these tests are about.
        running.psql("ALTER SYSTEM SET fsync = off")
        running.psql("SELECT pg_reload_conf()")
        yield running


@pytest.fixture
def postgres(server):
    """The server with an empty database."""
    yield server
    schemas = server.psql(
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'", "-At"
    ).splitlines()
    for schema in schemas:
        name = schema.replace('"', '""')
        server.psql(f'SET client_min_messages = error; DROP SCHEMA "{name}" CASCADE')
    server.psql("CREATE SCHEMA public")


@pytest.fixture
def write():
    """Run statements in a warehouse."""

    def run(path: Path, *statements: str) -> None:
        with duckdb.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)

    return run
