"""NATS as a source, against a real server that stops, is killed and comes back."""

import asyncio
import logging
import sys
import time
import uuid
from collections.abc import Iterator
from itertools import pairwise

import pytest
from event_sources import definition, reading
from nats_server import NatsServer, nats_server

from foresql.errors import StreamError
from foresql.streams.events.nats_client import connect_nats, disconnect, listen
from foresql.streams.events.sources import open_source

LOG = "foresql.streams"


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    with nats_server() as server:
        yield server


@pytest.fixture
def stream(server: NatsServer) -> str:
    name = f"s{uuid.uuid4().hex[:8]}"
    server.make_stream(name, [f"{name}.*"])
    return name


def publish(server: NatsServer, stream: str, begin: int, end: int) -> None:
    server.publish((f"{stream}.{number % 2}", b"%d" % number) for number in range(begin, end))


def payloads(records) -> list[int]:
    return [int(record.payload) for record in records]


def test_all_messages_come_once_in_order(server, stream):
    publish(server, stream, 0, 5000)
    with reading(definition(server.url, stream)) as found:
        records = found.read(5000)
        assert found.source.lag() == {stream: 0}
    assert payloads(records) == list(range(5000))
    assert [record.offset for record in records] == list(range(1, 5001))
    assert [record.before for record in records] == [None, *range(1, 5000)]
    assert {record.partition for record in records} == {stream}
    assert all(abs(time.time() - record.published) < 60 for record in records)


def test_each_subject_is_a_partition(server, stream):
    publish(server, stream, 0, 5000)
    subjects = (f"{stream}.0", f"{stream}.1")
    with reading(definition(server.url, stream, subjects=subjects)) as found:
        records = found.read(5000, most=700)
    for begin, subject in enumerate(subjects):
        mine = [record for record in records if record.partition == subject]
        assert payloads(mine) == list(range(begin, 5000, 2))
        assert [each.before for each in mine] == [None, *(each.offset for each in mine[:-1])]


def test_a_message_that_looks_like_an_answer_of_the_server_is_an_event(server):
    """A server of 2.10 hands on what a publisher wrote there, and the tests' newer one does not."""
    heard = []

    async def hear() -> None:
        client = await connect_nats(server.url, "w")
        subscription = await listen(client, "inbox", lambda *each: heard.append(each))
        for reply in (b"$JS.ACK.s.c.1.7.1.1700000000000000000.0", b""):
            header = b"NATS/1.0 503\r\n\r\n"
            await client._process_msg(subscription._id, b"inbox", reply, b"1", header)
        await disconnect(client)

    asyncio.run(hear())
    assert [status is None for _, _, status in heard] == [True, False]


def test_it_begins_behind_positions(server, stream):
    publish(server, stream, 0, 100)
    with reading(definition(server.url, stream), {stream: 60}) as found:
        records = found.read(40)
    assert payloads(records) == list(range(60, 100))
    assert records[0].before == 60


def test_latest_begins_with_what_comes_next(server, stream):
    publish(server, stream, 0, 100)
    with reading(definition(server.url, stream, start="latest")) as found:
        assert found.source.poll(10, 0.3) == []
        publish(server, stream, 100, 103)
        assert payloads(found.read(3)) == [100, 101, 102]
        # What nobody committed comes again from where it was begun, and not from the new end.
        found.source.seek(stream)
        assert payloads(found.read(3)) == [100, 101, 102]


def test_seek_begins_behind_the_position_of_now(server, stream):
    publish(server, stream, 0, 1000)
    with reading(definition(server.url, stream)) as found:
        found.read(50, most=50)
        found.positions[stream] = 900
        found.source.seek(stream)
        records = found.read(100)
    assert payloads(records) == list(range(900, 1000))
    assert records[0].before == 900


def test_no_more_is_fetched_than_there_is_room_for(server, stream):
    publish(server, stream, 0, 20_000)
    with reading(definition(server.url, stream, most=100)) as found:
        found.read(1, most=1)
        time.sleep(0.5)
        [reader] = found.source._readers.values()
        assert len(reader.records) <= reader._plan.room < 2000
        assert found.source.lag() == {stream: 19_999}
        assert payloads(found.read(19_999)) == list(range(1, 20_000))


def test_large_messages_wait_on_the_server(server, stream):
    large = bytes(900_000)
    server.publish((f"{stream}.0", large) for _ in range(60))
    with reading(definition(server.url, stream)) as found:
        found.read(1, most=1)
        time.sleep(0.5)
        [reader] = found.source._readers.values()
        assert sum(len(record.payload) for record in reader.records) < 30_000_000
        assert len(found.read(59)) == 59


@pytest.mark.parametrize("ends", ["stop", "kill"])
def test_it_goes_on_when_the_bus_comes_back(ends, caplog):
    with nats_server() as server:
        server.make_stream("s", ["s.*"])
        publish(server, "s", 0, 3000)
        with reading(definition(server.url, "s", subjects=("s.0", "s.1"))) as found:
            records = found.read(1000, most=500)
            with caplog.at_level(logging.WARNING, LOG):
                getattr(server, ends)()
                found.source.poll(0, 0.5)
                server.start()
                publish(server, "s", 3000, 4000)
                records += found.read(3000)
        said = [record.message for record in caplog.records if record.name == LOG]
        assert len(said) == 2
        assert "goes on when the bus is back" in said[0]
        assert said[1] == f"The bus {server.url} is back."
    for begin, subject in enumerate(["s.0", "s.1"]):
        mine = [record for record in records if record.partition == subject]
        assert payloads(mine) == list(range(begin, 4000, 2))
        assert [each.before for each in mine] == [None, *(each.offset for each in mine[:-1])]


def test_a_consumer_that_is_gone_is_made_anew(server, stream):
    publish(server, stream, 0, 10)
    with reading(definition(server.url, stream)) as found:
        assert payloads(found.read(10)) == list(range(10))

        async def drop(_, js):
            for each in await js.consumers_info(stream):
                await js.delete_consumer(stream, each.name)

        server.run(drop)
        publish(server, stream, 10, 20)
        assert payloads(found.read(10)) == list(range(10, 20))


def test_a_closed_source_leaves_no_consumer(server, stream):
    with reading(definition(server.url, stream)) as found:
        found.source.poll(1, 0.2)
    assert server.stream(stream).state.consumer_count == 0


def test_messages_that_retention_dropped_are_said(server, caplog):
    server.make_stream("short", ["short.*"], max_msgs=100)
    publish(server, "short", 0, 50)
    caplog.set_level(logging.WARNING, LOG)
    with reading(definition(server.url, "short")) as found:
        found.commit(found.read(50))
        positions = found.positions
    publish(server, "short", 50, 250)
    with reading(definition(server.url, "short"), positions) as found:
        assert payloads(found.read(100)) == list(range(150, 250))
    [said] = [record.message for record in caplog.records if record.name == LOG]
    assert said.startswith("The events 51 to 150 of short left it by its limits")
    assert said.endswith("100 events are lost.")


def test_messages_that_leave_while_others_are_read_are_said(server, caplog):
    server.make_stream("lively", ["lively.*"], max_msgs=2000)
    publish(server, "lively", 0, 2000)
    caplog.set_level(logging.WARNING, LOG)
    with reading(definition(server.url, "lively", most=10)) as found:
        found.read(1, most=1)
        time.sleep(0.3)
        publish(server, "lively", 2000, 8000)
        records = found.until(lambda some: bool(some) and some[-1].offset == 8000)
    offsets = [1, *(record.offset for record in records)]
    [hole] = [(a + 1, b - 1) for a, b in pairwise(offsets) if b > a + 1]
    [said] = [record.message for record in caplog.records if record.name == LOG]
    assert f"The events {hole[0]} to {hole[1]} of lively" in said


def test_what_other_subjects_lost_is_not_told_as_this_ones(server, caplog):
    server.make_stream("mixed", ["mixed.*"], max_msgs=100)
    server.publish([("mixed.0", b"0")])
    caplog.set_level(logging.WARNING, LOG)
    with reading(definition(server.url, "mixed", subjects=("mixed.0",))) as found:
        found.commit(found.read(1))
        positions = found.positions
    server.publish(("mixed.1", b"1") for _ in range(200))
    with reading(definition(server.url, "mixed", subjects=("mixed.0",)), positions) as found:
        found.source.poll(1, 0.3)
    [said] = [record.message for record in caplog.records if record.name == LOG]
    assert said.endswith("those of mixed.0 among them are lost.")


def test_a_stream_that_was_made_anew_is_refused(server, stream):
    publish(server, stream, 0, 10)
    with (
        reading(definition(server.url, stream), {stream: 500}) as found,
        pytest.raises(StreamError, match=r"ends at 10, and was read up to 500: it was made"),
    ):
        found.read(1)


def test_a_stream_that_is_made_anew_under_a_reader_is_refused(server, stream):
    publish(server, stream, 0, 10)
    with reading(definition(server.url, stream)) as found:
        found.read(10)

        async def renew(_, js):
            await js.delete_stream(stream)
            await js.add_stream(name=stream, subjects=[f"{stream}.*"])

        server.run(renew)
        publish(server, stream, 0, 20)
        with pytest.raises(StreamError, match="was made anew while it was read"):
            found.read(20)


def test_a_stream_that_is_not_there_is_refused(server):
    source = open_source(definition(server.url, "nothing"))
    with pytest.raises(StreamError, match="stream not found"):
        source.open(lambda _: {})


def test_a_stream_whose_messages_leave_by_acks_is_refused(server):
    server.make_stream("queue", ["queue"], retention="workqueue")
    source = open_source(definition(server.url, "queue"))
    with pytest.raises(StreamError, match="retention workqueue"):
        source.open(lambda _: {})


def test_a_subject_of_another_stream_is_refused(server, stream):
    source = open_source(definition(server.url, stream, subjects=("elsewhere.0",)))
    with pytest.raises(StreamError, match=rf"{stream}\.\*, and none .* elsewhere\.0"):
        source.open(lambda _: {})


@pytest.mark.parametrize(
    "subjects", [("s.0", "s.*"), ("s.>", "s.0.a"), ("s.*.b", "s.a.*"), (">", "s")]
)
def test_subjects_that_share_messages_are_refused(subjects):
    with pytest.raises(StreamError, match="an event of both would be scored twice"):
        open_source(definition("nats://127.0.0.1:1", "s", subjects=subjects))


@pytest.mark.parametrize(
    "subjects", [("s.0", "s.1"), ("s.>", "s"), ("s.*", "s.a.b"), ("s.*.b", "s.a.c")]
)
def test_subjects_that_share_none_are_taken(subjects):
    open_source(definition("nats://127.0.0.1:1", "s", subjects=subjects))


def test_a_bus_that_is_not_there_is_said():
    source = open_source(definition("nats://127.0.0.1:1", "s"))
    with pytest.raises(
        StreamError, match=r"No connection to nats://127\.0\.0\.1:1: .*Connect call failed"
    ):
        source.open(lambda _: {})


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "nats.aio.client", None)
    source = open_source(definition("nats://127.0.0.1:1", "s"))
    with pytest.raises(StreamError, match=r"pip install 'foresql\[streams\]'"):
        source.open(lambda _: {})
