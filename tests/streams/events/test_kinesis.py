"""Kinesis as a source, against moto's server, which has shards, splits and sequence numbers."""

import logging
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from event_sources import definition, reading
from kinesis_region import Kinesis, kinesis_region

from foresql.errors import StreamError
from foresql.streams.events.sources import kinesis, open_source
from foresql.streams.events.sources.waiting import ask_lag

LOG = "foresql.streams"


@pytest.fixture(scope="module")
def service() -> Iterator[Kinesis]:
    with kinesis_region() as region, pytest.MonkeyPatch.context() as patch:
        patch.setattr(kinesis, "_NEW_SHARDS", 0.3)
        yield region


@pytest.fixture
def stream(service: Kinesis) -> str:
    name = f"s{uuid.uuid4().hex[:8]}"
    service.client.create_stream(StreamName=name, ShardCount=2)
    return name


def numbers(records, partition: str | None = None) -> list[int]:
    mine = [each for each in records if partition in {None, each.partition}]
    return [int(each.payload) for each in mine]


def test_all_records_come_once_in_order(service, stream):
    service.publish(stream, 0, 0, 100)
    service.publish(stream, 1, 100, 200)
    with reading(service.definition(stream)) as found:
        records = found.read(200, most=30)
        found.source.poll(1, 0.5)
        assert set(found.source.lag().values()) == {0}
    first, second = service.shards(stream)
    assert numbers(records, first) == list(range(100))
    assert numbers(records, second) == list(range(100, 200))
    for shard in (first, second):
        offsets = [record.offset for record in records if record.partition == shard]
        assert offsets == sorted(offsets)
        assert {len(each) for each in offsets} == {56}
        befores = [record.before for record in records if record.partition == shard]
        assert befores == [None, *offsets[:-1]]


def test_it_begins_behind_positions_and_seeks(service, stream):
    service.publish(stream, 0, 0, 50)
    first, _ = service.shards(stream)
    with reading(service.definition(stream)) as found:
        records = found.read(50)
    position = records[29].offset
    with reading(service.definition(stream), {first: position}) as found:
        records = found.read(20)
        assert numbers(records) == list(range(30, 50))
        assert records[0].before == position
        found.positions[first] = records[9].offset
        found.source.seek(first)
        again = found.read(10)
    assert numbers(again) == list(range(40, 50))
    assert again[0].before == records[9].offset


def test_latest_begins_with_what_comes_next(service, stream):
    service.publish(stream, 0, 0, 10)
    with reading(service.definition(stream, start="latest")) as found:
        assert found.source.poll(100, 0.3) == []
        service.publish(stream, 0, 10, 13)
        assert numbers(found.read(3)) == [10, 11, 12]
        found.source.seek(service.shards(stream)[0])
        assert numbers(found.read(3)) == [10, 11, 12]


def test_children_follow_their_parents(service, stream):
    first, second = service.shards(stream)
    service.publish(stream, 0, 0, 40)
    service.split(stream, first)
    _, _, low, high = service.shards(stream)
    service.publish(stream, 0, 40, 80)
    service.publish(stream, 1, 80, 120)
    service.merge(stream, high, second)
    merged = service.shards(stream)[-1]
    service.publish(stream, 1, 120, 160)
    with reading(service.definition(stream)) as found:
        records = found.read(160 + 40, most=7)  # moto, not AWS, puts a merged shard's own again
    assert numbers(records, first) == list(range(40))
    assert numbers(records, low) == list(range(40, 80))
    assert numbers(records, second) == list(range(80, 120))
    assert numbers(records, merged)[-40:] == list(range(120, 160))
    order = [record.partition for record in records]
    assert order.index(low) > order.index(first) + 39
    assert order.index(merged) > order.index(second) + 39


def test_named_shards_are_read_with_their_children(service, stream):
    first, second = service.shards(stream)
    service.publish(stream, 0, 0, 10)
    service.publish(stream, 1, 10, 20)
    with reading(service.definition(stream, shards=(first,))) as found:
        assert numbers(found.read(10)) == list(range(10))
        service.split(stream, first)
        service.publish(stream, 0, 20, 30)
        assert numbers(found.read(10)) == list(range(20, 30))
        assert not found.source.owns(second)


@pytest.mark.parametrize(
    "code", ["ProvisionedThroughputExceededException", "ExpiredIteratorException"]
)
def test_throttling_and_expired_iterators_are_waited_out(service, stream, code, monkeypatch):
    monkeypatch.setattr(kinesis, "_PAUSES", (0.05,))
    service.publish(stream, 0, 0, 20)
    with reading(service.definition(stream)) as found:
        records = found.read(5, most=5)
        read, refused = found.source._client.get_records, []

        def get_records(**wanted: Any) -> Any:
            if len(refused) < 3:
                refused.append(wanted)
                answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}
                raise ClientError(answer, "GetRecords")
            return read(**wanted)

        monkeypatch.setattr(found.source._client, "get_records", get_records)
        service.publish(stream, 0, 20, 30)
        records += found.read(25)
    assert len(refused) == 3
    assert numbers(records) == list(range(30))


def test_it_goes_on_when_the_bus_comes_back(service, stream, caplog):
    caplog.set_level(logging.WARNING, LOG)
    service.publish(stream, 0, 0, 10)
    with reading(service.definition(stream)) as found:
        found.read(10)
        there = found.source._client
        found.source._client = kinesis._client("eu-west-1", "http://127.0.0.1:1")
        assert found.source.poll(10, 1.0) == []
        found.source._client.close()
        found.source._client = there
        service.publish(stream, 0, 10, 20)
        assert numbers(found.read(10)) == list(range(10, 20))
    said = [record.message for record in caplog.records if record.name == LOG]
    assert len(said) == 2
    assert "goes on when the bus is back" in said[0]


def test_what_is_not_there_is_refused(service, stream):
    with pytest.raises(StreamError, match="nothing"):
        open_source(service.definition("nothing")).open(lambda _: {})
    with pytest.raises(StreamError, match=r"has no shardId-7"):
        open_source(service.definition(stream, shards=("shardId-7",))).open(lambda _: {})


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(StreamError, match=r"pip install 'foresql\[kinesis\]'"):
        open_source(definition("kinesis://eu-west-1", "s")).open(lambda _: {})


@pytest.mark.parametrize(
    ("region", "endpoint", "said"),
    [
        ("eu-west-1", "http://127.0.0.1:9", "Could not connect"),
        ("eu-west-1", "junk", "Invalid endpoint"),
        ("no region", None, "region"),
    ],
)
def test_a_service_that_is_not_there_is_said(monkeypatch, region, endpoint, said):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    source = open_source(definition(f"kinesis://{region}", "s", endpoint=endpoint))
    with pytest.raises(StreamError, match=said):
        source.open(lambda _: {})


def test_children_that_were_not_looked_for_wait(service, stream, monkeypatch):
    first, _ = service.shards(stream)
    monkeypatch.setattr(kinesis, "_NEW_SHARDS", 3600.0)
    with reading(service.definition(stream)) as found:
        found.source.poll(1, 0.5)
        service.split(stream, first)
        service.publish(stream, 0, 0, 5)
        call = found.source._call

        def ended(what, **wanted):
            """Give no next iterator of the split shard, as AWS does, and moto not."""
            is_first = wanted.get("ShardIterator") == found.source._shards[first].iterator
            return call(what, **wanted) | ({"NextShardIterator": None} if is_first else {})

        monkeypatch.setattr(found.source, "_call", ended)
        records = []
        end = time.monotonic() + 20
        while len(records) < 5 and time.monotonic() < end:
            records += found.source.poll(100, 0.0)
            is_read = found.source._shards[first].is_done
            assert not is_read or records or any(found.source.lag().values())
    assert {record.partition for record in records} == {service.shards(stream)[2]}


def test_how_late_a_position_is_is_told(service, stream):
    service.publish(stream, 0, 0, 3)
    one, other = service.shards(stream)
    with reading(service.definition(stream)) as found:
        offsets = [record.offset for record in found.read(3)]
    at = {one: offsets[0]}
    lags = ask_lag(service.definition(stream), at)
    assert lags[one].events is None
    assert lags[one].seconds > 0
    assert lags[other] == (0, 0.0)
    assert ask_lag(service.definition(stream), {one: offsets[-1]})[one] == (0, 0.0)
    assert ask_lag(service.definition(stream, start="latest"), at).keys() == {one}
