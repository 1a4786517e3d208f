"""A stream that was deleted and made anew while no worker ran, on a real server."""

import json

import pytest
from nats_server import nats_server
from worked_flights import payload

from foresql.errors import StreamError
from foresql.streams.events.sources.nats_mark import nanoseconds
from foresql.streams.events.worker import Worker

SOURCE = 'subjects = ["f.0", "f.1"]'


@pytest.fixture
def server():
    with nats_server() as server:
        make(server)
        yield server


def make(server):
    server.make_stream("FLIGHTS", ["f.*"])


def publish(server, numbers):
    server.publish((f"f.{number % 2}", payload(number)) for number in numbers)


def made_anew(server, numbers):
    server.run(lambda _, js: js.delete_stream("FLIGHTS"))
    make(server)
    publish(server, numbers)


def mark(flights):
    [(found,)] = flights.sql(
        "SELECT last_offset FROM foresql.event_positions WHERE partition = 'FLIGHTS created'"
    )
    return int(found)


@pytest.mark.parametrize("source", ["", SOURCE], ids=["whole", "subjects"])
def test_a_stream_with_more_messages_than_were_scored_is_refused(server, flights, source):
    definition = flights.define(server.url, stream="FLIGHTS", source=source)
    publish(server, range(40))
    flights.work(definition)
    first = mark(flights)
    server.stop()
    server.start()  # what was stored is the same stream
    publish(server, range(40, 60))
    flights.work(definition)
    assert mark(flights) == first
    made_anew(server, range(100, 300))
    for _ in range(2):
        with pytest.raises(StreamError, match="deleted and made anew") as refused:
            flights.work(definition)
    assert "another name" in str(refused.value)
    assert "--same-stream" in str(refused.value)
    assert flights.predicted() == flights.expected(range(60))
    assert mark(flights) == first


def test_a_copy_that_was_brought_back_is_said_once(server, flights):
    definition = flights.define(server.url, stream="FLIGHTS", source=SOURCE)
    publish(server, range(40))
    flights.work(definition)
    first = mark(flights)
    made_anew(server, range(70))
    Worker(definition, flights.registry, same_stream=True).run(until_empty=True)
    assert mark(flights) > first
    publish(server, range(70, 80))
    flights.work(definition)
    assert flights.predicted() == flights.expected(range(80))


def test_another_name_begins_anew(server, flights):
    publish(server, range(40))
    flights.work(flights.define(server.url, stream="FLIGHTS", source=SOURCE))
    made_anew(server, range(200, 260))
    anew = flights.define(server.url, stream="FLIGHTS", source=SOURCE, name="flights-2")
    assert flights.work(anew).events.total() == 60


def test_positions_without_a_mark_get_one(server, flights):
    """Those of a worker that knew of none."""
    definition = flights.define(server.url, stream="FLIGHTS", source=SOURCE)
    publish(server, range(40))
    flights.work(definition)
    flights.sql("DELETE FROM foresql.event_positions WHERE partition = 'FLIGHTS created'")
    publish(server, range(40, 50))
    flights.work(definition)
    assert mark(flights) == nanoseconds(created(server))
    assert flights.predicted() == flights.expected(range(50))


def test_workers_that_begin_at_once_agree(server, flights):
    definition = flights.define(server.url, stream="FLIGHTS", source=SOURCE, most=7)
    publish(server, range(100))
    with flights.working(definition):
        flights.work(definition)
    assert mark(flights) == nanoseconds(created(server))
    assert flights.predicted() == flights.expected(range(100))


def created(server):
    async def ask(client, _):
        return json.loads((await client.request("$JS.API.STREAM.INFO.FLIGHTS", b"")).data)[
            "created"
        ]

    return server.run(ask)


def test_times_of_the_server_are_read_to_the_nanosecond():
    times = ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.1Z", "2026-01-01T00:00:00.123456789Z"]
    assert [nanoseconds(each) % 10**9 for each in times] == [0, 100_000_000, 123_456_789]
    with pytest.raises(StreamError, match="which is no time"):
        nanoseconds("yesterday")
