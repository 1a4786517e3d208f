"""What runs in Spark's Python workers: DuckDB, with the query's models in it.

A worker needs foresql, and nothing that models are trained with.
"""

from __future__ import annotations

import tempfile
import warnings
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ..ir.bundle import decode_bundle
from ..kernels import Scorer
from ..udfs.duckdb import connect, register_scorer
from ..udfs.duckdb.macros import literal
from .plan import ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import duckdb

    from .plan import Plan, ShippedModel

_MOST_PLANS = 4
LEAST_ROWS = 32_768
"""A query is planned for at least so many rows, where there are as many."""


def answer(
    plan: Plan, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Run a plan's query over batches of rows, some of them at a time."""
    connection = _opened(plan)
    for rows in gathered(batches):
        yield from run(connection, plan.text, rows).cast(schema).to_batches()


def run(connection: duckdb.DuckDBPyConnection, text: str, rows: pa.Table) -> pa.Table:
    """Run a plan's query over rows."""
    connection.register(ROWS, rows)
    try:
        return connection.sql(text).to_arrow_table()
    finally:
        connection.unregister(ROWS)


def gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Join batches to tables that are worth a query."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += batch.num_rows
        if count >= LEAST_ROWS:
            yield pa.Table.from_batches(waiting)
            waiting, count = [], 0
    if count:
        yield pa.Table.from_batches(waiting)


@lru_cache(_MOST_PLANS)
def _opened(plan: Plan) -> duckdb.DuckDBPyConnection:
    from pyspark import SparkFiles

    return open_duckdb(plan, lambda model: Path(SparkFiles.get(model.file)))


def open_duckdb(plan: Plan, find: Callable[[ShippedModel], Path]) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB with a plan's models, of one thread: each core has a worker of its own."""
    config = {"threads": 1, "temp_directory": str(Path(tempfile.gettempdir()) / "foresql_spill")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # without the extension: the same answers
        connection = connect(config=config)
    connection.execute(f"SET TimeZone = {literal(plan.time_zone)}")
    for model in plan.models:
        path = find(model)
        bundle = decode_bundle(path.read_bytes(), model.digest)
        register_scorer(
            connection,
            Scorer(bundle.model, bundle.program),
            model.function,
            version=model.version,
            temporary=True,
            bundle=f"{path}#{bundle.digest}" if bundle.program else None,
        )
    return connection
