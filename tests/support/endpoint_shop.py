"""A warehouse with flights and weather, and the scoring queries over it that are served."""

import struct
from datetime import date, datetime
from decimal import Decimal

import duckdb
import pytest

import foresql
from foresql.errors import EndpointError, UnsupportedModelError
from foresql.online import Wanted, materialize, open_online
from foresql.serving import Endpoints
from foresql.serving.endpoints.definition import read_definition
from foresql.serving.endpoints.query import Surroundings, compile_query

TYPES = {
    "id": "BIGINT",
    "small": "TINYINT",
    "narrow": "FLOAT",
    "wide": "DOUBLE",
    "money": "DECIMAL(18,2)",
    "word": "VARCHAR",
    "flag": "BOOLEAN",
    "day": "DATE",
    "moment": "TIMESTAMP",
}
SAME = f"SELECT {', '.join(TYPES)}, wide + 0 AS sum, id + 1 AS next FROM flights"
JOINED = """
SELECT t.origin, w.origin AS found, w.delay,
    predict_delay(distance := t.distance, "dep delay" := w.delay) AS late
FROM trips t {join} weather w ON w.origin = t.origin
"""


class Shop:
    """Makes endpoints of queries, over a warehouse with flights and weather."""

    def __init__(self, folder, registry):
        self.folder = folder / "serving"
        self.database = folder / "warehouse.duckdb"
        self.online = str(folder / "online")
        self.registry = registry
        columns = ", ".join(f"{name} {type_}" for name, type_ in TYPES.items())
        self.run(f"CREATE TABLE flights ({columns})")
        self.run("CREATE TABLE trips (origin VARCHAR, distance DOUBLE)")
        self.run("CREATE TABLE weather (origin VARCHAR, delay DOUBLE)")
        self.run("INSERT INTO weather VALUES ('JFK', 7.5), ('EWR', NULL)")
        self.materialize()

    def run(self, sql):
        with duckdb.connect(self.database) as connection:
            return connection.execute(sql).fetchall()

    def write(self, sql, toml="", name="late_flight"):
        self.folder.mkdir(exist_ok=True)
        (self.folder / f"{name}.sql").write_text(sql)
        if toml:
            (self.folder / f"{name}.toml").write_text(toml)

    def materialize(self, missing="error", **defaults):
        wanted = Wanted(name="weather", keys=("origin",), missing=missing, defaults=defaults)
        [done] = materialize([wanted], self.online, database=self.database)
        assert done.problem is None

    def settings(self):
        return Endpoints(self.folder, online=self.online, database=self.database)

    def refused(self, sql, toml=""):
        """Give why a query is not served."""
        self.write(sql, toml)
        with open_online(self.online) as store:
            around = Surroundings(self.registry, store, self.database)
            with pytest.raises((UnsupportedModelError, EndpointError)) as refused:
                compile_query(read_definition(self.folder / "late_flight.sql"), around)
        return str(refused.value)

    def batch(self, sql):
        with foresql.connect(self.database, read_only=True) as connection:
            found = foresql.run_query(connection, sql, registry=self.registry)
            return found.to_arrow_table().to_pylist()


def plain(value):
    """A value as JSON has it."""
    match value:
        case Decimal():
            return str(value)
        case date() | datetime():
            return value.isoformat()
        case _:
            return value


def as_text(rows):
    """Rows so that values that differ in any bit differ."""
    return [
        [struct.pack("<d", v) if isinstance(v, float) else plain(v) for v in row.values()]
        for row in rows
    ]
