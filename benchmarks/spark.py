"""A model in Spark against the usual pandas UDF around ``Booster.predict``."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measuring import Row, compare, largest_difference, report

import foresql

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import pandas as pd

ROWS, FEW, COLUMNS = 1_000_000, 20_000, 20
NAMES = [f"x{index}" for index in range(COLUMNS)]
MASTERS = ("local[2]", "local-cluster[2,1,1024]")
SETTINGS = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.log.level": "OFF",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


def main() -> None:
    """Compare in one JVM, and on a cluster of two executors with one core each."""
    # Each Python worker has a core: LightGBM's threads would only get into each other's way.
    os.environ |= {"PYSPARK_PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL + 1)
    warnings.simplefilter("ignore", FutureWarning)  # pyspark's, of the pandas that is here
    with tempfile.TemporaryDirectory() as folder:
        booster = prepare(Path(folder))
        rows = [row for master in MASTERS for row in against(master, booster, Path(folder))]
    report("spark", rows)


def prepare(folder: Path) -> lgb.Booster:
    """Write a million rows, and publish 100 trees of 31 leaves."""
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(ROWS, COLUMNS))
    target = matrix[:, 0] * matrix[:, 1] + np.sin(matrix[:, 2]) + rng.normal(size=ROWS) / 10
    options = {"num_leaves": 31, "verbose": -1, "seed": 1}
    data = lgb.Dataset(matrix[:100_000], target[:100_000], feature_name=NAMES)
    booster = lgb.train(options, data, 100)
    table = pa.table(dict(zip(NAMES, map(pa.array, matrix.T), strict=True)))
    pq.write_table(table, folder / "rows.parquet", row_group_size=100_000)
    foresql.publish("m", booster, like=table.slice(0, 20_000), registry=folder / "registry")
    return booster


def against(master: str, booster: lgb.Booster, folder: Path) -> Iterator[Row]:
    """Sum predictions, by each route and as everybody does it."""
    with started(master) as session:
        frame = session.read.parquet(str(folder / "rows.parquet")).repartition(4).cache()
        few = frame.limit(FEW).cache()
        for name, each in (("t", frame), ("few", few)):
            each.createOrReplaceTempView(name)
            each.count()
        foresql.spark.register(session, "m:1", registry=folder / "registry")
        session.udf.register("usual", usual_function(booster.model_to_string()))
        for view, columns in (("by_query", ""), ("checked", f"{', '.join(NAMES)}, ")):
            query = f"SELECT {columns}predict_m(t) AS p FROM t"
            by_query = foresql.spark.run_query(session, query, registry=folder / "registry")
            by_query.createOrReplaceTempView(view)
        by_sql = foresql.spark.score(few, "m:1", route="sql", registry=folder / "registry")
        by_sql.createOrReplaceTempView("by_sql")
        usual = f"SELECT sum(usual({', '.join(NAMES)})) FROM"
        for route, rows, ours, theirs, bar in (
            ("function", ROWS, "SELECT sum(predict_m(struct(*))) FROM t", f"{usual} t", 2.0),
            ("run_query", ROWS, "SELECT sum(p) FROM by_query", f"{usual} t", 2.0),
            ("SQL", FEW, "SELECT sum(prediction) FROM by_sql", f"{usual} few", 0.0),
        ):
            yield compare(
                f"SELECT sum(predict), {rows:,} rows x {COLUMNS}, {master}: {route}",
                "pandas UDF around Booster.predict",
                lambda query=ours: session.sql(query).collect(),
                lambda query=theirs: session.sql(query).collect(),
                bar=bar,
                max_diff=_difference(session, booster, route),
                rounds=3,
                threads=2,
            )


def _difference(session: Any, booster: lgb.Booster, route: str) -> float:
    """Compare answers with the library's own."""
    columns = ", ".join(NAMES)
    answer, source = {
        "function": ("predict_m(struct(*))", "t"),
        "run_query": ("p", "checked"),
        "SQL": ("prediction", "by_sql"),
    }[route]
    found = session.sql(f"SELECT {columns}, {answer} AS p FROM {source} LIMIT {FEW}").toArrow()
    matrix = np.stack([found[name].to_numpy() for name in NAMES], axis=1)
    return largest_difference(found["p"].to_numpy(), booster.predict(matrix))


def usual_function(model: str) -> Any:
    """Make the function that everybody writes: the model's text travels in its closure."""
    from pyspark.sql.functions import PandasUDFType, pandas_udf

    opened: list[Any] = []

    def usual(*columns: pd.Series) -> pd.Series:
        import pandas as pd
        from lightgbm import Booster

        if not opened:
            opened.append(Booster(model_str=model))
        return pd.Series(opened[0].predict(np.stack(columns, axis=1), num_threads=1))

    return pandas_udf(usual, "double", PandasUDFType.SCALAR)


@contextmanager
def started(master: str) -> Generator[Any]:
    """Start Spark, and stop it."""
    from pyspark.sql import SparkSession

    settings = SETTINGS | {"spark.sql.warehouse.dir": tempfile.mkdtemp(prefix="foresql_spark_")}
    session = SparkSession.builder.master(master).config(map=settings).getOrCreate()
    try:
        yield session
    finally:
        session.stop()


if __name__ == "__main__":
    main()
