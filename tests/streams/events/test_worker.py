"""A worker from files to DuckDB: all of each event or nothing, once."""

import json
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager

import pandas as pd
import pytest
from changing_flights import promote
from sklearn.linear_model import LinearRegression
from worked_flights import COLUMNS, PATIENCE, QUERY, flight, payload, wait_until

import foresql
from foresql.errors import StreamError
from foresql.streams.events import scoring

HOLDS = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_events_are_scored_as_a_batch_scores_them(flights):
    definition = flights.define()
    flights.append(map(payload, range(0, 400, 2)), "a.jsonl")
    flights.append(map(payload, range(1, 400, 2)), "b.jsonl")
    totals = flights.work(definition)
    assert flights.predicted() == flights.expected(range(400))
    assert totals.events == {"a.jsonl": 200, "b.jsonl": 200}
    assert totals.predictions == len(flights.predicted())
    assert totals.latencies.sum() == 400
    positions = "SELECT partition, events FROM foresql.event_positions ORDER BY ALL"
    assert flights.sql(positions) == [("a.jsonl", 200), ("b.jsonl", 200)]


def test_predictions_say_where_they_come_from_and_by_what(flights):
    definition = flights.define()
    flights.append(map(payload, [12, 14]))
    flights.work(definition)
    rows = flights.sql(
        "SELECT event_partition, event_offset, model_name, model_version, scoring_hash, run_id, "
        "age(now()::TIMESTAMP, scored_at) < INTERVAL 1 HOUR FROM predictions ORDER BY event_offset"
    )
    offsets = [0, len(payload(12)) + 1]
    assert [row[:4] for row in rows] == [("a.jsonl", at, "delay", "2") for at in offsets]
    [(hash_, run, is_recent)] = {row[4:] for row in rows}
    assert len(hash_) == 16
    assert len(run) == 32
    assert is_recent
    [(worker,)] = flights.sql("SELECT worker FROM foresql.event_positions")
    assert worker == run


def test_the_next_worker_goes_on_behind_the_last_one(flights):
    definition = flights.define(most=7)
    flights.append(map(payload, range(50)))
    flights.work(definition)
    assert flights.work(definition).events.total() == 0
    flights.append(map(payload, range(50, 90)))
    flights.append([payload(90)], "later.jsonl")
    assert flights.work(definition).events.total() == 41
    assert flights.predicted() == flights.expected(range(91))


def test_what_cannot_be_read_is_a_dead_letter_and_costs_nothing_else(flights):
    definition = flights.define(events="most_bytes = 200")
    bad = {
        5: b"no JSON",
        6: b'{"flight_id": 1.5, "distance": 1, "carrier": "AA"}',
        7: b'{"flight_id": 7, "distance": NaN, "carrier": "AA"}',
        8: b'{"flight_id": 8, "distance": 1, "carrier": "\xff"}',
        9: b'{"flight_id": 9, "distance": 1, "carrier": "' + b"A" * 200 + b'"}',
    }
    flights.append(bad.get(number, payload(number)) for number in range(20))
    totals = flights.work(definition)
    assert flights.predicted() == flights.expected(set(range(20)) - set(bad))
    found = flights.dead()
    assert [row[3] for row in found] == list(bad.values())
    assert [row[1] for row in found] == ["decode"] * 4 + ["size"]
    assert all("AAAA" not in row[2] for row in found)
    assert totals.dead == {"decode": 4, "size": 1}


def test_what_cannot_be_scored_is_found_among_the_others(flights):
    query = """SELECT flight_id, predict_delay(f) AS late, predict_proba_delay(f) AS p,
        signbit(f.distance) AS sign, CAST(carrier[2:] AS INTEGER) AS number
        FROM flights f"""
    definition = flights.define(query=query, most=64)
    bad = {0, 17, 18, 63, 64, 99}
    flights.append(
        json.dumps(flight(number) | {"carrier": "A?" if number in bad else "A1"}).encode()
        for number in range(100)
    )
    totals = flights.work(definition)
    assert {row[0] for row in flights.sql("SELECT flight_id FROM predictions")} == (
        set(range(100)) - bad
    )
    found = flights.dead()
    assert {json.loads(row[3])["flight_id"] for row in found} == bad
    assert {row[1] for row in found} == {"score"}
    assert {row[2] for row in found} == {"Conversion Error: Could not convert string … to INT32"}
    assert totals.dead == {"score": len(bad)}


def test_a_file_that_is_taken_away_costs_no_other_its_events(flights, caplog):
    definition = flights.define(most=10)
    flights.append(map(payload, range(20)), "a.jsonl")
    flights.append(map(payload, range(20, 40)), "b.jsonl")
    with flights.working(definition) as totals:
        wait_until(lambda: totals.events.total() == 40, "all events")
        (flights.folder / "a.jsonl").unlink()
        flights.append(map(payload, range(40, 60)), "b.jsonl")
        wait_until(lambda: totals.events.total() == 60, "the events of the other file")
    assert flights.predicted() == flights.expected(range(60))
    assert "a.jsonl is gone" in caplog.text


def test_a_reason_holds_no_value_of_the_event(flights):
    query = """SELECT predict_delay(f) AS late, CASE flight_id
        WHEN 0 THEN CAST(CAST(carrier AS DECIMAL(8, 2)) AS VARCHAR)
        WHEN 1 THEN CAST(CAST(carrier AS DATE) AS VARCHAR)
        WHEN 2 THEN CAST(CAST(distance AS TINYINT) AS VARCHAR)
        ELSE CAST(flight_id * 3 AS VARCHAR) END AS x FROM flights f"""
    definition = flights.define(query=query)
    carriers = {0: "it's\x1b[2J\0'\"s", 1: "2020-99-99", 2: "", 2**62: ""}
    flights.append(
        json.dumps({"flight_id": number, "distance": -4.25e9, "carrier": carrier}).encode()
        for number, carrier in carriers.items()
    )
    flights.work(definition)
    reasons = [row[2] for row in flights.dead()]
    assert len(reasons) == 4
    assert all(each.isprintable() for each in reasons)
    assert not any(
        secret in each
        for each in reasons
        for secret in ("it's", "2J", "2020", "425", "46116", "e9")
    ), reasons


def test_an_event_of_the_future_is_a_dead_letter(flights):
    definition = flights.define(
        columns=f'{COLUMNS}, born = "TIMESTAMP"',
        events='time = "born"\nfuture = "5 minutes"\nmissing = "null"',
        query="SELECT flight_id, predict_delay(f) AS late FROM flights f",
    )
    times = ("2020-01-01T00:00:00", "2199-01-01T00:00:00", None)
    flights.append(
        json.dumps(flight(number) | {"born": born}).encode() for number, born in enumerate(times)
    )
    flights.work(definition)
    assert flights.sql("SELECT flight_id FROM predictions") == [(0,)]
    assert [row[1] for row in flights.dead()] == ["time", "time"]


def test_an_event_that_was_published_twice_is_scored_once(flights):
    query = QUERY.partition("WHERE")[0]
    definition = flights.define(events='id = ["flight_id"]', query=query, most=30)
    flights.append(map(payload, [*range(40), *range(20, 60), 59]))
    flights.append(map(payload, range(10, 20)), "b.jsonl")
    totals = flights.work(definition)
    assert flights.sql("SELECT flight_id FROM predictions ORDER BY ALL") == [
        (number,) for number in range(60)
    ]
    assert (totals.predictions, totals.repeated) == (60, 31)


def test_the_order_in_which_events_come_changes_no_prediction(flights):
    definition = flights.define()
    flights.append(map(payload, [*range(200, 300), *range(100), *range(199, 99, -1)]))
    flights.work(definition)
    assert flights.predicted() == flights.expected(range(300))


def test_a_promoted_version_scores_from_some_offset_on(flights, monkeypatch):
    monkeypatch.setattr(scoring, "LOOK_EVERY", 0.0)
    definition = flights.define()
    flights.append(map(payload, range(100)))
    with flights.working(definition) as totals:
        wait_until(lambda: totals.events.total() == 100, "the first hundred")
        promote(flights.registry, 1)
        flights.append(map(payload, range(100, 200)))
        wait_until(lambda: totals.events.total() == 200, "the second hundred")
    first, second = flights.sql(
        "SELECT model_version, count(DISTINCT scoring_hash), min(event_offset), max(event_offset) "
        "FROM predictions GROUP BY ALL ORDER BY min(event_offset)"
    )
    assert first[:2] == ("2", 1)
    assert second[:2] == ("1", 1)
    assert first[3] < sum(len(payload(number)) + 1 for number in range(100)) <= second[2]
    by_1 = flights.expected(range(100, 200))
    promote(flights.registry, 2)
    assert flights.predicted() == flights.expected(range(100)) + by_1
    assert by_1 != flights.expected(range(100, 200))
    assert flights.told == ["Now scoring by delay 1."]


def test_a_version_that_does_not_fit_leaves_the_worker_as_it_is(flights, monkeypatch, tmp_path):
    monkeypatch.setattr(scoring, "LOOK_EVERY", 0.0)
    registry = shutil.copytree(flights.registry, tmp_path / "models")
    flights.registry = registry
    definition = flights.define()
    rows = pd.DataFrame({"weight": [1.0, 2.0, 3.0]})
    with flights.working(definition) as totals:
        flights.append(map(payload, range(100)))
        wait_until(lambda: totals.events.total() == 100, "the first hundred")
        other = LinearRegression().fit(rows, [1.0, 2.0, 3.0])
        foresql.publish("delay", other, like=rows, alias="champion", registry=registry)
        for number in (100, 101):
            flights.append([payload(number)])
            wait_until(lambda at=number: totals.events.total() == at + 1, "an event after it")
        promote(registry, 1)
        flights.append([payload(102)])
        wait_until(lambda: totals.events.total() == 103, "the event after the way back")
    versions = flights.sql("SELECT DISTINCT model_version FROM predictions ORDER BY 1")
    assert versions == [("1",), ("2",)]
    assert "Going on with delay 2" in flights.told[0]
    assert "weight" in flights.told[0]
    assert flights.told[1:] == ["Now scoring by delay 1."]


def test_two_workers_of_one_partition_write_each_event_once(flights):
    definition = flights.define(most=20)
    flights.append(map(payload, range(600)))
    with flights.working(definition) as one, flights.working(definition) as other:
        wait_until(lambda: one.events.total() + other.events.total() >= 600, "all events")
    assert flights.predicted() == flights.expected(range(600))
    assert flights.sql("SELECT sum(events) FROM foresql.event_positions") != [(None,)]
    assert one.events.total() + other.events.total() == 600


def test_a_sink_that_another_process_has_is_waited_for(flights):
    definition = flights.define()
    flights.append(map(payload, range(100)))
    with _held(flights) as holder, flights.working(definition) as totals:
        wait_until(lambda: flights.told, "a word about the sink")
        assert totals.events.total() == 0
        holder.stdin.close()
        wait_until(lambda: totals.events.total() == 100, "all events")
    assert flights.predicted() == flights.expected(range(100))
    assert "scores.duckdb" in flights.told[0]


def test_a_worker_that_waits_for_its_sink_can_be_stopped(flights):
    definition = flights.define()
    flights.append(map(payload, range(100)))
    with _held(flights) as holder:
        with flights.working(definition):
            wait_until(lambda: flights.told, "a word about the sink")
        holder.stdin.close()
        holder.wait(PATIENCE)
    assert flights.work(definition).events.total() == 100
    assert flights.predicted() == flights.expected(range(100))


@contextmanager
def _held(flights):
    """A process that has the sink's file open until its input ends."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS, flights.folder / "scores.duckdb"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout.readline()
    with holder:
        yield holder


def test_a_stopped_worker_has_written_what_it_began(flights):
    definition = flights.define(most=10)
    stop = threading.Event()
    flights.append(map(payload, range(1000)))
    worker = flights.worker(definition, stop)
    seen = []

    def look(totals):
        seen.append(totals.events.total())
        if totals.batches >= 3:
            stop.set()

    totals = worker.run(each=look)
    done = totals.events.total()
    assert 30 <= done < 1000
    assert flights.predicted() == flights.expected(range(done))
    assert flights.work(definition).events.total() == 1000 - done
    assert flights.predicted() == flights.expected(range(1000))


def test_a_table_that_differs_is_refused_before_anything_is_read(flights):
    definition = flights.define()
    flights.append([payload(1)])
    flights.sql("CREATE TABLE predictions (flight_id BIGINT); SELECT 1")
    with pytest.raises(StreamError, match="predictions"):
        flights.work(definition)
    assert flights.sql("SELECT count(*) FROM predictions") == [(0,)]
