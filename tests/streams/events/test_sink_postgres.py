"""Postgres as a sink, on a real server that loses connections, stops and refuses."""

import os
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import duckdb
import psycopg
import pytest
from event_sinks import SHAPE, batch, dead, opened, sink_at
from postgres_server import postgres_server

from foresql.errors import StreamError
from foresql.streams.events.records import MovedError


@pytest.fixture(scope="module")
def server():
    with postgres_server() as server:
        yield server


@pytest.fixture
def empty(server):
    server.psql("DROP SCHEMA IF EXISTS foresql CASCADE; DROP SCHEMA IF EXISTS public CASCADE")
    server.psql("CREATE SCHEMA public")
    return server


@pytest.fixture
def sink(empty, tmp_path):
    sink = opened(empty.address, tmp_path)
    yield sink
    sink.close()


def offsets(server, table="predictions"):
    with psycopg.connect(server.address) as connection:
        found = connection.execute(f"SELECT event_offset FROM {table} ORDER BY event_offset")
        return [int(offset) for (offset,) in found.fetchall()]


def end_connections(server):
    server.psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'foresql worker'"
    )


def test_a_lost_connection_is_made_again(sink, empty):
    sink.write(batch("0", None, 3))
    end_connections(empty)
    sink.write(batch("0", 3, 5))
    end_connections(empty)
    assert sink.positions(["0"]) == {"0": 5}
    assert offsets(empty) == list(range(6))


@pytest.mark.parametrize("has_happened", [True, False])
def test_a_connection_that_is_lost_in_commit(sink, empty, monkeypatch, has_happened):
    """The server's answer never comes: whether it happened is in the positions."""
    sink.write(batch("0", None, 3))
    real, calls = sink._write, []

    def write(connection, outcome):
        count = real(connection, outcome)
        if not calls:
            calls.append(connection)
            if has_happened:
                connection.execute("COMMIT")
            connection.pgconn.finish()
        return count

    monkeypatch.setattr(sink, "_write", write)
    sink.write(batch("0", 3, 5, dead=dead("0", 5)))
    assert len(calls) == 1
    assert offsets(empty) == list(range(6))
    assert offsets(empty, "foresql.dead_letters") == [5]
    assert sink.positions(["0"]) == {"0": 5}


def test_two_workers_that_lock_in_turn_are_both_done(empty, tmp_path):
    """One waits for the other's transaction, and then finds that it was moved."""
    one, two = (opened(empty.address, tmp_path) for _ in range(2))
    one.write(batch("0", None, 3))
    with psycopg.connect(empty.address) as blocker:
        blocker.execute("SELECT FROM foresql.event_positions FOR UPDATE")
        results = []

        def write(sink, after):
            try:
                sink.write(batch("0", 3, after))
                results.append("written")
            except MovedError:
                results.append("moved")

        threads = [threading.Thread(target=write, args=each) for each in ((one, 5), (two, 6))]
        for thread in threads:
            thread.start()
        blocker.commit()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["moved", "written"]
    assert offsets(empty) == list(range(one.positions(["0"])["0"] + 1))
    one.close()
    two.close()


def test_a_deadlock_is_tried_again(sink, empty):
    """The server ends one of two transactions that wait for each other; ours is tried again."""
    sink.write(batch("0", None, 3))
    empty.psql("SET deadlock_timeout = '10ms'")
    with psycopg.connect(empty.address) as other:
        other.execute("SET deadlock_timeout = '60s'")
        other.execute("LOCK TABLE predictions")
        thread = threading.Thread(target=sink.write, args=(batch("0", 3, 5),))
        thread.start()
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while other.execute(waits).fetchone() == (0,):
            pass
        # The worker has the position and waits for the table; this one the other way round.
        other.execute("SELECT FROM foresql.event_positions FOR UPDATE")
        other.commit()
    thread.join()
    assert offsets(empty) == list(range(6))


def test_a_dropped_table_stops_the_worker(sink, empty):
    sink.write(batch("0", None, 3))
    empty.psql("DROP TABLE predictions")
    with pytest.raises(StreamError, match="somebody dropped a table since the worker began"):
        sink.write(batch("0", 3, 5))
    assert sink.positions(["0"]) == {"0": 3}


VALUES = {
    "'a'": "'a' || chr(0)",
    "['a', NULL]": "['a', NULL, chr(0)]",
    "DATE '4714-11-24 (BC)'": "DATE '4714-11-23 (BC)'",
    "DATE '5874897-12-31'": "DATE '5874898-01-01'",
    "DATE '-infinity'": "DATE '5881580-07-10'",
    "[NULL, DATE 'infinity']": "[NULL, DATE '5881580-07-10']",
    "array_value(DATE '2026-01-01')": "array_value(DATE '5874898-01-01')",
    "TIMESTAMP '4714-11-24 (BC)'": "TIMESTAMP '4714-11-23 (BC) 23:59:59.999999'",
    "TIMESTAMP '-infinity'": "make_timestamp(-9223372022400000000)",
    "TIMESTAMP_S '4714-11-24 (BC)'": "TIMESTAMP_S '4714-11-23 (BC) 23:59:59'",
    "TIMESTAMP_MS 'infinity'": "TIMESTAMP_MS '4714-11-23 (BC) 23:59:59.999'",
    "TIMESTAMPTZ '4714-11-24 (BC) 00:00:00+00'": "TIMESTAMPTZ '4714-11-23 (BC) 23:59:59+00'",
    "TIMESTAMPTZ 'infinity'": "TIMESTAMPTZ '20000-01-01 (BC) 00:00:00+00'",
    "repeat('9', 38)::HUGEINT": "('1' || repeat('0', 38))::HUGEINT",
    "-(repeat('9', 38)::HUGEINT)": "-(('1' || repeat('0', 38))::HUGEINT)",
}


def test_values_that_have_no_place_are_those_that_the_server_refuses(empty, tmp_path):
    """The first row has the last values that have one; each other row has one beyond."""
    count = len(VALUES)
    columns = [
        f"CASE WHEN event_offset = {place + 1} THEN {beyond} "
        f"WHEN event_offset <= {count} THEN {last} END AS v{place}"
        for place, (last, beyond) in enumerate(VALUES.items())
    ]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows = connection.sql(
            f"SELECT '0' AS event_partition, event_offset, {', '.join(columns)} "
            f"FROM range({count + 2}) AS r(event_offset) ORDER BY event_offset"
        ).to_arrow_table()
    sink = opened(empty.address, tmp_path, replace(SHAPE, predictions=rows.schema))
    unfit = sink.unfit(rows)
    assert sorted(unfit) == list(range(1, count + 1))
    assert unfit[1] == "v0 has a zero byte, which a text in Postgres cannot have."
    sink.write(batch("0", None, 0, predictions=rows.take([0, count + 1])))
    for place in range(1, count + 1):
        with pytest.raises(StreamError, match="Nothing of the batch was written") as refused:
            sink.write(batch("0", 0, 1, predictions=rows.slice(place, 1)))
        assert "\0" not in str(refused.value)
    sink.close()
    assert offsets(empty) == [0, count + 1]


def test_a_role_without_rights(sink, empty, tmp_path):
    sink.write(batch("0", None, 3))
    empty.psql("DROP ROLE IF EXISTS reader")
    empty.psql("CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA foresql, public TO reader")
    empty.psql("GRANT SELECT ON ALL TABLES IN SCHEMA foresql TO reader")
    address = empty.address.replace(empty.user + "@", "reader@")
    worker = opened(address, tmp_path)
    assert worker.positions(["0"]) == {"0": 3}
    with pytest.raises(StreamError, match=r"give the role what docs/events\.md lists"):
        worker.write(batch("0", 3, 5))
    worker.close()
    with pytest.raises(StreamError, match="permission denied for schema"):
        opened(address, tmp_path, table="public.others")


def test_a_server_that_is_not_there_is_said_at_once(tmp_path):
    with pytest.raises(StreamError, match="cannot be reached") as refused:
        sink_at(f"postgresql://u@/d?host={tmp_path}", tmp_path).open(SHAPE)
    assert "What to do" in str(refused.value)


def test_a_server_that_stops_is_waited_for(tmp_path):
    with postgres_server() as server:
        said = []
        data = Path(server.psql("SHOW data_directory", "-tA").strip())
        # The server does not run as root.
        owner = data.stat().st_uid if data.stat().st_uid != os.getuid() else None

        def control(*arguments):
            command = [server.binaries / "pg_ctl", "-D", data, "-w", *arguments]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=owner, cwd=data)

        def told(text):
            said.append(text)
            control("-l", data / "log", "-o", f"-k {server.host} -c listen_addresses=", "start")

        sink = sink_at(server.address, tmp_path, told=told)
        sink.open(SHAPE)
        sink.write(batch("0", None, 3))
        control("-m", "immediate", "stop")
        sink.write(batch("0", 3, 5))
        sink.close()
        assert len(said) == 1
        assert offsets(server) == list(range(6))
