"""Workers on the partitions of one stream come, stop and are killed: each event is there once."""

import shutil
import signal

import duckdb
import psycopg
import pytest
from mortal_workers import until, workers
from nats_server import nats_server
from postgres_server import postgres_server
from scored_once import STREAM, Published
from worked_flights import Flights

from foresql.errors import StreamError
from foresql.streams.events.status import worker_status

SUBJECTS = ("f.0", "f.1", "f.2", "f.3")
SOURCE = f"subjects = {list(SUBJECTS)}\nlease = '1 s'"
EACH = 400


@pytest.fixture
def server():
    with nats_server() as server:
        server.make_stream(STREAM, ["f.*"])
        yield server


@pytest.fixture
def published(server, models, tmp_path):
    flights = Flights(tmp_path, shutil.copytree(models, tmp_path / "registry"))
    return Published(server, flights, SUBJECTS)


@pytest.fixture
def in_duckdb(tmp_path):
    return "duckdb:scores.duckdb", lambda: duckdb.connect(tmp_path / "scores.duckdb")


@pytest.fixture
def in_postgres():
    with postgres_server() as server:
        yield server.address, lambda: psycopg.connect(server.address)


@pytest.mark.parametrize("sink", ["in_duckdb", "in_postgres"])
def test_workers_come_and_go(sink, server, published, request):
    to, connect = request.getfixturevalue(sink)
    flights = published.flights
    definition = flights.define(server.url, stream=STREAM, source=SOURCE, most=20, sink=to)

    def done():
        try:
            positions = worker_status(definition, flights.told.append)["positions"]
        except StreamError:  # no worker has made the tables yet
            return 0
        last = {row["partition"]: row["last_offset"] for row in positions if row["last_offset"]}
        return len(published.done(last))

    with workers(flights.path, flights.registry) as started:

        def wait_for(count):
            until(lambda: done() >= count, started.log.read_text)

        killed, stopped, _ = (started.start() for _ in range(3))
        published.publish(EACH)
        wait_for(EACH // 4)
        assert started.kill(killed) == -signal.SIGKILL
        published.publish(EACH)
        started.start()
        wait_for(EACH)
        stopped.terminate()
        published.publish(EACH)
        assert started.end(stopped) == 143, started.log.read_text()
        wait_for(published.count)
        for each in started.processes[2:]:
            each.terminate()
            assert started.end(each) == 143, started.log.read_text()
    with connect() as con:

        def read(query):
            return con.execute(query).fetchall()

        published.check(read)
        assert len(read("SELECT DISTINCT run_id FROM predictions")) > 1
