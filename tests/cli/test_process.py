"""The command as a process: what goes to stdout, what to stderr, and the code at the end."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
from children import PATIENCE, child

FORESQL = Path(sys.executable).with_name("foresql")


@pytest.fixture
def start(shop):
    def run(*arguments, command=(FORESQL,), **options):
        return subprocess.run(
            [*command, *arguments],
            cwd=shop,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
            **options,
        )

    return run


def test_results_on_stdout_alone(start):
    finished = start("certify", "train.py:model", "--data", "train.parquet", "--json")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert json.loads(finished.stdout)["rows"] >= 10_000


def test_messages_on_stderr_alone(start):
    finished = start("show", "returns@champoin")
    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr == (
        "RegistryError: Model 'returns' has no alias 'champoin'. Did you mean 'champion'? "
        "There is: challenger, champion.\n"
    )


@pytest.mark.parametrize("source", ["none.txt", "train.csv", "bad.txt"])
def test_json_stands_alone_when_lightgbm_refuses(start, shop, source):
    (shop / "bad.txt").write_text("no model")
    finished = start("publish", "m", source, "--data", "train.parquet", "--json")
    assert finished.returncode == 1
    assert json.loads(finished.stdout)["error"]["kind"] == "ForesqlError"


def test_as_a_module(start):
    finished = start(
        "sql",
        "SELECT version_returns() AS v",
        "--json",
        command=(sys.executable, "-m", "foresql.cli"),
    )
    assert (json.loads(finished.stdout), finished.stderr) == ([{"v": 1}], "")


def test_a_reader_that_stops_early(shop):
    with child(
        [FORESQL, "sql", "FROM range(100000)", "--json"],
        cwd=shop,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"[\n"
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


SORTED = (
    "SELECT a.range + b.range AS s FROM range(3_000_000) a, range(4_000_000) b ORDER BY hash(s)"
)
REDUCED = "SELECT max(range) AS m FROM range(10_000_000_000_000)"


@pytest.mark.parametrize(
    ("query", "number", "code"),
    [(SORTED, signal.SIGTERM, 143), (REDUCED, signal.SIGINT, 1)],
    ids=["terminated", "aborted"],
)
def test_a_signal_ends_a_command_while_a_query_runs(query, number, code, shop, tmp_path):
    """In several threads DuckDB itself looks for signals in one of them, now and then or never."""
    begun = tmp_path / "begun.csv"
    command = [FORESQL, "sql", f"COPY (SELECT 1) TO '{begun}'; {query}"]
    with child(command, cwd=shop, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not begun.exists():
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(0.5)
        process.send_signal(number)
        printed = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == code
    assert b"Traceback" not in printed


def test_a_terminated_command_leaves_nothing(shop, tmp_path_factory):
    folder = tmp_path_factory.mktemp("folder")
    given = folder / "in.parquet"
    with duckdb.connect() as con:
        con.execute(
            f"COPY (SELECT t.* FROM '{shop / 'train.parquet'}' t, range(10_000)) TO '{given}'"
        )
    command = [FORESQL, "score", "returns@champion", given, folder / "out.parquet"]
    with child(
        [*command, "--threads", "1", "--batch-rows", "1000"],
        cwd=shop,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        while process.poll() is None and len(list(folder.iterdir())) < 2:
            time.sleep(0.01)
        process.terminate()
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode == 143
    assert [path.name for path in folder.iterdir()] == ["in.parquet"]
