"""A stream task on a large table of which 0.1 % changed, against a full rescore."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import duckdb
import lightgbm as lgb
import numpy as np
import pyarrow as pa
from measuring import Row, report

import foresql
from foresql import streams

if TYPE_CHECKING:
    from collections.abc import Callable

COLUMNS = [f"x{index}" for index in range(20)]
SHARE = 1000
ROUNDS = 3
PEER_THREADS = 2
QUERY = "SELECT id, predict_delay(f) AS p FROM {} f"
SIZES = (1_000_000, 5_000_000)


class Case(NamedTuple):
    """How changes are found, and how many times faster it must be than each peer."""

    name: str
    table: str
    options: dict[str, object]
    bar: float
    bar_of_library: float


CASES = (
    Case("comparison", "compared", {}, 1.5, 10.0),
    Case("append-only", "appended", {"append_only": True}, 20.0, 100.0),
    Case("watermark", "marked", {"append_only": True, "watermark": "id"}, 20.0, 100.0),
)


def main() -> None:
    """Measure each way of finding changes, at the sizes that are named or all."""
    warnings.simplefilter("ignore", RuntimeWarning)
    sizes = [int(size) for size in sys.argv[1:]] or SIZES
    with tempfile.TemporaryDirectory() as folder:
        booster = publish(Path(folder))
        found = [row for size in sizes for row in against(Path(folder), booster, size)]
        report("streams", found)


def publish(folder: Path) -> lgb.Booster:
    """Fit 100 trees with 31 leaves on 20 columns, and publish them."""
    matrix = np.random.default_rng(7).normal(size=(100_000, len(COLUMNS)))
    target = matrix[:, 0] * matrix[:, 1] + np.sin(matrix[:, 2]) + matrix[:, 3:].sum(axis=1) / 5
    data = lgb.Dataset(matrix, target, feature_name=COLUMNS)
    booster = lgb.train({"num_leaves": 31, "verbose": -1, "seed": 1}, data, 100)
    con = duckdb.connect()
    numbers = ", ".join(f"random() AS {name}" for name in COLUMNS)
    like = con.sql(f"SELECT {numbers} FROM range(5000)").arrow().read_all()
    registry = folder / "registry"
    foresql.publish(
        "delay", booster, like=like, alias="champion", registry=registry, probe_rows=500
    )
    con.close()
    return booster


def against(folder: Path, booster: lgb.Booster, size: int) -> list[Row]:
    """Compare on tables of one size: one that changes anywhere, and two that grow."""
    path, registry = folder / f"{size}.duckdb", folder / "registry"
    con = streams.open_to_write(path, create=True)
    con.execute("SET preserve_insertion_order = true")
    numbers = ", ".join(f"random() * 6 - 3 AS {name}" for name in COLUMNS)
    for case in CASES:
        rows = f"SELECT i AS id, {numbers} FROM range({size}) t(i)"
        con.execute(f"CREATE TABLE {case.table} AS {rows}")
        name, task = f"{case.table}_changes", f"{case.table}_task"
        streams.create_stream(con, name, on=case.table, key=["id"], **case.options)
        query, into = QUERY.format(case.table), f"{case.table}_scores"
        streams.create_task(con, task, stream=name, query=query, into=into, registry=registry)
        streams.run_task(con, task, registry=registry)
    con.execute("CHECKPOINT")
    found = [row for case in CASES for row in measured(con, booster, registry, size, case)]
    con.close()
    path.unlink()
    return found


def measured(
    con: duckdb.DuckDBPyConnection, booster: lgb.Booster, registry: Path, size: int, case: Case
) -> list[Row]:
    """Time a task's run, a full rescore by the same functions, and one by the library."""
    times: dict[str, list[float]] = {"task": [], "same": [], "library": []}
    for turn in range(ROUNDS):
        change(con, case, size, turn)
        took(times["task"], lambda: run(con, case, registry))
        took(times["same"], lambda: rescore(con, case, registry))
        took(times["library"], lambda: rescore_by_library(con, case, booster))
    scores = f"SELECT id, p FROM {case.table}_scores EXCEPT SELECT id, p FROM same_scores"
    [(different,)] = con.execute(f"SELECT count(*) FROM ({scores})").fetchall()
    if different:
        message = f"{different} predictions are not those of a full rescore."
        raise ValueError(message)
    ours, same, library = (statistics.median(seconds) for seconds in times.values())
    text = f"{case.name}, {size:,} rows, 0.1 % changed"
    whole = "full rescore by the same functions"
    by_library = f"full rescore, Booster.predict on {PEER_THREADS} threads"
    return [
        Row(text, whole, ours, same, same / ours, case.bar, 0.0),
        Row(text, by_library, ours, library, library / ours, case.bar_of_library, 0.0),
    ]


def took(times: list[float], work: Callable[[], object]) -> None:
    """Add the seconds that something takes."""
    started = time.perf_counter()
    work()
    times.append(time.perf_counter() - started)


def change(con: duckdb.DuckDBPyConnection, case: Case, size: int, turn: int) -> None:
    """Change 0.1 % of the rows anywhere, or add as many."""
    if case.options:
        numbers = ", ".join(f"random() * 6 - 3 AS {name}" for name in COLUMNS)
        first = size + turn * (size // SHARE)
        rows = f"SELECT {first} + i AS id, {numbers} FROM range({size // SHARE}) t(i)"
        con.execute(f"INSERT INTO {case.table} {rows}")
    else:
        con.execute(f"UPDATE {case.table} SET x0 = random() WHERE id % {SHARE} = {turn}")


def run(con: duckdb.DuckDBPyConnection, case: Case, registry: Path) -> None:
    """Run the task, which must score the changes alone."""
    done = streams.run_task(con, f"{case.table}_task", registry=registry)
    if done.scored != "changes":
        message = f"The run was another one: {done}"
        raise ValueError(message)


def rescore(con: duckdb.DuckDBPyConnection, case: Case, registry: Path) -> None:
    """Score all rows into a table, as one does without streams."""
    query = QUERY.format(case.table)
    foresql.run_query(con, f"CREATE OR REPLACE TABLE same_scores AS {query}", registry=registry)


def rescore_by_library(con: duckdb.DuckDBPyConnection, case: Case, booster: lgb.Booster) -> None:
    """Score all rows into a table, as one does without foresql."""
    con.execute("CREATE OR REPLACE TABLE library_scores (id BIGINT, p DOUBLE)")
    reader = con.cursor().sql(f"SELECT * FROM {case.table}").to_arrow_reader(131_072)
    for batch in reader:
        matrix = np.stack([batch.column(name).to_numpy() for name in COLUMNS], axis=1)
        scores = pa.table(
            {
                "id": batch.column("id"),
                "p": booster.predict(matrix, num_threads=PEER_THREADS),
            }
        )
        con.from_arrow(scores).insert_into("library_scores")


if __name__ == "__main__":
    main()
