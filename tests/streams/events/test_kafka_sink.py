"""A topic of Kafka as a sink, at least once, against librdkafka's mock cluster."""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import pyarrow as pa
import pytest
from changing_flights import exact
from kafka_mock import PARTITIONS, KafkaMock, kafka_mock
from mortal_workers import FLUSHED, MOVED, SENT, workers
from topic_outcomes import STAMPS, outcome_of
from worked_flights import PATIENCE, payload, wait_until

from foresql.errors import StreamError
from foresql.streams.events.definition import SinkSection
from foresql.streams.events.records import MovedError, Shape, Sink
from foresql.streams.events.sinks import kafka_positions, kafka_producer, kafka_topic, open_sink
from foresql.streams.events.sinks.kafka_topic import place_of
from foresql.streams.events.sinks.layout import check_moves

ROWS = pa.schema(
    [
        ("event_partition", pa.string()),
        ("event_offset", pa.int64()),
        ("p", pa.float64()),
        ("note", pa.string()),
        ("model_name", pa.string()),
        ("model_version", pa.string()),
        ("run_id", pa.string()),
    ]
)
LARGE = 1_200_000
outcome = partial(outcome_of, ROWS, note="")


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaMock]:
    with kafka_mock() as mock:
        yield mock


@pytest.fixture
def topic(broker: KafkaMock, request: pytest.FixtureRequest) -> str:
    made = request.node.name
    make(broker, made)
    return made


def make(broker: KafkaMock, topic: str) -> None:
    broker.make(topic, f"{topic}.dead", f"{topic}.positions")


def shape(source: str = "w nats:s", **more) -> Shape:
    given = {"key": (), "tables": {}, "predictions": ROWS, "worker": "run", **more}
    return Shape(source=source, offset_type="BIGINT", **given)


@contextmanager
def sink(broker: KafkaMock, topic: str, given: Shape | None = None, **options) -> Iterator[Sink]:
    opened = open_sink(SinkSection(to=f"{broker.url}/{topic}"), Path(), **options)
    try:
        opened.open(given or shape())
        yield opened
    finally:
        opened.close()


def values(broker: KafkaMock, topic: str) -> list[dict]:
    return [json.loads(message.value()) for message in broker.read(topic)]


def offsets(broker: KafkaMock, topic: str) -> list[int]:
    return [each["event_offset"] for each in values(broker, topic)]


def test_predictions_dead_letters_and_positions_are_published(broker, topic):
    with sink(broker, topic) as opened:
        assert not opened.exactly_once
        assert opened.positions(["a-1", "b-2"]) == {}
        opened.write(outcome({"a-1": (None, 3), "b-2": (None, 2)}, dead=2))
        assert opened.positions(["a-1", "b-2", "c"]) == {"a-1": 3, "b-2": 2}
    found = broker.read(topic)
    assert [(each.partition(), each.key()) for each in found] == [
        (1, b"w nats:s/a-1/1"),
        (1, b"w nats:s/a-1/3"),
        (2, b"w nats:s/b-2/1"),
    ]
    row = {"event_partition": "a-1", "event_offset": 3, "p": 3 / 7, "note": "", **STAMPS}
    assert json.loads(found[1].value()) == row
    assert dict(found[1].headers()) == {
        "source": b"w nats:s",
        "event_partition": b"a-1",
        "event_offset": b"3",
        "model_name": b"failure",
        "model_version": b"2",
        "run_id": b"run",
    }
    [first, second] = broker.read(f"{topic}.dead")
    assert [first.key(), second.key()] == [b"w nats:s/a-1/2", b"w nats:s/b-2/2"]
    assert dict(first.headers())["step"] == b"decode"
    assert json.loads(first.value())["payload"] == "/w=="


def test_a_restart_begins_behind_the_positions_of_its_own_name(broker, topic):
    with sink(broker, topic) as opened:
        opened.write(outcome({"a": (None, 3)}))
        opened.write(outcome({"a": (3, 9)}))
    with sink(broker, topic) as again, sink(broker, topic, shape("v nats:s")) as other:
        assert again.positions(["a"]) == {"a": 9}
        assert other.positions(["a"]) == {}


def test_a_tombstone_forgets_a_position_and_an_older_one_does_not_count(broker, topic):
    kept = f"{topic}.positions"
    with sink(broker, topic) as opened:
        opened.write(outcome({"a": (None, 9), "b": (None, 4)}))
        [late, _] = [message.value() for message in broker.read(kept)]
        opened.write(outcome({"a": (9, 12)}))
        broker.publish(kept, [(0, late)], key=b"w nats:s/a")
        broker.publish(kept, [(0, None)], key=b"w nats:s/b")
        assert opened.positions(["a", "b"]) == {"a": 12}
    with sink(broker, topic) as opened:
        assert opened.positions(["a", "b"]) == {"a": 12}


def test_a_worker_whose_partition_was_moved_publishes_nothing(broker, topic):
    with sink(broker, topic) as first, sink(broker, topic) as second:
        assert first.positions(["a"]) == second.positions(["a"]) == {}
        first.write(outcome({"a": (None, 10)}))
        with pytest.raises(MovedError):
            second.write(outcome({"a": (None, 5)}))
        second.write(outcome({"a": (10, 20)}))
        with pytest.raises(MovedError):
            first.write(outcome({"a": (10, 20)}))
    assert offsets(broker, topic) == list(range(1, 21))


def test_a_prediction_too_large_for_a_message_is_found_before_it_is_written(broker, topic):
    with sink(broker, topic) as opened:
        rows = outcome({"a": (None, 1)}, note="x" * LARGE).predictions
        assert [(row, why[:12]) for row, why in opened.unfit(rows).items()] == [(0, "Its message ")]


def test_a_dead_letter_too_large_for_a_message_is_there_without_its_payload(broker, topic):
    with sink(broker, topic) as opened:
        opened.write(outcome({"a": (None, 1)}, dead=1, payload=b"x" * LARGE))
    [dead] = values(broker, f"{topic}.dead")
    assert (dead["step"], dead["payload"]) == ("decode", None)
    assert dead["reason"] == "no JSON (its payload is more than a message takes)"


def test_what_is_not_delivered_moves_no_position(broker, topic, monkeypatch):
    with sink(broker, topic) as opened:
        opened.write(outcome({"a": (None, 3)}))
        # A partition that is not there is refused behind the client's back, as brokers refuse.
        monkeypatch.setattr(kafka_topic, "place_of", lambda *_: PARTITIONS)
        with pytest.raises(StreamError, match=r"topic .*partition.* No position was moved"):
            opened.write(outcome({"a": (3, 6)}))
    with sink(broker, topic) as opened:
        assert opened.positions(["a"]) == {"a": 3}


def test_topics_that_are_missing_are_named_and_not_made(broker):
    broker.make("lone")
    for _ in range(2):
        with (
            pytest.raises(StreamError, match=r"has no topic lone\.dead, lone\.positions\."),
            sink(broker, "lone"),
        ):
            pass


def test_positions_that_retention_dropped_are_not_supposed_to_be_none(broker, topic):
    with sink(broker, topic) as opened:
        opened.write(outcome({"a": (None, 3)}))
        assert opened.positions(["a"]) == {"a": 3}
        # The mock keeps five megabytes of a partition.
        broker.publish(f"{topic}.positions", [(0, b"x" * 900_000)] * 8)
        assert opened.positions(["a"]) == {"a": 3}
    with (
        sink(broker, topic) as opened,
        pytest.raises(StreamError, match="nobody knows whether a had a position"),
    ):
        opened.positions(["a"])


@pytest.mark.parametrize("where", ["positions", "predictions"])
def test_a_broker_that_is_away_is_waited_for_and_said_once(where, monkeypatch):
    told, stop = [], threading.Event()

    def write(*moves):
        if where == "positions":
            broker.freeze()
        opened.write(outcome({"a": moves}))

    def check(*given):
        check_moves(*given)
        if where == "predictions":
            broker.freeze()

    with kafka_mock() as broker:
        make(broker, "t")
        with sink(broker, "t", told=told.append, pause=stop.wait) as opened:
            opened.write(outcome({"a": (None, 3)}))
            told.clear()
            monkeypatch.setattr(kafka_positions, "_ANSWERING", 0.2)
            monkeypatch.setattr(kafka_producer, "_LOOKS_EVERY", 0.2)
            monkeypatch.setattr(kafka_topic, "check_moves", check)
            writing = threading.Thread(target=write, args=(3, 6))
            writing.start()
            wait_until(lambda: told, "a word of it")
            time.sleep(1)
            assert len(told) == 1
            broker.thaw()
            writing.join(PATIENCE)
            assert opened.positions(["a"]) == {"a": 6}
            stop.set()
            with pytest.raises(StreamError, match="was not reached before the worker was to stop"):
                write(6, 9)
        broker.thaw()
        with sink(broker, "t") as opened:
            assert opened.positions(["a"]) == {"a": 6}
        assert offsets(broker, "t")[:6] == [1, 2, 3, 4, 5, 6]


def test_a_worker_whose_broker_is_gone_waits_until_it_is_stopped():
    told, stop = [], threading.Event()
    with kafka_mock() as broker:
        make(broker, "t")
        with sink(broker, "t", told=told.append, pause=stop.wait) as opened:
            broker.end()
            threading.Timer(1, stop.set).start()
            with pytest.raises(StreamError, match="was not reached before the worker was to stop"):
                opened.write(outcome({"a": (None, 3)}))
            assert stop.is_set()
    [said] = told
    assert "does not answer, and is waited for" in said


def test_what_a_topic_cannot_keep_is_refused(broker, topic):
    tables = {"alerts": pa.schema([("event_partition", pa.string())])}
    for given, reason in (
        (shape(key=("p",)), r"A topic keeps no tables, which \[events\] id need"),
        (shape(tables=tables), "A topic keeps no tables, which windows and alerts need"),
    ):
        with pytest.raises(StreamError, match=reason), sink(broker, topic, given):
            pass
    for address in ("kafka://127.0.0.1:9092", "kafka://127.0.0.1:9092/a b"):
        with pytest.raises(StreamError, match="has no topic"):
            open_sink(SinkSection(to=address), Path())


@pytest.mark.parametrize(
    ("name", "place"), [("t-0", 0), ("t-5", 1), ("shardId-000000000007", 3), ("a.jsonl", 0)]
)
def test_events_of_a_partition_go_to_the_one_of_its_number(name, place):
    assert place_of(name, 4) == place


DEATHS = ((SENT, 2), (FLUSHED, 1), (FLUSHED, 3), (MOVED, 2))
KILLS = int(os.environ.get("FORESQL_KILLS", "4"))
FILES = ("a.jsonl", "b.jsonl")
EACH = 20 * KILLS
"""Few: the mock keeps five megabytes of a partition, also where `make soak` kills often."""


def test_killed_workers_lose_nothing_and_repeat_under_the_same_keys(broker, topic, flights):
    for file, begin in zip(FILES, (0, EACH), strict=True):
        flights.append(map(payload, range(begin, begin + EACH)), file)
    flights.append([b"no JSON"], FILES[0])
    flights.define(sink=f"{broker.url}/{topic}", most=5)
    with workers(flights.path, flights.registry) as started:
        for dies in islice(cycle(DEATHS), KILLS):
            assert started.end(started.start(dies=dies)) < 0, started.log.read_text()
        assert started.end(started.start("--until-empty")) == 0, started.log.read_text()
    # Readers that drop what they had, by its key.
    found: dict[bytes, dict] = {}
    messages = broker.read(topic)
    for message in messages:
        row = json.loads(message.value())
        del row["scored_at"], row["run_id"]
        assert found.setdefault(message.key(), row) == row
    rows = [(row["flight_id"], row["late"], row["p"], row["sign"]) for row in found.values()]
    known = {int(row[0]): row for row in flights.expected(range(2 * EACH))}
    assert {row[0]: tuple(map(repr, row)) for row in rows} == known
    assert len(rows) == len(known) < len(messages)
    # First words stand in the order of the events.
    for file in FILES:
        order = [row["event_offset"] for row in found.values() if row["event_partition"] == file]
        assert order == sorted(order)
    assert len({message.key() for message in broker.read(f"{topic}.dead")}) == 1


def test_from_topic_to_topic_where_the_group_is_slow_to_give_partitions(broker, topic, flights):
    """The cluster keeps those of a worker that left for nearly a lease."""
    given = f"{topic}.given"
    source = "lease = '7 s'"
    definition = flights.define(
        broker.url, stream=given, source=source, sink=f"{broker.url}/{topic}"
    )
    for begin, end in ((0, 400), (400, 500)):
        broker.publish(given, ((number % 4, payload(number)) for number in range(begin, end)))
        assert flights.work(definition).events.total() == end - begin
    messages = broker.read(topic)
    rows = [json.loads(message.value()) for message in messages]
    assert exact([(row["flight_id"], row["late"], row["p"], row["sign"]) for row in rows]) == (
        flights.expected(range(500))
    )
    for message, row in zip(messages, rows, strict=True):
        assert row["event_partition"] == f"{given}-{message.partition()}"
