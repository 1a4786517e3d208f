"""Over Spark Connect a table, windows and a stream give what they give in DuckDB."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from spark_readings import ROW_QUERY, WINDOW_QUERY, in_duckdb, write_parts

from foresql import RegistrationError
from foresql.spark.plan import ShippedModel
from foresql.spark.shipping import _check_size

SCRIPT = Path(__file__).with_name("connect.py")
SUPPORT = Path(__file__).parents[1] / "support"


def test_tables_windows_and_streams_over_connect(session, registry, readings, tmp_path):
    """In a process of its own: one has either kind of session."""
    del session  # it is skipped where that is
    write_parts(readings, tmp_path / "in", 2)
    paths = [str(SUPPORT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path, registry],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    rows = in_duckdb(ROW_QUERY, readings, registry).to_pylist()
    found = {
        name: pq.read_table(tmp_path / f"{name}.parquet").sort_by("id").to_pylist()
        for name in ("rows", "windows", "files")
    }
    assert found["rows"] == found["files"] == rows
    assert found["windows"] == in_duckdb(WINDOW_QUERY, readings, registry).to_pylist()


def test_models_that_no_message_takes_are_refused():
    large = ShippedModel("predict_m", 1, "", "digest", bytes((64 << 20) + 1))
    with pytest.raises(RegistrationError, match="Take a classic session"):
        _check_size([large])
