"""Workers that share the partitions of a NATS stream: they come, go and are killed."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from children import PATIENCE
from event_sources import definition, reading
from nats_server import NatsServer, nats_server
from reading_process import reading_process

from foresql.errors import StreamError
from foresql.streams.events.definition import SinkSection, SourceSection

PARTITIONS = 8
LEASE = timedelta(seconds=1.5)


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    with nats_server() as server:
        yield server


@pytest.fixture
def stream(server: NatsServer) -> str:
    """A stream of its own; the worker's name is the same, so its leases must be too."""
    name = f"s{uuid.uuid4().hex[:8]}"
    server.make_stream(name, [f"{name}.*"])
    return name


class Worker:
    """A source that is polled all the time, as a worker does."""

    def __init__(self, found) -> None:
        self.source = found.source
        self.records = []
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def held(self) -> set[str]:
        return {each for each in self.source._partitions if self.source.owns(each)}

    def end(self) -> None:
        self._is_ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_ending.is_set():
            self.records += self.source.poll(1000, 0.05)


@contextmanager
def worker(server: NatsServer, stream: str) -> Iterator[Worker]:
    subjects = tuple(f"{stream}.{number}" for number in range(PARTITIONS))
    made = definition(server.url, stream, subjects=subjects, lease=LEASE)
    with reading(made) as found:
        running = Worker(found)
        try:
            yield running
        finally:
            running.end()


@pytest.mark.parametrize("other", ["sink", "subjects"])
def test_a_worker_of_another_sink_takes_nothing(server, stream, other):
    subjects = tuple(f"{stream}.{number}" for number in range(PARTITIONS))
    made = definition(server.url, stream, subjects=subjects[:-1], lease=LEASE)
    if other == "sink":
        made = definition(server.url, stream, subjects=subjects, lease=LEASE)
        made = replace(made, sink=SinkSection(to="duckdb:other.duckdb"))
    with worker(server, stream) as first:
        until(lambda: len(first.held) == PARTITIONS)
        with reading(made) as second, pytest.raises(StreamError, match="a name of its own"):
            until(lambda: second.source.poll(1, 0.1) is None)
        assert len(first.held) == PARTITIONS
        server.publish((subject, b"1") for subject in subjects)
        until(lambda: len(first.records) == PARTITIONS)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def shares(*workers: Worker) -> list[int]:
    """How many each has; together they must be all, each once."""
    held = [each.held for each in workers]
    is_whole = sum(map(len, held)) == PARTITIONS == len(set().union(*held))
    return [len(each) for each in held] if is_whole else []


def test_a_lone_worker_has_all(server, stream):
    with worker(server, stream) as first:
        until(lambda: shares(first) == [8])


def test_workers_that_come_and_go_share_fairly(server, stream):
    with ExitStack() as stack:
        first = stack.enter_context(worker(server, stream))
        until(lambda: shares(first) == [8])
        second = stack.enter_context(worker(server, stream))
        until(lambda: shares(first, second) == [4, 4])
        kept = first.held, second.held
        with worker(server, stream) as third:
            until(lambda: shares(first, second, third) == [3, 3, 2])
            # Who stays gives no more than it must.
            assert first.held < kept[0]
            assert second.held < kept[1]
        until(lambda: shares(first, second) == [4, 4])


def test_what_moves_between_workers_is_lost_by_none(server, stream):
    with ExitStack() as stack:
        workers = [stack.enter_context(worker(server, stream))]
        for begin in range(0, 2000, 500):
            workers.append(stack.enter_context(worker(server, stream)))
            server.publish(
                (f"{stream}.{number % PARTITIONS}", b"%d" % number)
                for number in range(begin, begin + 500)
            )
        until(lambda: set(payloads(workers)) == set(range(2000)))


def payloads(workers) -> list[int]:
    return [int(record.payload) for each in workers for record in list(each.records)]


def test_leases_outlive_a_restart_of_the_bus():
    with (
        nats_server() as server,
        ExitStack() as stack,
    ):
        server.make_stream("s", ["s.*"])
        workers = [stack.enter_context(worker(server, "s")) for _ in range(2)]
        until(lambda: shares(*workers) == [4, 4])
        server.kill()
        server.start()
        server.publish((f"s.{number % PARTITIONS}", b"%d" % number) for number in range(80))
        until(lambda: set(payloads(workers)) == set(range(80)))
        until(lambda: shares(*workers) == [4, 4])


def test_a_killed_worker_is_followed_after_its_lease(server, stream, tmp_path):
    subjects = [f"{stream}.{number}" for number in range(PARTITIONS)]
    with (
        reading_process(tmp_path, server.url, stream, subjects=subjects, lease=1.5) as mortal,
        worker(server, stream) as first,
    ):
        # The process may be the first one, or may not: it has half of them when both are there.
        until(lambda: len(first.held) == 4)
        server.publish((subject, b"1") for subject in subjects)
        until(lambda: len(mortal.lines) + len(first.records) == PARTITIONS)
        theirs = {line[0] for line in mortal.lines}
        assert theirs == set(subjects) - first.held
        mortal.kill()
        server.publish((subject, b"2") for subject in subjects)
        until(lambda: shares(first) == [8])
        until(
            lambda: (
                {each.partition for each in first.records if each.payload == b"2"} == set(subjects)
            )
        )


def test_the_default_lease_is_ten_seconds():
    assert SourceSection(bus="nats://127.0.0.1").lease == timedelta(seconds=10)
