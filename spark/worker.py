"""What runs in Spark's Python workers: DuckDB, with the query's models in it.

A worker needs foresql, and nothing that models are trained with.
"""

from __future__ import annotations

import tempfile
import warnings
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..ir.bundle import decode_bundle
from ..kernels import Scorer
from ..udfs.duckdb import connect, register_scorer
from ..udfs.duckdb.macros import literal
from .plan import ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import duckdb
    from numpy.typing import NDArray

    from .plan import Plan, ShippedModel

_MOST_PLANS = 4
LEAST_ROWS = 32_768
"""A query is planned for at least so many rows, where there are as many."""


def answer(
    plan: Plan, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Run a plan's query over batches of rows, some of them at a time."""
    connection = _opened(plan)
    parts = by_key(batches, plan.keys) if plan.keys else gathered(batches)
    for rows in parts:
        yield from run(connection, plan.text, rows).cast(schema).to_batches()


def run(
    connection: duckdb.DuckDBPyConnection,
    text: str,
    rows: pa.Table,
    check: Callable[[duckdb.DuckDBPyRelation], object] = lambda _: None,
) -> pa.Table:
    """Run a plan's query over rows, behind a check of what it will give."""
    connection.register(ROWS, rows)
    try:
        found = connection.sql(text)
        check(found)
        return found.to_arrow_table()
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


def by_key(batches: Iterable[pa.RecordBatch], keys: Sequence[str]) -> Iterator[pa.Table]:
    """Join batches that come sorted by keys to tables, each with all rows of its keys."""
    waiting: list[pa.Table] = []
    for rows in gathered(batches):
        waiting.append(rows)
        last = waiting[-2].slice(len(waiting[-2]) - 1) if len(waiting) > 1 else rows.slice(0, 0)
        joined = pa.concat_tables([last, rows])
        changes = np.flatnonzero(_changes(joined, keys))
        if not len(changes):
            continue
        place = int(changes[-1]) + 1 - len(last)
        yield pa.concat_tables([*waiting[:-1], rows.slice(0, place)])
        waiting = [rows.slice(place)]
    if waiting:
        yield pa.concat_tables(waiting)


def _changes(rows: pa.Table, keys: Sequence[str]) -> NDArray[np.bool_]:
    """Say behind which rows another key begins; NULL is a key too."""
    changed = np.zeros(max(len(rows) - 1, 0), np.bool_)
    for name in keys:
        before, after = rows[name].slice(0, len(changed)), rows[name].slice(1)
        differ = pc.fill_null(pc.not_equal(before, after), fill_value=False)
        gone = pc.not_equal(pc.is_null(before), pc.is_null(after))
        changed |= pc.or_(differ, gone).to_numpy()
    return changed


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
        path = find(model) if model.content is None else None
        content = model.content if path is None else path.read_bytes()
        bundle = decode_bundle(content or b"", model.digest)
        register_scorer(
            connection,
            Scorer(bundle.model, bundle.program),
            model.function,
            version=model.version,
            temporary=True,
            bundle=f"{path}#{bundle.digest}" if bundle.program and path else None,
        )
    return connection
