"""A stream task on a large table of which 0.1 % changed; event workers from a bus to DuckDB.

A task is measured against a full rescore, a worker against the same one around ``Booster.predict``
and, from Kafka, against quixstreams around it. No package has a broker of Kafka: both read
librdkafka's own cluster.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

import duckdb
import lightgbm as lgb
import numpy as np
import pyarrow as pa
from measuring import Row, largest_difference, report, timed
from measuring.event_workers import measure_workers

import foresql
from foresql import streams

COLUMNS = [f"x{index}" for index in range(20)]
SHARE = 1000
ROUNDS = 3
THREADS = os.cpu_count() or 1
QUERY = "SELECT id, predict_{}(f) AS p FROM {} f"
SIZES = (1_000_000, 5_000_000)


class Model(NamedTuple):
    """A forest: its name, trees and leaves, and in how many rounds the library scores by it."""

    name: str
    trees: int
    leaves: int
    rounds_of_library: int


SMALL, LARGE = Model("delay", 100, 31, ROUNDS), Model("large", 500, 127, 1)


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
        boosters = {model: publish(Path(folder), model) for model in (SMALL, LARGE)}
        pairs = [(SMALL, size) for size in sizes] + [(LARGE, max(sizes))]
        found = [
            row
            for model, size in pairs
            for row in against(Path(folder), model, boosters[model], size)
        ]
        text = Path(folder) / "model.txt"
        boosters[SMALL].save_model(text)
        report("streams", [*found, *measure_workers(Path(folder), COLUMNS, text)])


def publish(folder: Path, model: Model) -> lgb.Booster:
    """Fit a forest on 20 columns, and publish it."""
    matrix = np.random.default_rng(7).normal(size=(100_000, len(COLUMNS)))
    target = matrix[:, 0] * matrix[:, 1] + np.sin(matrix[:, 2]) + matrix[:, 3:].sum(axis=1) / 5
    data = lgb.Dataset(matrix, target, feature_name=COLUMNS)
    booster = lgb.train({"num_leaves": model.leaves, "verbose": -1, "seed": 1}, data, model.trees)
    con = duckdb.connect()
    numbers = ", ".join(f"random() AS {name}" for name in COLUMNS)
    like = con.sql(f"SELECT {numbers} FROM range(5000)").arrow().read_all()
    registry = folder / "registry"
    foresql.publish(
        model.name, booster, like=like, alias="champion", registry=registry, probe_rows=500
    )
    con.close()
    return booster


def against(folder: Path, model: Model, booster: lgb.Booster, size: int) -> list[Row]:
    """Compare on tables of one size: one that changes anywhere, and two that grow."""
    path, registry = folder / f"{model.name}_{size}.duckdb", folder / "registry"
    with streams.open_to_write(path, create=True) as con:
        found = _against(con, model, booster, registry, size)
    path.unlink()
    return found


def _against(
    con: duckdb.DuckDBPyConnection, model: Model, booster: lgb.Booster, registry: Path, size: int
) -> list[Row]:
    con.execute(f"SET preserve_insertion_order = true; SET threads = {THREADS}")
    numbers = ", ".join(f"random() * 6 - 3 AS {name}" for name in COLUMNS)
    for case in CASES:
        rows = f"SELECT i AS id, {numbers} FROM range({size}) t(i)"
        con.execute(f"CREATE TABLE {case.table} AS {rows}")
        name, task = f"{case.table}_changes", f"{case.table}_task"
        streams.create_stream(con, name, on=case.table, key=["id"], **case.options)
        query, into = QUERY.format(model.name, case.table), f"{case.table}_scores"
        streams.create_task(con, task, stream=name, query=query, into=into, registry=registry)
        streams.run_task(con, task, registry=registry)
    con.execute("CHECKPOINT")
    return [row for case in CASES for row in measured(con, model, booster, registry, size, case)]


def measured(  # noqa: PLR0913, PLR0917 - what one row of the table depends on
    con: duckdb.DuckDBPyConnection,
    model: Model,
    booster: lgb.Booster,
    registry: Path,
    size: int,
    case: Case,
) -> list[Row]:
    """Time a task's run, a full rescore by the same functions, and one by the library."""
    clocks = [
        timed(lambda: run(con, case, registry)),
        timed(lambda: rescore(con, model, case, registry)),
        timed(lambda: rescore_by_library(con, case, booster)),
    ]
    times: list[list[float]] = [[], [], []]
    for turn in range(ROUNDS):
        change(con, case, size, turn)
        is_asked = ROUNDS - turn <= model.rounds_of_library  # in the last ones: it answers to them
        for clock, seconds in zip(clocks if is_asked else clocks[:2], times, strict=False):
            seconds.append(clock())
    ours, same, library = map(statistics.median, times)
    answers = read_answers(con, f"{case.table}_scores")
    gap = largest_difference(answers, read_answers(con, "same_scores"))
    if gap:
        message = f"The predictions are not those of a full rescore: they differ by up to {gap:g}."
        raise ValueError(message)
    difference = largest_difference(answers, read_answers(con, "library_scores"))
    text = f"{case.name}, {size:,} rows, 0.1 % changed, {model.trees} x {model.leaves}"
    peers = (
        ("full rescore by the same functions", same, case.bar),
        ("full rescore, Booster.predict", library, case.bar_of_library),
    )
    return [
        Row(text, peer, ours, took, took / ours, bar, difference, threads=THREADS)
        for peer, took, bar in peers
    ]


def read_answers(con: duckdb.DuckDBPyConnection, table: str) -> np.ndarray:
    """Give a table's ids and answers, by id, so that rows are compared too; NULL is NaN."""
    found = con.execute(f"SELECT id::DOUBLE AS id, p FROM {table} ORDER BY id").fetchnumpy()
    return np.stack([np.ma.filled(found[name], np.nan) for name in ("id", "p")])


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


def rescore(con: duckdb.DuckDBPyConnection, model: Model, case: Case, registry: Path) -> None:
    """Score all rows into a table, as one does without streams."""
    query = QUERY.format(model.name, case.table)
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
                "p": booster.predict(matrix, num_threads=THREADS),
            }
        )
        con.from_arrow(scores).insert_into("library_scores")


if __name__ == "__main__":
    main()
