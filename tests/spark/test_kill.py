"""The driver of four streams is killed at random moments: each row is answered once.

``FORESQL_SPARK_KILLS`` says how often, and ``FORESQL_SPARK_MASTER`` where, as in
``local-cluster[2,1,1024]``.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import psycopg
import pytest
from postgres_server import postgres_server
from psycopg.rows import dict_row
from spark_readings import ROW_QUERY, WINDOW_QUERY, in_duckdb, passed, write_parts

SCRIPT = Path(__file__).with_name("mortal.py")
SUPPORT = Path(__file__).parents[1] / "support"
KILLS = int(os.environ.get("FORESQL_SPARK_KILLS", "1"))
MASTER = os.environ.get("FORESQL_SPARK_MASTER", "local[2]")
STREAMS = 4
PARTS = 3 + KILLS


def start(folder, registry, address):
    paths = [str(SUPPORT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    with (folder / "log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, SCRIPT, folder, registry, MASTER, address],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
            cwd=folder, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def steps(folder):
    """Count what streams wrote down: a batch is planned, and it is done."""
    return len(list((folder / "checkpoints").glob("*/*/[0-9]*")))


def kill_after_some_steps(process, folder, chance):
    # Spark itself refuses a checkpoint whose very first batch was half planned.
    while len(list((folder / "checkpoints").glob("*/offsets/0"))) < STREAMS:
        assert process.poll() is None, (folder / "log").read_text()[-3000:]
        time.sleep(0.02)
    target = steps(folder) + chance.randint(2, 8)
    while steps(folder) < target and process.poll() is None:
        time.sleep(0.02)
    time.sleep(chance.random())
    assert process.poll() is None, (folder / "log").read_text()[-3000:]
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def server():
    with postgres_server() as server:
        yield server


def test_each_row_is_answered_once(session, registry, readings, server, tmp_path):
    chance = random.Random(os.environ.get("FORESQL_SPARK_SEED", "5"))  # noqa: S311
    write_parts(readings, tmp_path / "in", PARTS)
    for _ in range(KILLS):
        kill_after_some_steps(start(tmp_path, registry, server.address), tmp_path, chance)
    last = start(tmp_path, registry, server.address)
    assert last.wait() == 0, (tmp_path / "log").read_text()[-3000:]
    assert not (tmp_path / "windows" / "late").exists()
    rows = in_duckdb(ROW_QUERY, readings, registry).to_pylist()
    # Spark itself leaves out files of attempts that were killed.
    files = session.read.parquet(str(tmp_path / "files")).toArrow()
    assert files.sort_by("id").to_pylist() == rows
    with duckdb.connect(tmp_path / "rows.duckdb") as con:
        table = con.sql("SELECT * EXCLUDE (foresql_batch, foresql_stream) FROM predictions")
        assert table.to_arrow_table().sort_by("id").to_pylist() == rows
    with psycopg.connect(server.address, row_factory=dict_row) as connection:
        asked = "SELECT id, sensor, part, level, version FROM predictions ORDER BY id"
        assert connection.execute(asked).fetchall() == rows
    windows = session.read.parquet(str(tmp_path / "windows" / "predictions")).toArrow()
    found = windows.drop(["foresql_batch"]).sort_by("id").to_pylist()
    assert found == in_duckdb(passed(WINDOW_QUERY, readings), readings, registry).to_pylist()
