"""Postgres as a sink, on a real server that loses connections, stops and refuses."""

import json
import os
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from random import Random

import duckdb
import psycopg
import pytest
from event_sinks import SHAPE, batch, dead, opened, sink_at
from postgres_server import postgres_server
from worked_flights import flight, payload

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


def test_values_that_postgres_has_no_place_for_are_found_before_they_are_written(empty, tmp_path):
    query = """SELECT '0' AS event_partition, n AS event_offset,
        CASE n WHEN 1 THEN 'a' || chr(0) END AS word,
        CASE n WHEN 2 THEN ['b', 'c' || chr(0)] WHEN 0 THEN [NULL, 'd'] END AS words,
        CASE n WHEN 3 THEN make_timestamp(-300000000000000000)
            WHEN 4 THEN '-infinity' WHEN 5 THEN TIMESTAMP '4714-11-24 (BC)'
            WHEN 6 THEN TIMESTAMP '294247-01-10' END AS at,
        CASE n WHEN 7 THEN DATE '5874898-01-01' WHEN 8 THEN DATE '5874897-12-31'
            WHEN 9 THEN DATE '4714-11-24 (BC)' WHEN 10 THEN DATE '4714-11-23 (BC)' END AS day,
        CASE n WHEN 11 THEN '290000-01-01'::TIMESTAMP_S
            WHEN 12 THEN '290000-01-01 (BC)'::TIMESTAMP_S END AS second
        FROM range(13) t(n) ORDER BY n"""
    with duckdb.connect() as connection:
        rows = connection.sql(query).to_arrow_table()
    sink = opened(empty.address, tmp_path, replace(SHAPE, predictions=rows.schema))
    unfit = sink.unfit(rows)
    kept = rows.take([row for row in range(13) if row not in unfit])
    sink.write(batch("0", None, 12, predictions=kept))
    assert offsets(empty) == [0, 4, 5, 6, 8, 9, 11]
    reasons = {row: reason.split()[0] for row, reason in unfit.items()}
    assert reasons == {1: "word", 2: "words", 3: "at", 7: "day", 10: "day", 12: "second"}
    for row in unfit:
        with pytest.raises(StreamError, match="The server refused what the worker writes"):
            sink.write(batch("0", 12, 13, predictions=rows.slice(row, 1)))
    sink.close()


def test_a_zero_byte_is_a_dead_letter_and_costs_nothing_else(empty, flights):
    query = "SELECT flight_id, carrier, predict_delay(f) AS late FROM flights f"
    definition = flights.define(sink=empty.address, query=query)
    poison = json.dumps(flight(4) | {"carrier": "A\0"}).encode()
    flights.append([payload(1), poison, payload(2)])
    totals = flights.work(definition)
    assert totals.predictions == 2
    assert totals.dead == {"score": 1}
    with psycopg.connect(empty.address) as connection:
        found = connection.execute("SELECT step, reason FROM foresql.dead_letters").fetchall()
    assert found == [("score", "carrier has a zero byte, which Postgres cannot hold.")]


def test_an_id_that_no_index_holds_is_a_dead_letter(empty, flights):
    query = "SELECT carrier, predict_delay(f) AS late FROM flights f"
    definition = flights.define(sink=empty.address, query=query, events='id = "carrier"')
    random = Random(1)  # noqa: S311 - it repeats itself
    ids = [random.randbytes(size).hex()[:size] for size in (1999, 2001, 10_000)]
    flights.append(json.dumps(flight(1) | {"carrier": each}).encode() for each in ids)
    totals = flights.work(definition)
    assert totals.dead == {"score": 2}
    with psycopg.connect(empty.address) as connection:
        assert connection.execute("SELECT carrier FROM predictions").fetchall() == [(ids[0],)]


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
