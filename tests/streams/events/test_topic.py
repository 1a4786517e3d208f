"""A NATS subject as a sink, on a real server: positions and predictions in atomic batches."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from changing_flights import exact
from children import PATIENCE
from losing_answers import losing_answers
from mortal_workers import ANSWERED, ASKED, OPEN, until, workers
from nats_server import NatsServer, nats_server
from topic_outcomes import outcome_of
from worked_flights import payload as event

from foresql.errors import StreamError
from foresql.streams.events.definition import SinkSection
from foresql.streams.events.records import MovedError, Shape, Sink
from foresql.streams.events.sinks import open_sink
from foresql.streams.events.sinks.messages import json_line

ROWS = pa.schema(
    [
        ("event_partition", pa.string()),
        ("event_offset", pa.int64()),
        ("p", pa.float64()),
        ("note", pa.string()),
    ]
)
LARGE = 1_200_000
outcome = partial(outcome_of, ROWS)
SHAPE = Shape(
    source="w nats:s",
    worker="run",
    offset_type="BIGINT",
    predictions=ROWS,
    key=(),
    tables={},
)


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    with nats_server() as server:
        make(server, "out")
        yield server


def make(server: NatsServer, name: str, **settings) -> None:
    configuration = {
        "name": name,
        "subjects": [name, f"{name}.>"],
        "allow_atomic": True,
        **settings,
    }

    async def create(client, _):
        where = f"$JS.API.STREAM.CREATE.{name}"
        answer = json.loads((await client.request(where, json.dumps(configuration).encode())).data)
        assert "error" not in answer, answer

    server.run(create)


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> str:
    return f"out.{request.node.name}"


@contextmanager
def sink(server: NatsServer, subject: str, shape: Shape = SHAPE, **options) -> Iterator[Sink]:
    section = SinkSection(to=f"{server.url}/{subject}")
    opened = open_sink(section, Path(), **options)
    try:
        opened.open(shape)
        yield opened
    finally:
        opened.close()


def messages(server: NatsServer, subject: str, stream: str = "out") -> list[dict]:
    async def read(_, js):
        subscription = await js.subscribe(subject, ordered_consumer=True)
        info = await js.stream_info(stream, subjects_filter=subject)
        count = (info.state.subjects or {}).get(subject, 0)
        return [
            json.loads((await subscription.next_msg(timeout=PATIENCE)).data) for _ in range(count)
        ]

    return server.run(read)


def test_predictions_and_positions_are_published_together(server, subject):
    with sink(server, subject) as opened:
        assert opened.exactly_once
        assert opened.positions(["a", "b"]) == {}
        opened.write(outcome({"a": (None, 3), "b": (None, 2)}, dead=2))
        assert opened.positions(["a", "b", "c"]) == {"a": 3, "b": 2}
    found = messages(server, subject)
    assert [(each["event_partition"], each["event_offset"], each["p"]) for each in found] == [
        ("a", 1, 1 / 7),
        ("a", 3, 3 / 7),
        ("b", 1, 1 / 7),
    ]
    [first, second] = messages(server, f"{subject}.dead")
    assert (first["event_partition"], second["event_partition"]) == ("a", "b")
    assert first["payload"] == "/w=="
    assert first["published"] == "2026-01-01T00:00:00"


def test_what_no_message_holds_is_found_before_it_is_written(server, subject):
    texts = ["a", '"' * 700_000, "\x01" * 100_000, "b" * 900_000, "c"]
    fields = [*ROWS, ("text", pa.string()), ("at", pa.timestamp("us"))]
    rows = pa.table(
        {
            "event_partition": ["p"] * 5,
            "event_offset": range(1, 6),
            "p": [0.5] * 5,
            "note": [None] * 5,
            "text": texts,
            "at": [0, 0, 0, 0, 2**62],
        },
        schema=pa.schema(fields),
    )
    with sink(server, subject, replace(SHAPE, predictions=rows.schema)) as opened:
        unfit = opened.unfit(rows)
        assert {row: reason[:13] for row, reason in unfit.items()} == {
            1: "Its message w",
            4: "It has a time",
        }
        letters = outcome({"p": (None, 5)}, dead=5).dead
        payload = pa.array([b"\xff" * 1_000_000], pa.binary())
        letters = letters.set_column(letters.num_columns - 1, "payload", payload)
        fit = rows.take([0, 2, 3])
        opened.write(replace(outcome({"p": (None, 5)}), predictions=fit, dead=letters))
        assert opened.positions(["p"]) == {"p": 5}
    assert [each["text"] for each in messages(server, subject)] == [texts[0], texts[2], texts[3]]
    [letter] = messages(server, f"{subject}.dead")
    assert letter["payload"] is None


def test_of_two_workers_on_a_partition_one_writes(server, subject):
    with sink(server, subject) as first, sink(server, subject) as second:
        assert first.positions(["a"]) == second.positions(["a"]) == {}
        first.write(outcome({"a": (None, 10)}))
        with pytest.raises(MovedError):
            second.write(outcome({"a": (None, 5)}))
        assert second.positions(["a"]) == {"a": 10}
        second.write(outcome({"a": (10, 20)}))
        with pytest.raises(MovedError):
            first.write(outcome({"a": (10, 20)}))
    assert [each["event_offset"] for each in messages(server, subject)] == list(range(1, 21))


def test_large_batches_go_in_pieces(server, subject):
    with sink(server, subject) as opened:
        opened.write(outcome({"a": (None, 4096)}))
        assert opened.positions(["a"]) == {"a": 4096}
    assert [each["event_offset"] for each in messages(server, subject)] == list(range(1, 4097))


@pytest.mark.parametrize("most", [None, 5000])
def test_a_dead_letter_larger_than_a_message_goes_without_its_payload(server, most):
    name = f"of{most}"
    make(server, name, **({"max_msg_size": most} if most else {}))
    large = LARGE if most is None else most
    with sink(server, name) as opened:
        [(row, reason)] = opened.unfit(
            outcome({"a": (None, 1)}, note="x" * large).predictions
        ).items()
        assert (row, reason[:24]) == (
            0,
            "Its message would have 5" if most else "Its message would have 1",
        )
        opened.write(outcome({"a": (None, 2)}, dead=2, payload=b"x" * large))
        assert opened.positions(["a"]) == {"a": 2}
    [letter] = messages(server, f"{name}.dead", stream=name)
    assert (letter["event_offset"], letter["step"], letter["payload"]) == (2, "decode", None)
    assert letter["reason"] == "no JSON (its payload is more than a message takes)"


def test_a_batch_of_no_predictions_moves_the_position(server, subject):
    with sink(server, subject) as opened:
        opened.write(outcome({"a": (None, 0)}))
        assert opened.positions(["a"]) == {"a": 0}


def test_workers_of_other_names_have_other_positions(server, subject):
    with sink(server, subject) as opened:
        opened.write(outcome({"a": (None, 3)}))
    other = Shape(
        source="v nats:s", worker="run", offset_type="BIGINT", predictions=ROWS, key=(), tables={}
    )
    with sink(server, subject, other) as opened:
        assert opened.positions(["a"]) == {}


def test_it_goes_on_when_the_bus_comes_back():
    with nats_server() as server:
        make(server, "out")
        with sink(server, "out") as opened:
            opened.write(outcome({"a": (None, 3)}))
            server.kill()
            server.start()
            opened.write(outcome({"a": (3, 6)}))
            assert opened.positions(["a"]) == {"a": 6}
        assert [each["event_offset"] for each in messages(server, "out")] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("name", "settings", "reason"),
    [
        ("plain", {"allow_atomic": False}, "has no atomic batches"),
        ("aged", {"max_age": 10**12}, "drops messages by max_age, and positions with them"),
        ("narrow", {"subjects": ["narrow"]}, r"does not take narrow\.>"),
    ],
)
def test_streams_that_could_lose_positions_are_refused(server, name, settings, reason):
    make(server, name, **settings)
    with pytest.raises(StreamError, match=reason), sink(server, name):
        pass


def test_a_batch_whose_answer_is_lost_is_published_once(server, subject):
    """It was stored: to send it again finds its own position there, and not another worker's."""
    with losing_answers(server.port) as way:
        section = SinkSection(to=f"nats://127.0.0.1:{way.port}/{subject}")
        opened = open_sink(section, Path())
        try:
            opened.open(SHAPE)
            opened.write(outcome({"a": (None, 2)}))
            way.lose(b'"batch":')
            opened.write(outcome({"a": (2, 4)}))
            assert way.lost == 1
            opened.write(outcome({"a": (4, 5)}))
        finally:
            opened.close()
    assert [each["event_offset"] for each in messages(server, subject)] == [1, 2, 3, 4, 5]


def test_what_a_subject_cannot_keep_is_refused(server):
    tables = {"alerts": pa.schema([("event_partition", pa.string())])}
    for shape, reason in (
        (
            Shape(
                source="w",
                worker="r",
                offset_type="BIGINT",
                predictions=ROWS,
                key=("p",),
                tables={},
            ),
            "id",
        ),
        (
            Shape(
                source="w",
                worker="r",
                offset_type="BIGINT",
                predictions=ROWS,
                key=(),
                tables=tables,
            ),
            "alerts",
        ),
    ):
        with pytest.raises(StreamError, match=reason), sink(server, "out", shape):
            pass
    with (
        pytest.raises(StreamError, match="No stream takes the subject elsewhere"),
        sink(server, "elsewhere"),
    ):
        pass
    with pytest.raises(StreamError, match="has no subject"):
        open_sink(SinkSection(to="nats://127.0.0.1"), Path())


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.1 + 0.2, b"0.30000000000000004"),
        (float("nan"), b'"NaN"'),
        (float("-inf"), b'"-Infinity"'),
        (2**63 - 1, b"9223372036854775807"),
        (Decimal("1.10"), b'"1.10"'),
        (datetime(2026, 1, 1, 12), b'"2026-01-01T12:00:00"'),  # noqa: DTZ001 - a value of a row
        ([b"\xff", None], b'["/w==",null]'),
        ({"a": "ü"}, '{"a":"ü"}'.encode()),
    ],
)
def test_values_are_written_so_that_none_is_lost(value, written):
    assert json_line({"x": value}) == b'{"x":%s}' % written


DEATHS = ((OPEN, 1), (OPEN, 3), (ASKED, 2), (ANSWERED, 1))
FILES = ("a.jsonl", "b.jsonl")
EACH = 200


def test_killed_workers_lose_and_repeat_nothing(flights):
    for file, begin in zip(FILES, (0, EACH), strict=True):
        flights.append(map(event, range(begin, begin + EACH)), file)
        flights.append([b"no JSON"], file)
    with nats_server() as server:
        make(server, "out")
        flights.define(sink=f"{server.url}/out", most=20)
        with workers(flights.path, flights.registry) as started:
            for dies in DEATHS:
                assert started.end(started.start(dies=dies)) < 0, started.log.read_text()
            there = len(messages(server, "out"))
            last = started.start("--until-empty")
            until(lambda: len(messages(server, "out")) > there, started.log.read_text)
            server.kill()
            server.start()
            assert started.end(last) == 0, started.log.read_text()
        rows = messages(server, "out")
        dead = messages(server, "out.dead")
    found = [(row["flight_id"], row["late"], row["p"], row["sign"]) for row in rows]
    assert exact(found) == flights.expected(range(2 * EACH))
    assert sorted(each["event_partition"] for each in dead) == list(FILES)
    for file in FILES:
        order = [row["event_offset"] for row in rows if row["event_partition"] == file]
        assert order == sorted(set(order))
