"""A model in a DuckDB query against the usual arrow UDF around ``Booster.predict``."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import duckdb
import lightgbm as lgb
import numpy as np
import pyarrow as pa
from measuring import Row, compare, report

import foresql
from foresql.kernels.native import load_library
from foresql.kernels.native.library import SETTING
from foresql.udfs.duckdb.extension import loaded_extension

if TYPE_CHECKING:
    from collections.abc import Generator

ROWS, COLUMNS = 1_000_000, 20
NAMES = [f"x{index}" for index in range(COLUMNS)]
STRUCT = "{" + ", ".join(f"'{name}': t.{name}" for name in NAMES) + "}"


class Route(NamedTuple):
    """One of our ways into DuckDB, and how many times as fast as the usual one it shall be."""

    name: str
    kernel: str
    is_native: bool
    bar: float


ROUTES = (
    Route("arrow UDF, numpy", "numpy", is_native=False, bar=1.5),
    Route("arrow UDF", "", is_native=False, bar=5.0),
    Route("extension", "", is_native=True, bar=25.0),
)


def main() -> None:
    """Compare on one thread and on all: DuckDB calls both sides from as many."""
    matrix, booster = model()
    columns = dict(zip(NAMES, map(pa.array, matrix.T), strict=True))
    routes = ROUTES if load_library() else ROUTES[:1]
    report("duckdb_udf", [row for route in routes for row in against(route, booster, columns)])


def model() -> tuple[np.ndarray, lgb.Booster]:
    """100 trees of 31 leaves."""
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(ROWS, COLUMNS))
    target = matrix[:, 0] * matrix[:, 1] + np.sin(matrix[:, 2]) + rng.normal(size=ROWS) / 10
    options = {"num_leaves": 31, "verbose": -1, "seed": 1}
    data = lgb.Dataset(matrix[:100_000], target[:100_000], feature_name=NAMES)
    return matrix, lgb.train(options, data, 100)


def against(route: Route, booster: lgb.Booster, columns: dict[str, pa.Array]) -> list[Row]:
    """Register both functions in one connection, and query them in turn."""
    with opened(route) as connection:
        if route.is_native and loaded_extension(connection) is None:
            return []
        connection.register("arrow", pa.table(columns))
        connection.execute("CREATE TABLE t AS FROM arrow")
        sample = pa.table({name: column[:20_000] for name, column in columns.items()})
        foresql.register(connection, booster, name="predict_m", like=sample)
        create_usual(connection, booster)
        [(difference,)] = connection.execute(
            f"SELECT max(abs(predict_m(t) - usual({STRUCT}))) FROM t USING SAMPLE 20000"
        ).fetchall()
        rows = []
        for threads in (1, os.cpu_count() or 1):
            connection.execute(f"SET threads = {threads}")
            row = compare(
                f"SELECT sum(predict(t)), {ROWS:,} rows x {COLUMNS} columns: {route.name}",
                "arrow UDF around Booster.predict",
                lambda: connection.execute("SELECT sum(predict_m(t)) FROM t").fetchall(),
                lambda: connection.execute(f"SELECT sum(usual({STRUCT})) FROM t").fetchall(),
                bar=route.bar,
                max_diff=difference,
                rounds=5,
                threads=threads,
            )
            rows.append(row)
        return rows


@contextmanager
def opened(route: Route) -> Generator[duckdb.DuckDBPyConnection]:
    """Connect with the route's kernel, with or without the extension."""
    os.environ[SETTING] = route.kernel
    with foresql.connect() if route.is_native else duckdb.connect() as connection:
        yield connection


def create_usual(connection: duckdb.DuckDBPyConnection, booster: lgb.Booster) -> None:
    """Make the function that everybody writes, on one LightGBM thread for each of DuckDB's."""

    def usual(rows: pa.StructArray | pa.ChunkedArray) -> pa.Array:
        whole = rows.combine_chunks() if isinstance(rows, pa.ChunkedArray) else rows
        fields = [field.to_numpy(zero_copy_only=False) for field in whole.flatten()]
        return pa.array(booster.predict(np.stack(fields, axis=1), num_threads=1))

    connection.create_function(
        "usual",
        usual,
        [duckdb.struct_type(dict.fromkeys(NAMES, "DOUBLE"))],
        duckdb.sqltype("DOUBLE"),
        type="arrow",
        null_handling="special",
    )


if __name__ == "__main__":
    main()
