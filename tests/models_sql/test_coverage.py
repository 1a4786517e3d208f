"""The column ``sql`` of docs/coverage.json: SQL in DuckDB agrees with the kernel, or is refused."""

import json
import sys
import warnings
from pathlib import Path

import pytest
from examples import examples

from foresql import UnsupportedModelError

engines = sys.modules["engines"]
TABLE = json.loads((Path(__file__).parents[2] / "docs/coverage.json").read_text())
EXACT = [
    example
    for example in examples()
    if TABLE[example.library][example.estimator]["status"] == "exact"
]
ROWS = 16


@pytest.fixture(scope="module")
def duckdb():
    return engines.DuckDB()


@pytest.mark.parametrize("example", EXACT, ids=lambda e: f"{e.estimator}-{e.role}")
def test_example(example, agrees, duckdb):
    reason = TABLE[example.library][example.estimator]["without_sql"].get(example.role)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator, frame = example.fit()
    if reason is None:
        agrees(duckdb, estimator, frame, rows=ROWS, refused=1)
        return
    step, _, why = reason.partition(": ")
    with pytest.raises(UnsupportedModelError) as refusal:
        agrees(duckdb, estimator, frame, rows=ROWS, refused=1)
    assert refusal.value.step == f"{step} in SQL for DuckDB"
    assert refusal.value.reason == why
    assert "foresql.register" in refusal.value.way_out


def test_what_has_sql_is_exact():
    rows = [row for table in TABLE.values() for row in table.values()]
    assert all(row["status"] == "exact" and not row["without_sql"] for row in rows if row["sql"])
    lacking = [row for row in rows if row["status"] == "exact" and not row["sql"]]
    assert all(row["without_sql"] for row in lacking)
