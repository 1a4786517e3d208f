"""Workers on the partitions of one stream or topic come, stop and are killed: each event once."""

import shutil
import signal

import duckdb
import psycopg
import pytest
from kafka_mock import kafka_mock
from mortal_workers import until, workers
from nats_server import nats_server
from postgres_server import postgres_server
from scored_once import STREAM, Published, PublishedToTopic
from worked_flights import Flights

from foresql.errors import StreamError
from foresql.streams.events.status import worker_status

SUBJECTS = ("f.0", "f.1", "f.2", "f.3")
SOURCE = f"subjects = {list(SUBJECTS)}\nlease = '1 s'"
EACH = 400
GROUP = "lease = '4 s'"  # the mock lets the first of a group wait for three
SHARE = 40
"""Events by which it is seen who works."""


@pytest.fixture
def server():
    with nats_server() as server:
        server.make_stream(STREAM, ["f.*"])
        yield server


@pytest.fixture
def broker():
    with kafka_mock() as mock:
        mock.make(STREAM)
        yield mock


@pytest.fixture
def flights(models, tmp_path):
    return Flights(tmp_path, shutil.copytree(models, tmp_path / "registry"))


@pytest.fixture
def in_duckdb(tmp_path):
    return "duckdb:scores.duckdb", lambda: duckdb.connect(tmp_path / "scores.duckdb")


@pytest.fixture
def in_postgres():
    with postgres_server() as server:
        yield server.address, lambda: psycopg.connect(server.address)


class Watched:
    """Workers of a definition, and what their sink says of them."""

    def __init__(self, started, published, definition):
        self.started, self.published, self._definition = started, published, definition

    def positions(self):
        try:
            found = worker_status(self._definition, self.published.flights.told.append)
        except StreamError:  # no worker has made the tables yet
            return []
        return [row for row in found["positions"] if row["last_offset"]]

    def wait_for(self, count):
        def is_done():
            last = {row["partition"]: row["last_offset"] for row in self.positions()}
            return len(self.published.done(last)) >= count

        until(is_done, self.started.log.read_text)

    def wait_for_workers(self, count, *, without=frozenset()):
        """Publish until so many workers did the last of partitions, none of those; name them."""
        found = set()

        def is_shared():
            nonlocal found
            self.published.publish(SHARE)
            self.wait_for(self.published.count)
            found = {row["worker"] for row in self.positions()}
            return len(found) == count and not found & without

        until(is_shared, self.started.log.read_text)
        return found

    def stop(self, *processes):
        for each in processes:
            each.terminate()
            assert self.started.end(each) == 143, self.started.log.read_text()


def runs(connect, published):
    """Hold the sink against what was published, and name the workers."""
    with connect() as con:

        def read(query):
            return con.execute(query).fetchall()

        published.check(read)
        return {run for (run,) in read("SELECT DISTINCT run_id FROM predictions")}


@pytest.mark.parametrize("sink", ["in_duckdb", "in_postgres"])
def test_workers_come_and_go(sink, server, flights, request):
    to, connect = request.getfixturevalue(sink)
    published = Published(server, flights, SUBJECTS)
    definition = flights.define(server.url, stream=STREAM, source=SOURCE, most=20, sink=to)
    with workers(flights.path, flights.registry) as started:
        watched = Watched(started, published, definition)
        killed, stopped, _ = (started.start() for _ in range(3))
        published.publish(EACH)
        watched.wait_for(EACH // 4)
        assert started.kill(killed) == -signal.SIGKILL
        published.publish(EACH)
        started.start()
        watched.wait_for(EACH)
        stopped.terminate()
        published.publish(EACH)
        assert started.end(stopped) == 143, started.log.read_text()
        watched.wait_for(published.count)
        watched.stop(*started.processes[2:])
    assert len(runs(connect, published)) > 1


@pytest.mark.parametrize("sink", ["in_duckdb", "in_postgres"])
def test_a_consumer_group_shares_a_topic_and_follows_its_dead(sink, broker, flights, request):
    """One worker, then three that each have partitions; one is killed at work, another comes."""
    to, connect = request.getfixturevalue(sink)
    published = PublishedToTopic(broker, flights)
    definition = flights.define(broker.url, stream=STREAM, source=GROUP, most=20, sink=to)
    with workers(flights.path, flights.registry) as started:
        watched = Watched(started, published, definition)
        killed = started.start()
        first = watched.wait_for_workers(1)
        others = [started.start() for _ in range(2)]
        three = watched.wait_for_workers(3)
        assert first < three
        done = published.count
        published.publish(EACH)
        watched.wait_for(done + EACH // 8)
        assert started.kill(killed) == -signal.SIGKILL
        others.append(started.start())
        assert len(watched.wait_for_workers(3, without=first) & three) == 2
        watched.stop(*others)
    assert len(runs(connect, published)) == 4
