"""From NATS to DuckDB: the bus goes and comes back, and a real process is told to end."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
from nats_server import nats_server
from worked_flights import PATIENCE, payload, wait_until

from foresql.errors import StreamError
from foresql.streams.events.sources.waiting import ask_lag
from foresql.streams.events.status import worker_status

SOURCE = 'subjects = ["f.0", "f.1"]'


@pytest.fixture
def server():
    with nats_server() as server:
        server.make_stream("FLIGHTS", ["f.*"])
        yield server


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def publish(server, numbers):
    server.publish((f"f.{number % 2}", payload(number)) for number in numbers)


def test_events_of_two_subjects_are_scored_as_a_batch_scores_them(server, flights):
    definition = flights.define(server.url, stream="FLIGHTS", source=SOURCE)
    publish(server, range(500))
    totals = flights.work(definition)
    assert totals.events == {"f.0": 250, "f.1": 250}
    assert flights.predicted() == flights.expected(range(500))


def test_a_bus_that_goes_and_comes_back(server, flights):
    definition = flights.define(server.url, stream="FLIGHTS", source=SOURCE)
    publish(server, range(200))
    with flights.working(definition) as totals:
        wait_until(lambda: totals.events.total() == 200, "the events before")
        for begin, end in ((200, server.kill), (300, server.stop)):
            end()
            server.start()
            publish(server, range(begin, begin + 100))
            wait_until(lambda at=begin: totals.events.total() == at + 100, "the events after")
    assert flights.predicted() == flights.expected(range(400))
    offsets = "SELECT count(DISTINCT (event_partition, event_offset)) = count(*) FROM predictions"
    assert flights.sql(offsets) == [(True,)]


def test_a_process_that_is_told_to_end_ends_in_order(server, flights):
    flights.define(server.url, stream="FLIGHTS", source=SOURCE, most=20)
    publish(server, range(300))
    command = [sys.executable, "-m", "foresql.cli", "worker", "run", flights.path, "--json"]
    with subprocess.Popen(
        [*command, "--registry", flights.registry], stdout=subprocess.PIPE, text=True
    ) as process:
        database = flights.folder / "scores.duckdb"
        wait_until(database.exists, "the sink")
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    last = json.loads(printed.splitlines()[-1])
    done = flights.sql("SELECT coalesce(sum(events), 0)::BIGINT FROM foresql.event_positions")
    assert done == [(last["events"],)]
    flights.work(flights.define(server.url, stream="FLIGHTS", source=SOURCE))
    assert flights.predicted() == flights.expected(range(300))


def test_prometheus_reads_what_was_done(server, flights):
    port = free_port()
    definition = flights.define(
        server.url,
        stream="FLIGHTS",
        source=SOURCE,
        more=f'[metrics]\nlisten = "127.0.0.1:{port}"',
    )
    publish(server, range(100))
    server.publish([("f.0", b"no JSON")])
    with flights.working(definition) as totals:
        wait_until(lambda: totals.events.total() == 101, "all events")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
    assert 'foresql_worker_events_total{partition="f.0",worker="flights"} 51.0' in lines
    assert 'foresql_worker_dead_letters_total{step="decode",worker="flights"} 1.0' in lines
    assert 'foresql_worker_latency_seconds_count{worker="flights"} 101.0' in lines
    assert 'foresql_worker_version{version="delay:2",worker="flights"} 1.0' in lines
    assert (
        f'foresql_worker_predictions_total{{worker="flights"}} {len(flights.predicted())}.0'
        in lines
    )


def test_status_says_what_waits_also_where_no_worker_began(server, flights):
    definition = flights.define(server.url, stream="FLIGHTS", source='subjects = ["f.0"]')
    publish(server, range(20))
    flights.work(definition)
    publish(server, range(20, 27))
    definition = flights.define(server.url, stream="FLIGHTS", source=SOURCE)
    assert lags(definition) == {"f.0": 4, "f.1": 13, "FLIGHTS created": None}
    consumers = server.run(lambda _, js: js.consumers_info("FLIGHTS"))
    assert [each for each in consumers if "lag" in each.name] == []
    latest = flights.define(server.url, stream="FLIGHTS", source=SOURCE + '\nstart = "latest"')
    assert lags(latest) == {"f.0": 4, "FLIGHTS created": None}
    whole = flights.define(server.url, stream="FLIGHTS")
    assert ask_lag(whole, {"FLIGHTS": "20"}) == {"FLIGHTS": (7, None)}
    with pytest.raises(StreamError, match="deleted and made anew"):
        ask_lag(whole, {"FLIGHTS created": "1"})


def test_status_without_the_bus_says_so(flights, server):
    definition = flights.define(server.url, stream="FLIGHTS", source=SOURCE)
    publish(server, range(4))
    flights.work(definition)
    server.kill()
    told = []
    found = worker_status(definition, told.append)
    server.start()
    assert found["predictions"] > 0
    assert {row["lag"] for row in found["positions"]} == {None}
    [said] = told
    assert said.startswith("The lag is not known: ")
    assert server.url in said


def test_status_without_the_client_of_the_bus_says_so(flights, server, monkeypatch):
    definition = flights.define(server.url, stream="FLIGHTS", source=SOURCE)
    publish(server, range(4))
    flights.work(definition)
    for name in [name for name in sys.modules if name.split(".")[0] == "nats"]:
        monkeypatch.setitem(sys.modules, name, None)
    told = []
    assert worker_status(definition, told.append)["predictions"] > 0
    [said] = told
    assert "NATS needs nats-py: pip install 'foresql[streams]'" in said


def lags(definition):
    return {row["partition"]: row["lag"] for row in worker_status(definition)["positions"]}
