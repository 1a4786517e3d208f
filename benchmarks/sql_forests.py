"""Forests without a limit of depth as SQL from tables, in DuckDB, against scikit-learn's predict.

Both run on one thread and read what is in memory: DuckDB a table of its own, scikit-learn a frame.
The query is planned anew in each run, as it would be for a user.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import pandas as pd
from measuring import Row, compare, largest_difference, report
from sklearn.ensemble import RandomForestRegressor

from foresql.frontends import Training, convert
from foresql.models_sql import compile_query, target_of

COLUMNS = 20
TREES = 100
TRAINING_ROWS = 100_000
BAR = 1.0
"""For information: where the walk in SQL would be as quick as the library's own."""


class Case(NamedTuple):
    """How many rows are scored, and in how many rounds."""

    rows: int
    rounds: int


CASES = (Case(10_000, 5), Case(200_000, 1))


def main() -> None:
    """Compare on one forest, with ever more rows."""
    rng = np.random.default_rng(7)
    forest = train(rng)
    report("sql_forests", [against(forest, case, rng) for case in CASES])


def train(rng: np.random.Generator) -> RandomForestRegressor:
    """Fit trees until their leaves are pure, each on 30,000 rows: five million nodes in all."""
    frame = rows_of(rng, TRAINING_ROWS)
    x = frame.to_numpy().T
    target = x[0] + np.sin(3 * x[1]) + x[2] * x[3] + rng.normal(size=TRAINING_ROWS)
    forest = RandomForestRegressor(TREES, max_features=5, max_samples=0.3, random_state=0)
    return forest.fit(frame, target)


def rows_of(rng: np.random.Generator, count: int) -> pd.DataFrame:
    """Draw rows."""
    names = [f"x{index}" for index in range(COLUMNS)]
    return pd.DataFrame(rng.normal(size=(count, COLUMNS)).round(3), columns=names)


def against(forest: RandomForestRegressor, case: Case, rng: np.random.Generator) -> Row:
    """Compare on so many rows."""
    frame = rows_of(rng, case.rows)
    model = convert(forest, Training.of(frame.head(1_000), forest))
    query = compile_query(model, target_of("duckdb"), "rows", keep=("id",), strategy="walk")
    with duckdb.connect(config={"threads": 1}) as con:
        con.register("given", frame)
        con.execute("CREATE TABLE rows AS SELECT row_number() OVER () AS id, * FROM given")
        for table in query.tables:
            con.register("given", table.data)
            con.execute(f'CREATE TABLE "{table.name}" AS FROM given')

        def ours() -> object:
            return con.execute(f"CREATE OR REPLACE TABLE scored AS {query.text}")

        ours()
        found = con.sql("SELECT prediction FROM scored ORDER BY id").fetchnumpy()["prediction"]
        nodes = sum(tree.tree_.node_count for tree in forest.estimators_)
        return compare(
            f"{case.rows:,} rows, {TREES} trees without a limit of depth, {nodes:,} nodes",
            "scikit-learn predict",
            ours,
            lambda: forest.predict(frame),
            bar=BAR,
            max_diff=largest_difference(found, forest.predict(frame)),
            rounds=case.rounds,
            note=f"peak of the process {peak_mb():,.0f} MB, training included",
        )


def peak_mb() -> float:
    """Give the most memory that this process has had."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s*(\d+)", status)
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    main()
