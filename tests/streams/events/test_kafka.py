"""Kafka as a source, against librdkafka's mock cluster."""

import sys
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from children import PATIENCE
from confluent_kafka import Consumer, TopicPartition
from event_sources import Reading, definition, reading
from google.protobuf import descriptor_pb2
from kafka_mock import PARTITIONS, KafkaMock, kafka_mock
from reading_process import reading_process

from foresql.errors import StreamError
from foresql.streams.events.dead import dead_table
from foresql.streams.events.definition import EventsSection
from foresql.streams.events.formats import open_format
from foresql.streams.events.kafka_client import client_settings
from foresql.streams.events.records import Record
from foresql.streams.events.sources import kafka, open_source
from foresql.streams.events.sources.waiting import ask_lag

LEASE = timedelta(seconds=4)  # the mock lets the first of a group wait for three


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaMock]:
    with kafka_mock() as mock:
        yield mock


def publish(broker: KafkaMock, topic: str, begin: int, end: int) -> None:
    broker.publish(topic, ((number % 4, b"%d" % number) for number in range(begin, end)))


def commit(broker: KafkaMock, topic: str, offset: int) -> None:
    """Let the group stand elsewhere than the sink's positions."""
    settings = {"bootstrap.servers": broker.address, "group.id": f"foresql-w-{topic}"}
    consumer = Consumer(settings)
    places = [TopicPartition(topic, number, offset) for number in range(PARTITIONS)]
    consumer.commit(offsets=places, asynchronous=False)
    consumer.close()


# To join takes seconds: tests share a source.
@pytest.fixture(scope="module")
def opened(broker) -> Iterator[tuple[Reading, list[Record]]]:
    """A source on `many`, begun behind some positions; and what it gave at first."""
    publish(broker, "many", 0, 4000)
    commit(broker, "many", 7)
    positions = {"many-0": 899, "many-1": 0}
    with reading(definition(broker.url, "many", lease=LEASE), positions) as found:
        yield found, found.read(100 + 999 + 1000 + 1000, most=300)


@pytest.fixture
def found(opened) -> Reading:
    return opened[0]


def test_it_begins_behind_positions_whatever_the_group_committed(opened):
    _, records = opened
    for number, begin in enumerate([900, 1, 0, 0]):
        mine = [record for record in records if record.partition == f"many-{number}"]
        assert [record.offset for record in mine] == list(range(begin, 1000))
        assert [int(each.payload) for each in mine] == list(range(4 * begin + number, 4000, 4))
        befores = [begin - 1 if begin else None, *range(begin, 999)]
        assert [record.before for record in mine] == befores
    assert all(abs(time.time() - record.published) < 60 for record in records)


def test_it_owns_what_the_group_gave(found):
    assert all(found.source.owns(f"many-{number}") for number in range(PARTITIONS))
    assert not found.source.owns(f"many-{PARTITIONS}")


def test_seek_begins_behind_the_position_of_now(found):
    found.positions["many-0"] = 99
    found.source.seek("many-0")
    assert found.source.lag() == {"many-0": 900, "many-1": 0, "many-2": 0, "many-3": 0}
    first = found.read(50, most=50)
    found.positions["many-0"] = 799
    found.source.seek("many-0")
    second = found.read(200, most=60)
    assert [record.offset for record in first] == list(range(100, 150))
    assert [record.offset for record in second] == list(range(800, 1000))
    assert (first[0].before, second[0].before) == (99, 799)
    assert found.source.lag()["many-0"] == 0


def test_seek_without_a_position_begins_where_it_began(found):
    found.source.seek("many-3")
    assert [record.offset for record in found.read(1000)] == list(range(1000))


def test_commits_are_for_tools(broker, found):
    found.source.done({"many-2": 499})
    settings = {"bootstrap.servers": broker.address, "group.id": "foresql-w-many"}
    tool = Consumer(settings)
    place = TopicPartition("many", 2)
    until(lambda: tool.committed([place], timeout=10)[0].offset == 500)
    tool.close()


def test_a_position_beyond_the_end_is_refused(found):
    found.positions["many-1"] = 5000
    found.source.seek("many-1")
    with pytest.raises(StreamError, match="many-1 ends at 999, and was read up to 5000"):
        found.read(1)


def test_what_a_producer_may_write_besides_events(broker, tmp_path):
    broker.publish("odd", [(0, b"1")], milliseconds=2**62)
    broker.publish("odd", [(0, None), (0, b"")])
    with reading(definition(broker.url, "odd", lease=LEASE)) as found:
        records = found.read(3)
    assert [record.payload for record in records] == [b"1", None, b""]
    assert records[0].published == 253_402_300_799
    descriptors = descriptor_pb2.FileDescriptorSet()
    file = descriptors.file.add(name="odd.proto", syntax="proto3")
    file.message_type.add(name="Odd").field.add(name="x", number=1, label=1, type=1)
    (tmp_path / "odd.desc").write_bytes(descriptors.SerializeToString())
    section = EventsSection(format="protobuf", schema="odd.desc", message="Odd")
    decoded = open_format(section, tmp_path).decode(records[1:])
    assert decoded.rows.to_pylist() == [{"x": 0.0}]
    [letter] = decoded.dead
    assert letter.reason == "It has no value: a tombstone."
    assert dead_table([letter], "BIGINT").to_pylist()[0]["payload"] is None


def test_latest_begins_with_what_comes_next_also_after_the_bus_was_away():
    with kafka_mock() as broker:
        publish(broker, "t", 0, 100)
        made = definition(broker.url, "t", start="latest", lease=LEASE)
        with reading(made) as found:
            found.until(lambda _: found.source.owns("t-0"))
            publish(broker, "t", 100, 104)
            records = found.read(4)
            broker.freeze()
            assert found.source.poll(10, 0.5) == []
            broker.thaw()
            publish(broker, "t", 104, 108)
            records += found.read(4)
            found.source.seek("t-0")
            again = found.read(2)
    assert {int(record.payload) for record in records} == set(range(100, 108))
    assert [int(record.payload) for record in again] == [100, 104]


def test_workers_share_partitions_and_a_killed_one_is_followed(broker, tmp_path):
    topic = "shared"
    publish(broker, topic, 0, 400)
    own = {f"{topic}-{number}" for number in range(PARTITIONS)}
    seconds = LEASE.total_seconds()
    with (
        reading_process(tmp_path, broker.url, topic, lease=seconds) as mortal,
        reading(definition(broker.url, topic, lease=LEASE)) as found,
    ):
        records = found.until(lambda _: sum(map(found.source.owns, own)) == PARTITIONS // 2)
        # Theirs, and not what they had before this one came.
        publish(broker, topic, 400, 800)
        until(lambda: others(found) <= {line[0] for line in mortal.lines if int(line[2]) >= 400})
        mortal.kill()
        publish(broker, topic, 800, 1200)
        before = {each.payload for each in records}
        records += found.until(lambda some: len(before | {each.payload for each in some}) == 1200)
        assert all(map(found.source.owns, own))
    for name in own:
        offsets = {record.offset for record in records if record.partition == name}
        assert offsets == set(range(300))


def others(found: Reading) -> set[str]:
    names = {f"shared-{number}" for number in range(PARTITIONS)}
    return {name for name in names if not found.source.owns(name)}


def until(condition) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_bus_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setattr(kafka, "ANSWERING", 1.0)
    source = open_source(definition("kafka://127.0.0.1:1", "t"))
    with pytest.raises(StreamError, match=r"kafka://127\.0\.0\.1:1, topic t: .*transport failure"):
        source.open(lambda _: {})


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(StreamError, match=r"pip install 'foresql\[kafka\]'"):
        open_source(definition("kafka://127.0.0.1:1", "t"))


def test_a_password_is_never_sent_in_the_clear(monkeypatch):
    monkeypatch.setenv("FORESQL_BUS_USER", "scorer")
    monkeypatch.setenv("FORESQL_BUS_PASSWORD", "secret")
    settings = client_settings("kafka://a:1,b:2")
    assert settings["security.protocol"] == "SASL_SSL"
    assert settings["bootstrap.servers"] == "a:1,b:2"
    monkeypatch.delenv("FORESQL_BUS_USER")
    with pytest.raises(StreamError, match="FORESQL_BUS_USER with FORESQL_BUS_PASSWORD") as caught:
        client_settings("kafka://a:1")
    assert "secret" not in str(caught.value)


def test_what_waits_is_told_without_joining_the_group(broker):
    publish(broker, "waits", 0, 40)
    made = definition(broker.url, "waits", lease=LEASE)
    assert ask_lag(made, {"waits-0": "3", "waits-1": "9"}) == {
        "waits-0": (6, None),
        "waits-1": (0, None),
        "waits-2": (10, None),
        "waits-3": (10, None),
    }
    latest = definition(broker.url, "waits", lease=LEASE, start="latest")
    assert ask_lag(latest, {"waits-0": "3"}) == {"waits-0": (6, None)}


def test_a_certificate_that_is_not_there(monkeypatch):
    monkeypatch.setenv("FORESQL_BUS_CA", "/nowhere/ca.pem")
    made = definition("kafka://127.0.0.1:1", "t")
    with pytest.raises(StreamError, match=r"ssl\.ca\.location failed"):
        ask_lag(made, {})
    with pytest.raises(StreamError, match=r"ssl\.ca\.location failed"):
        open_source(made).open(lambda _: {})
