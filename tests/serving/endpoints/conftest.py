"""The flights of the demo behind an endpoint: what dbt built, its models, and stored features."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb
import lightgbm
import numpy as np
import pandas as pd
import pytest
from endpoint_shop import Shop

import foresql
from foresql.online import Wanted, materialize

PROJECT = Path(__file__).parents[3] / "dbt_project"
FLIGHTS = 10_000
VIEWS = (
    Wanted(name="stg_planes", keys=("tailnum",), missing="null"),
    Wanted(name="stg_weather", keys=("origin", "observed_hour"), missing="null"),
    Wanted(name="origin_recent_delay", keys=("origin", "departure_hour"), missing="null"),
    Wanted(
        name="origin_departures",
        keys=("origin", "departure_hour"),
        query="select origin, departure_hour, count(*) as flights from stg_flights group by all",
    ),
)
CHAINED = """
with answers as ({query})
select *, predict_cost(late := late_probability, decided := predicted_late) as cost
from answers
where late_probability > 0.2 or predicted_late = 1
"""


@dataclass(frozen=True)
class Airport:
    """A warehouse, models, snapshots of its features, and a folder of endpoints."""

    folder: Path

    @property
    def database(self):
        return self.folder / "flights.duckdb"

    @property
    def registry(self):
        return self.folder / "registry"

    @property
    def online(self):
        return str(self.folder / "online")

    @property
    def serving(self):
        return self.folder / "serving"

    def rows(self, names, count=FLIGHTS):
        """Flights as a request brings them, in the order of their key."""
        columns = ", ".join(f'"{name}"' for name in names)
        with duckdb.connect(self.database, read_only=True) as connection:
            return connection.sql(
                f"SELECT {columns} FROM stg_flights ORDER BY hash(flight_id) LIMIT {count}"
            ).to_arrow_table()


@pytest.fixture(scope="session")
def airport(demo_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("airport")
    shutil.copy(demo_run.workspace.database, folder / "flights.duckdb")
    shutil.copytree(demo_run.workspace.registry, folder / "registry")
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"late": rng.random(500), "decided": rng.random(500) > 0.5})
    frame["decided"] = frame["decided"].astype(float)
    cost = frame["late"] ** 2 * 100 + frame["decided"] * 7
    model = lightgbm.LGBMRegressor(n_estimators=9, num_leaves=7, n_jobs=1, verbose=-1)
    foresql.publish(
        "cost",
        model.fit(frame, cost),
        like=frame,
        registry=folder / "registry",
        probe_rows=100,
        alias="champion",
    )
    done = materialize(VIEWS, str(folder / "online"), database=folder / "flights.duckdb")
    assert [each.problem for each in done] == [None] * len(VIEWS)
    with duckdb.connect(folder / "flights.duckdb") as connection:
        connection.execute(f"CREATE TABLE origin_departures AS {VIEWS[-1].query}")
    (folder / "serving").mkdir()
    query = (PROJECT / "serving" / "flight_delay.sql").read_text()
    (folder / "serving" / "flight_delay.sql").write_text(query)
    (folder / "serving" / "flight_cost.sql").write_text(CHAINED.format(query=query))
    return Airport(folder)


@pytest.fixture
def shop(tmp_path, published):
    return Shop(tmp_path, published)
