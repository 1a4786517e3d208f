"""A model in a DuckDB query against the usual arrow UDF around ``Booster.predict``."""

from __future__ import annotations

import os

import duckdb
import lightgbm as lgb
import numpy as np
import pyarrow as pa
from measuring import Row, compare, report

import foresql
from foresql.kernels.native import load_library
from foresql.kernels.native.library import SETTING

ROWS, COLUMNS = 1_000_000, 20
NAMES = [f"x{index}" for index in range(COLUMNS)]


def main() -> None:
    """Compare with the peer on one of LightGBM's threads, and on as many as it likes."""
    matrix, booster = model()
    with duckdb.connect() as connection:
        columns = [pa.array(column) for column in matrix.T]
        connection.register("arrow", pa.table(columns, names=NAMES))
        connection.execute("CREATE TABLE t AS FROM arrow")
        sample = pa.table([column[:20_000] for column in columns], names=NAMES)
        kernels = {"numpy": 1.5} | ({"native": 5.0} if load_library() else {})
        for kernel in kernels:
            os.environ[SETTING] = kernel if kernel == "numpy" else ""
            foresql.register(connection, booster, name=f"predict_{kernel}", like=sample)
        report(
            "duckdb_udf",
            [
                against(connection, booster, threads, kernel, bar)
                for kernel, bar in kernels.items()
                for threads in (1, 0)
            ],
        )


def model() -> tuple[np.ndarray, lgb.Booster]:
    """100 trees of 31 leaves."""
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(ROWS, COLUMNS))
    target = matrix[:, 0] * matrix[:, 1] + np.sin(matrix[:, 2]) + rng.normal(size=ROWS) / 10
    options = {"num_leaves": 31, "verbose": -1, "seed": 1}
    data = lgb.Dataset(matrix[:100_000], target[:100_000], feature_name=NAMES)
    return matrix, lgb.train(options, data, 100)


def against(
    connection: duckdb.DuckDBPyConnection,
    booster: lgb.Booster,
    threads: int,
    kernel: str,
    bar: float,
) -> Row:
    """Compare with the usual UDF; ``threads`` 0 lets LightGBM use all cores."""

    def usual(rows: pa.StructArray | pa.ChunkedArray) -> pa.Array:
        whole = rows.combine_chunks() if isinstance(rows, pa.ChunkedArray) else rows
        fields = [field.to_numpy(zero_copy_only=False) for field in whole.flatten()]
        return pa.array(booster.predict(np.stack(fields, axis=1), num_threads=threads))

    name = f"usual_{threads}_{kernel}"
    connection.create_function(
        name,
        usual,
        [duckdb.struct_type(dict.fromkeys(NAMES, "DOUBLE"))],
        duckdb.sqltype("DOUBLE"),
        type="arrow",
        null_handling="special",
    )
    struct = "{" + ", ".join(f"'{column}': t.{column}" for column in NAMES) + "}"
    [(difference,)] = connection.execute(
        f"SELECT max(abs(predict_{kernel}(t) - {name}({struct}))) FROM t USING SAMPLE 20000"
    ).fetchall()
    return compare(
        f"SELECT sum(predict(t)), {ROWS:,} rows x {COLUMNS} columns: {kernel}",
        f"arrow UDF around Booster.predict, {threads or 'all'} LightGBM threads",
        lambda: connection.execute(f"SELECT sum(predict_{kernel}(t)) FROM t").fetchall(),
        lambda: connection.execute(f"SELECT sum({name}({struct})) FROM t").fetchall(),
        bar=bar,
        max_diff=difference,
        rounds=5,
    )


if __name__ == "__main__":
    main()
