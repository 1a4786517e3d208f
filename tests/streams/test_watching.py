"""A task as a service: the file is free between its looks, and it waits while others have it."""

import os
import resource
import signal
import subprocess
import sys
import time

import duckdb
import pytest
from changing_flights import MAKE, QUERY, predicted, promote, rescored
from children import PATIENCE, deadline
from torn_block import mend_torn_block

import foresql
from foresql import streams
from foresql.errors import StreamError
from foresql.streams import watching

HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def database(tmp_path, registry):
    """A file with a stream and a task that is started."""
    path = tmp_path / "w.duckdb"
    with streams.open_to_write(path, create=True) as con:
        con.execute(MAKE.format(rows=40))
        streams.create_stream(con, "flight_changes", on="flight_features", key=["flight_id"])
        options = {"stream": "flight_changes", "query": QUERY, "into": "predictions"}
        streams.create_task(con, "scoring", **options, registry=registry)
        streams.resume_task(con, "scoring")
    return path


@pytest.fixture
def holder(database):
    """Another process that has the file open, until a line is written to it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, database],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with deadline(process):
        assert process.stdout.readline() == "open\n"
    yield process
    release(process)


def release(process):
    process.stdin.close()
    process.wait(PATIENCE)
    process.stdout.close()


class Watched:
    """A watch whose looks are taken one by one."""

    def __init__(self, path, registry, monkeypatch):
        self.path, self.looks, self.said = path, 0, []
        self.runs = []
        self._registry = registry
        opens = watching.open_to_write

        def counted(*arguments, **options):
            self.looks += 1
            return opens(*arguments, **options)

        monkeypatch.setattr(watching, "open_to_write", counted)

    def look(self, times, between=lambda: None):
        """Look some times, and do something before each next one."""
        left = [times]

        class Stop:
            def is_set(self):
                return left[0] == 0

            def wait(self, _seconds):
                left[0] -= 1
                between()

        options = {"interval": 0.01, "registry": self._registry, "told": self.said.append}
        self.runs += streams.watch(self.path, stop=Stop(), **options)


@pytest.fixture
def watched(database, registry, monkeypatch):
    return Watched(database, registry, monkeypatch)


def write(path, statement):
    with duckdb.connect(path) as con:
        con.execute(statement)


def test_writers_get_in_between_and_what_they_wrote_is_scored(database, registry, watched):
    keys = iter(range(100, 103))

    def between():
        write(database, f"INSERT INTO flight_features VALUES ({next(keys)}, 50, 'AA')")

    watched.look(3, between)
    assert [run.scored for run in watched.runs] == ["all", "changes", "changes"]
    assert [run.rows_scored for run in watched.runs[1:]] == [1, 1]
    watched.look(1)
    with streams.open_to_write(database) as con:
        assert predicted(con) == rescored(con, registry)


def test_a_file_that_nobody_wrote_is_not_opened(database, watched, monkeypatch):
    monkeypatch.setattr(watching, "_SETTLED", -1.0)
    watched.look(2)  # scores, then finds nothing to do
    seen = watched.looks
    watched.look(5)
    assert watched.looks == seen + 1  # each watch looks once
    write(database, "INSERT INTO flight_features VALUES (99, 50, 'AA')")
    watched.look(1)
    assert watched.runs[-1].rows_scored == 1


def test_a_file_that_changed_a_moment_ago_is_looked_at_again(watched, monkeypatch):
    monkeypatch.setattr(watching, "_SETTLED", 1e9)
    watched.look(4)
    assert watched.looks == 4
    assert len(watched.runs) == 1


def test_a_moved_alias_is_followed(watched, registry, monkeypatch):
    monkeypatch.setattr(watching, "_SETTLED", -1.0)
    watched.look(3)
    watched.look(2, lambda: promote(registry, 1))
    assert [run.model_version for run in watched.runs] == ["2", "1"]


def test_no_suspended_task_runs(database, watched):
    with streams.open_to_write(database) as con:
        streams.suspend_task(con, "scoring")
    watched.look(2)
    assert watched.runs == []


def test_failures_suspend_the_task_and_not_the_service(database, watched):
    write(database, "DROP TABLE predictions")
    watched.look(5)
    assert [run.state for run in watched.runs] == ["FAILED"] * 3
    with streams.open_to_write(database) as con:
        assert streams.show_task(con, "scoring")["state"] == "suspended"


def test_a_locked_file_is_waited_for(holder, watched):
    watched.look(2)
    assert watched.runs == []
    assert watched.said
    assert all("Another process has" in said for said in watched.said)
    release(holder)
    watched.look(1)
    assert len(watched.runs) == 1


def test_opening_waits_longer_each_time_and_gives_up(database, holder):
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            release(holder)

    opened(database, pause=pause)
    assert len(pauses) == 3
    assert pauses[2] > pauses[0]


def opened(path, **options):
    with streams.open_to_write(path, **options):
        pass


def test_opening_says_who_has_the_file(database, holder):
    assert holder.poll() is None
    with pytest.raises(StreamError, match=r"Another process has .*--wait SECONDS"):
        opened(database, wait=0)
    with pytest.raises(StreamError, match="was ended"):
        opened(database, pause=lambda _: True)


def test_what_is_no_database(tmp_path):
    with pytest.raises(StreamError, match="There is no database file"):
        opened(tmp_path / "nothing.duckdb")
    (tmp_path / "text").write_text("no database" * 1000)
    with pytest.raises(StreamError, match="cannot be opened"):
        opened(tmp_path / "text", wait=0)


def test_a_service_is_killed_and_started_again(database, registry):
    command = [sys.executable, "-m", "foresql.cli", "task", "run", "--watch", "--every", "0.1"]
    command += ["--database", database, "--registry", registry, "--json"]
    started = {"stdout": subprocess.PIPE, "text": True, "env": os.environ | {"COLUMNS": "100"}}
    killed = subprocess.Popen(command, **started)
    with deadline(killed):
        assert '"SUCCEEDED"' in killed.stdout.readline()
    killed.kill()
    killed.communicate(timeout=PATIENCE)
    mend_torn_block(database)
    with streams.open_to_write(database) as con:
        con.execute("UPDATE flight_features SET distance = 60 WHERE flight_id = 7")
    ended = subprocess.Popen(command, **started)
    with deadline(ended):
        assert '"rows_updated": 1' in ended.stdout.readline()
    time.sleep(0.2)
    ended.send_signal(signal.SIGTERM)
    ended.communicate(timeout=PATIENCE)
    assert ended.returncode == 143
    with foresql.connect(database) as con:
        assert predicted(con) == rescored(con, registry)


def test_a_full_disk_is_said_and_waited_for(database, registry):
    """The failed run cannot be kept either; when there is room the task goes on by itself."""
    said, before = [], resource.getrlimit(resource.RLIMIT_FSIZE)

    def tell(message):
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        said.append(message)

    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        runs = streams.watch(database, interval=0.05, registry=registry, told=tell)
        done = next(runs)
        runs.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert done.state == "SUCCEEDED"
    assert done.rows_scored > 30
    assert "scoring failed" in said[0]
    assert "make room on the disk" in said[0]
