"""When to leave one machine: what one core does, measured here, and what a billion rows take.

Prices, cores and what a cluster takes to start are the reader's: see ``--help``. No cloud is asked:
Snowflake's rate is that of the handler that is shipped to it, run here.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from measuring import machine
from rich.console import Console
from rich.table import Table

import foresql
from foresql.frontends import Training, convert
from foresql.ir.bundle import Bundle
from foresql.udfs.snowflake.artifact import build_artifact
from spark import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COLUMNS, FEW_TREES, MANY_TREES, ROUNDS, BATCH = 20, 100, 300, 3, 4_096
NAMES = [f"x{index}" for index in range(COLUMNS)]
SIZES = (10**6, 10**7, 10**8, 10**9)
START = """
import sys, foresql
con = foresql.connect(registry=sys.argv[1], config={"threads": 1})
foresql.run_query(con, f"SELECT predict_trees100(t) FROM '{sys.argv[2]}' t LIMIT 1").fetchall()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What one core takes: seconds to start, and for a million rows at two numbers of trees."""

    engine: str
    start: float
    reading: float
    few: float
    many: float

    def seconds(self, rows: float, trees: int, cores: float) -> float:
        """Take a straight line through both numbers of trees; rows are divided among the cores."""
        slope = max(self.many - self.few, 0.0) / (MANY_TREES - FEW_TREES)
        million = max(self.few + slope * (trees - FEW_TREES), self.reading)
        return self.start + rows / 1e6 * million / cores


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a model scores: by which rate, on how many cores, at which price an hour."""

    name: str
    rate: Rate
    cores: float
    price: float
    wait: float

    def seconds(self, rows: float, trees: int) -> float:
        """From the wish to the last row."""
        return self.wait + self.rate.seconds(rows, trees, self.cores)

    def money(self, rows: float, trees: int) -> float:
        """Pay for all of that time."""
        return self.seconds(rows, trees) / 3600 * self.price


def main() -> None:
    """Measure, and print both tables."""
    given = options()
    os.environ |= {"PYSPARK_PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        rates = measured(Path(folder), given.measured_rows)
    places = places_of(rates, given)
    print_rates(rates)
    even = break_even(places[0], places[1], given.trees)
    print_places(places, given, even)
    rows = [
        {"place": each.name, "rows": size, "seconds": each.seconds(size, given.trees)}
        | {"price": each.money(size, given.trees)}
        for each in places
        for size in SIZES
    ]
    said = {"benchmark": "scale", "machine": machine(), "options": vars(given), "rows": rows}
    print(json.dumps(said | {"rates": [asdict(each) for each in rates], "break_even_rows": even}))


def options() -> argparse.Namespace:
    """Read what the reader knows better: his model, machines and prices."""
    parser = argparse.ArgumentParser(description=__doc__)
    more: Sequence[tuple[str, Any, str]] = (
        ("trees", 100, "trees of the model, of 31 leaves"),
        ("measured-rows", 500_000, "rows that are measured"),
        ("cores", 8, "cores of the one machine"),
        ("price", 0.40, "its price an hour"),
        ("executors", 8, "executors of the Spark cluster"),
        ("executor-cores", 8, "cores of each"),
        ("executor-price", 0.40, "price of each an hour"),
        ("cluster-wait", 120.0, "seconds until a cluster is there; 0 for one that runs anyway"),
        ("nodes", 4, "nodes of the Snowflake warehouse: 1 X-Small, 2 Small, 4 Medium, 8 Large"),
        ("node-cores", 8, "cores that a node gives to functions; an assumption"),
        ("credit-price", 3.0, "price of a credit; a node takes one an hour"),
    )
    for name, value, text in more:
        parser.add_argument(f"--{name}", type=type(value), default=value, help=f"{text} ({value})")
    return parser.parse_args()


def measured(folder: Path, count: int) -> list[Rate]:
    """Measure each engine on one core, on the same file."""
    matrix = prepare(folder, count)
    rows, registry = str(folder / "rows.parquet"), folder / "registry"
    return [of_duckdb(rows, registry), *of_spark(rows, registry, count), of_handler(folder, matrix)]


def prepare(folder: Path, count: int) -> np.ndarray:
    """Write rows of 20 columns, and publish models of both numbers of trees."""
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(count, COLUMNS))
    target = matrix[:, 0] * matrix[:, 1] + np.sin(matrix[:, 2]) + rng.normal(size=count) / 10
    table = pa.table(dict(zip(NAMES, map(pa.array, matrix.T), strict=True)))
    pq.write_table(table, folder / "rows.parquet", row_group_size=100_000)
    like = table.slice(0, 20_000)
    for trees in (FEW_TREES, MANY_TREES):
        data = lgb.Dataset(matrix[:100_000], target[:100_000], feature_name=NAMES)
        booster = lgb.train({"num_leaves": 31, "verbose": -1, "seed": 1}, data, trees)
        foresql.publish(f"trees{trees}", booster, like=like, registry=folder / "registry")
        artifact = build_artifact(Bundle(convert(booster, Training.of(like, booster))), "m", trees)
        (folder / artifact.file_name).write_bytes(artifact.content)
        (folder / f"module{trees}.txt").write_text(artifact.module)
    return matrix


def timed(work: Callable[[], object]) -> float:
    """Run once for warmth, and then take the median."""
    seconds: list[float] = []
    for _ in range(ROUNDS + 1):
        began = perf_counter()
        work()
        seconds.append(perf_counter() - began)
    return statistics.median(seconds[1:])


def of_duckdb(rows: str, registry: Path) -> Rate:
    """Ask DuckDB on one thread, from the file; its start is that of a process."""
    began = perf_counter()
    subprocess.run([sys.executable, "-c", START, str(registry), rows], check=True)  # noqa: S603
    start = perf_counter() - began
    with foresql.connect(registry=registry, config={"threads": 1}) as con:
        [(count,)] = con.execute(f"SELECT count(*) FROM '{rows}'").fetchall()
        sums = ", ".join(f"sum({name})" for name in NAMES)
        reading = timed(lambda: con.execute(f"SELECT {sums} FROM '{rows}'").fetchall())

        def score(trees: int) -> float:
            query = f"SELECT sum(predict_trees{trees}(t)) FROM '{rows}' t"
            return timed(lambda: foresql.run_query(con, query, registry=registry).fetchall())

        few, many = score(FEW_TREES), score(MANY_TREES)
    each = 1e6 / count
    return Rate(
        engine="DuckDB, C extension",
        start=start, reading=reading * each, few=few * each, many=many * each,
    )  # fmt: skip


def of_spark(rows: str, registry: Path, count: int) -> list[Rate]:
    """Ask Spark on one core: by the function, and by the scoring query in its workers."""
    from pyspark.sql import SparkSession

    began = perf_counter()
    settings = SETTINGS | {"spark.sql.warehouse.dir": tempfile.mkdtemp(prefix="foresql_spark_")}
    session = SparkSession.builder.master("local[1]").config(map=settings).getOrCreate()
    session.read.parquet(rows).createOrReplaceTempView("t")
    foresql.spark.register(session, f"trees{FEW_TREES}:1", registry=registry)
    session.sql(f"SELECT predict_trees{FEW_TREES}(struct(*)) FROM t LIMIT 1").collect()
    start = perf_counter() - began
    foresql.spark.register(session, f"trees{MANY_TREES}:1", registry=registry)
    sums = ", ".join(f"sum({name})" for name in NAMES)

    def ask(text: str) -> float:
        # Anew each time: a frame that was collected once keeps what its stages gave.
        return timed(lambda: session.sql(text).collect())

    def function(trees: int) -> float:
        return ask(f"SELECT sum(predict_trees{trees}(struct(*))) FROM t")

    def query(trees: int) -> float:
        text = f"SELECT predict_trees{trees}(t) AS p FROM t"

        def scored() -> list[Any]:
            frame = foresql.spark.run_query(session, text, registry=registry)
            return frame.selectExpr("sum(p)").collect()

        return timed(scored)

    reading = ask(f"SELECT {sums} FROM t")

    found = [
        Rate(
            engine=engine, start=start, reading=reading * 1e6 / count,
            few=score(FEW_TREES) * 1e6 / count, many=score(MANY_TREES) * 1e6 / count,
        )
        for engine, score in (("Spark, function", function), ("Spark, run_query", query))
    ]  # fmt: skip
    session.stop()
    return found


def of_handler(folder: Path, matrix: np.ndarray) -> Rate:
    """Run the handler that Snowflake gets, on batches of frames; it reads no files."""
    sys.path.insert(0, str(folder))
    frames = [pd.DataFrame(matrix[at : at + BATCH]) for at in range(0, 10 * BATCH, BATCH)]
    seconds: list[float] = []
    for trees in (FEW_TREES, MANY_TREES):
        module = (folder / f"module{trees}.txt").read_text()
        sys.path.insert(0, str(folder / f"{module}.zip"))
        handler = importlib.import_module(module)
        seconds.append(timed(lambda h=handler: [h.predict(frame) for frame in frames]))
    few, many = (each * 1e6 / (10 * BATCH) for each in seconds)
    return Rate(engine="Snowflake's handler, here", start=0.0, reading=0.0, few=few, many=many)


def places_of(rates: Sequence[Rate], given: argparse.Namespace) -> list[Place]:
    """Put the rates on the reader's machines. Spark goes by the quicker of its two ways."""
    duckdb, *spark, handler = rates
    quickest = min(spark, key=lambda rate: rate.seconds(1e9, given.trees, 1))
    cores = given.executors * given.executor_cores
    return [
        Place(
            name=f"DuckDB, {given.cores} cores",
            rate=duckdb, cores=given.cores, price=given.price, wait=0.0,
        ),
        Place(
            name=f"{quickest.engine}, {cores} cores",
            rate=quickest, cores=cores, wait=given.cluster_wait,
            price=given.executors * given.executor_price,
        ),
        Place(
            name=f"Snowflake, {given.nodes} nodes x {given.node_cores} cores",
            rate=handler, cores=given.nodes * given.node_cores, wait=0.0,
            price=given.nodes * given.credit_price,
        ),
    ]  # fmt: skip


def break_even(one: Place, cluster: Place, trees: int) -> float | None:
    """Say from how many rows on the cluster is done sooner; None if it never is."""
    fixed = cluster.seconds(0, trees) - one.seconds(0, trees)
    gain = (one.seconds(1e9, trees) - one.seconds(0, trees)) / 1e9
    gain -= (cluster.seconds(1e9, trees) - cluster.seconds(0, trees)) / 1e9
    return max(fixed, 0.0) / gain if gain > 0 else None


def print_rates(rates: Sequence[Rate]) -> None:
    """Print what was measured."""
    heads = ("seconds for 1M rows on one core", "start", "reading")
    table = Table(*heads, f"{FEW_TREES} trees", f"{MANY_TREES} trees", "rows a second")
    for each in rates:
        numbers = (each.start, each.reading, each.few, each.many)
        rate = f"{1e6 / each.few:,.0f}"
        table.add_row(each.engine, *(f"{number:.2f}" if number else "" for number in numbers), rate)
    Console(width=120).print(table)


def print_places(places: Sequence[Place], given: argparse.Namespace, even: float | None) -> None:
    """Print what the reader's rows take and cost."""
    table = Table(f"{given.trees} trees", *(f"{size:,} rows" for size in SIZES))
    for each in places:
        cells = [
            f"{each.seconds(size, given.trees):,.0f} s, {each.money(size, given.trees):,.2f}"
            for size in SIZES
        ]
        table.add_row(each.name, *cells)
    Console(width=120).print(table)
    said = "never" if even is None else f"from {even:,.0f} rows on"
    print(f"The cluster is done sooner than the one machine: {said}.")


if __name__ == "__main__":
    main()
