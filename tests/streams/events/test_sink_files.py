"""Sinks that are files: shared with other processes, on full disks, with others' hands in them."""

import errno
import os
import resource
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import duckdb
import pytest
from children import PATIENCE, deadline
from event_sinks import SHAPE, batch, dead, opened, predictions, sink_at, written

from foresql.errors import StreamError
from foresql.streams.events.records import MovedError
from foresql.streams.events.sinks import parquet, turns
from foresql.streams.turn import Turn
from foresql.udfs.duckdb.file import connect_file

ADDRESS = "duckdb:scores.duckdb"
HOLDER = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("CREATE TABLE IF NOT EXISTS other (a INTEGER)")
connection.execute("INSERT INTO other VALUES (1)")
print("held", flush=True)
sys.stdin.read()
"""


ASKER = """
import sys, time
from pathlib import Path
from foresql.streams.turn import Turn
turn = Turn(Path(sys.argv[1]))
assert not turn.take()
print("asks", flush=True)
while not turn.take():
    time.sleep(0.01)
print("has", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that has the file, with a log that is not in the file yet."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "scores.duckdb"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_it_waits_for_another_process_and_says_so(holder, tmp_path):
    said = []
    sink = sink_at(ADDRESS, tmp_path, told=lambda text: (said.append(text), holder.kill()))
    sink.open(SHAPE)  # the holder is killed by what it says
    sink.write(batch("0", None, 3))
    sink.close()
    [text] = said
    assert f"PID {holder.pid}" in text
    assert written(ADDRESS, tmp_path, "other").num_rows == 1
    assert written(ADDRESS, tmp_path).num_rows == 4


def test_waiting_ends_when_the_worker_is_to_stop(holder, tmp_path):
    assert holder.poll() is None
    stop = threading.Event()
    stop.set()
    with pytest.raises(StreamError, match=r"Waiting for .* was ended\. Nothing was"):
        sink_at(ADDRESS, tmp_path, pause=stop.wait).open(SHAPE)
    others = Turn(tmp_path / "scores.duckdb")
    assert others.take()
    others.give_back()


def reading(path, sql):
    code = "import duckdb, sys; duckdb.connect(sys.argv[1], read_only=True).sql(sys.argv[2])"
    return [sys.executable, "-c", code, str(path), sql]


def run_elsewhere(path, sql):
    return subprocess.run(reading(path, sql), capture_output=True, text=True, check=False)


def test_the_file_is_let_go_when_no_batch_follows(tmp_path, monkeypatch):
    monkeypatch.setattr(turns, "LINGER", 0.0)
    sink = opened(ADDRESS, tmp_path)
    sink.write(batch("0", None, 3))
    path = tmp_path / "scores.duckdb"
    until = time.monotonic() + 60
    while run_elsewhere(path, "FROM predictions").returncode and time.monotonic() < until:
        pass
    assert time.monotonic() < until
    sink.write(batch("0", 3, 4))
    sink.close()


def test_who_asks_for_the_file_gets_it(tmp_path, monkeypatch):
    monkeypatch.setattr(turns, "LINGER", 3600.0)
    sink = opened(ADDRESS, tmp_path)
    sink.write(batch("0", None, 3))
    path = tmp_path / "scores.duckdb"
    assert run_elsewhere(path, "FROM predictions").returncode != 0
    asked = subprocess.run(
        ["flock", f"{path}.wanted", "flock", f"{path}.turn", *reading(path, "FROM predictions")],
        timeout=PATIENCE,
        check=False,
    )
    assert asked.returncode == 0
    sink.write(batch("0", 3, 4))
    sink.close()


def test_a_held_file_stays_open_whoever_asks(tmp_path):
    sink = opened(ADDRESS, tmp_path, hold=True)
    path = tmp_path / "scores.duckdb"
    other = subprocess.Popen([sys.executable, "-c", ASKER, path], stdout=subprocess.PIPE)
    with deadline(other):
        assert other.stdout.readline() == b"asks\n"
        for last in range(5):
            sink.write(batch("0", last - 1 if last else None, last))
    other.kill()
    other.communicate()
    assert "lock" in run_elsewhere(path, "FROM predictions").stderr
    sink.close()
    assert run_elsewhere(path, "FROM predictions").returncode == 0


def test_workers_in_one_process_write_each_event_once(tmp_path):
    sinks = [opened(ADDRESS, tmp_path) for _ in range(2)]

    def work(sink):
        last, moved = None, 0
        while last is None or last < 60:
            try:
                after = (-1 if last is None else last) + 3
                sink.write(batch("0", last, after))
                last = after
            except MovedError:
                moved += 1
                last = sink.positions(["0"]).get("0")
        return moved

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(work, sinks)) > 0
    for sink in sinks:
        sink.close()
    found = written(ADDRESS, tmp_path).column("event_offset").to_pylist()
    assert len(found) > 60
    assert sorted(found) == list(range(len(found)))


def test_a_connection_in_the_workers_process_is_refused_and_drops_no_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(turns, "LINGER", 3600.0)
    sink = opened(ADDRESS, tmp_path)
    path = tmp_path / "scores.duckdb"
    (tmp_path / "link.duckdb").symlink_to(path)
    for last in range(2):
        sink.write(batch("0", last - 1 if last else None, last))
        for each in (path, tmp_path / "link.duckdb"):
            with pytest.raises(duckdb.IOException, match=r"is open in this process, by a worker"):
                connect_file(each, read_only=True)
        assert "lock" in run_elsewhere(path, "FROM predictions").stderr
    sink.close()
    with connect_file(path) as connection:
        assert connection.sql("SELECT count(*) FROM predictions").fetchall() == [(2,)]


def test_a_table_that_is_dropped_under_way_stops_the_worker(tmp_path):
    sink = opened(ADDRESS, tmp_path)
    sink.write(batch("0", None, 3))
    sink.close()
    with duckdb.connect(tmp_path / "scores.duckdb") as connection:
        connection.execute("DROP TABLE predictions")
    with pytest.raises(StreamError, match="somebody dropped or changed a table since the worker"):
        sink.write(batch("0", 3, 5))
    assert sink.positions(["0"]) == {"0": 3}
    sink.close()
    sink = opened(ADDRESS, tmp_path)
    sink.write(batch("0", 3, 5))
    sink.close()
    assert written(ADDRESS, tmp_path).num_rows == 2


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StreamError, match="see that the folder is there"):
        opened("duckdb:nowhere/scores.duckdb", tmp_path)


@pytest.fixture(params=[ADDRESS, "parquet:scores"])
def small_disk(request, tmp_path):
    """A process may write files of so many bytes, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    yield request.param, tmp_path, limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_stops_the_worker_and_nothing_is_lost(small_disk):
    address, folder, limit = small_disk
    sink = opened(address, folder)
    sink.write(batch("0", None, 3))
    sink.close()
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    limit(max(sizes) + 4096)
    large = predictions("0", range(4, 100_004), [f"{n:064x}" for n in range(100_000)])
    with pytest.raises(StreamError, match=r"room on the disk|that the disk has room"):
        sink.write(batch("0", 3, 100_003, predictions=large))
    limit(resource.RLIM_INFINITY)
    assert sink.positions(["0"]) == {"0": 3}
    sink.write(batch("0", 3, 100_003, predictions=large))
    sink.close()
    assert written(address, folder).num_rows == 100_004


def test_other_errors_of_the_disk_name_the_file(tmp_path, monkeypatch):
    sink = opened("parquet:scores", tmp_path)

    def fail(*_):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(StreamError, match="cannot be written: Permission denied"):
        sink.write(batch("0", None, 3))
    monkeypatch.undo()
    sink.write(batch("0", None, 3))
    assert written("parquet:scores", tmp_path).num_rows == 4


def test_a_folder_of_another_worker_is_refused(tmp_path):
    opened("parquet:scores", tmp_path).write(batch("0", None, 3))
    with pytest.raises(StreamError, match="has the predictions of scores file:events, and this"):
        opened("parquet:scores", tmp_path, replace(SHAPE, source="others"))


def test_what_a_killed_worker_had_ready_comes_to_its_place(tmp_path, monkeypatch):
    sink = opened("parquet:scores", tmp_path)
    with monkeypatch.context() as killed:
        killed.setattr(parquet, "settle", lambda *_: None)
        sink.write(batch("0", None, 3, dead=dead("0", 3)))
    assert not list(tmp_path.glob("scores/dead_letters/**/*.parquet"))
    assert opened("parquet:scores", tmp_path).positions(["0"]) == {"0": 3}
    assert written("parquet:scores", tmp_path, "dead_letters").num_rows == 1


def test_a_damaged_file_is_named(tmp_path):
    sink = opened("parquet:scores", tmp_path)
    sink.write(batch("0", None, 3))
    [path] = tmp_path.glob("scores/predictions/**/*.parquet")
    path.chmod(0o644)
    path.write_bytes(b"PAR1")
    with pytest.raises(StreamError, match="is no file that a worker wrote, or it is damaged"):
        sink_at("parquet:scores", tmp_path).open(SHAPE)
