"""What all sinks do: batches once or not at all, and every value as it was."""

import math
import struct
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from event_sinks import (
    PREDICTIONS,
    SHAPE,
    STATE,
    batch,
    dead,
    opened,
    predictions,
    sink_at,
    written,
)
from postgres_server import postgres_server
from torn_block import mend_torn_block

from foresql.errors import StreamError
from foresql.streams.events.claims import CLAIMS
from foresql.streams.events.records import Forgotten, Move, MovedError

SUPPORT = Path(__file__).parents[2] / "support"
DUCKDB, PARQUET = "duckdb:scores.duckdb", "parquet:scores"
SINKS = ("duckdb", "postgres", "parquet")


@pytest.fixture(scope="module")
def server():
    with postgres_server() as server:
        yield server


class Place:
    """A sink that is empty, and how to read it."""

    def __init__(self, address, folder, server=None):
        self.address, self.folder, self._server = address, folder, server
        self._open = []

    def sink(self, shape=SHAPE, **options):
        sink = opened(self.address, self.folder, shape, **options)
        self._open.append(sink)
        return sink

    def close(self):
        for sink in self._open:
            sink.close()

    def rows(self, name="predictions"):
        """Read a table, closing the file first."""
        self.close()
        if self._server is None:
            return written(self.address, self.folder, name).to_pylist()
        import psycopg
        from psycopg.rows import dict_row

        with psycopg.connect(self._server.address, row_factory=dict_row) as connection:
            return connection.execute(f"SELECT * FROM {name}").fetchall()


@contextmanager
def place_of(kind, folder, request):
    if kind != "postgres":
        place = Place({"duckdb": DUCKDB, "parquet": PARQUET}[kind], folder)
    else:
        server = request.getfixturevalue("server")
        server.psql("DROP SCHEMA IF EXISTS foresql CASCADE; DROP SCHEMA public CASCADE")
        server.psql("CREATE SCHEMA public")
        place = Place(server.address, folder, server)
    yield place
    place.close()


@pytest.fixture(params=SINKS)
def place(request, tmp_path):
    with place_of(request.param, tmp_path, request) as place:
        yield place


@pytest.fixture(params=["duckdb", "postgres"])
def database(request, tmp_path):
    with place_of(request.param, tmp_path, request) as place:
        yield place


def offsets(place):
    return sorted((row["event_partition"], row["event_offset"]) for row in place.rows())


def test_a_batch_moves_its_partition(place):
    sink = place.sink()
    assert sink.positions(["0", "1"]) == {}
    assert sink.write(batch("0", None, 9)) == 0
    sink.write(batch("0", 9, 11, dead=dead("0", 11)))
    assert sink.positions(["0", "1"]) == {"0": 11}
    sink.close()
    assert place.sink().positions(["0"]) == {"0": 11}
    assert offsets(place) == [("0", number) for number in range(12)]


def test_a_batch_that_another_wrote_is_not_written_again(place):
    one, two = place.sink(), place.sink(replace(SHAPE, worker="two"))
    assert two.positions(["0"]) == {}
    one.write(batch("0", None, 4))
    with pytest.raises(MovedError, match="moved the position of 0"):
        two.write(batch("0", None, 7, dead=dead("0", 7)))
    assert two.positions(["0"]) == {"0": 4}
    two.write(batch("0", 4, 7))
    for before in (None, 4, 6, 8):
        with pytest.raises(MovedError):
            one.write(batch("0", before, 9))
    assert offsets(place) == [("0", number) for number in range(8)]


def test_dead_letters_come_with_their_batch(place):
    sink = place.sink()
    nothing = PREDICTIONS.empty_table()
    sink.write(batch("a/b c", None, 3, predictions=nothing, dead=dead("a/b c", 3)))
    assert sink.positions(["a/b c"]) == {"a/b c": 3}
    [row] = place.rows("foresql.dead_letters")
    assert row["source"] == SHAPE.source
    assert (row["event_partition"], row["event_offset"]) == ("a/b c", "3")
    assert row["published"] == datetime.fromtimestamp(1_700_000_000, UTC).replace(tzinfo=None)
    assert (row["step"], row["reason"], bytes(row["payload"])) == (
        "decode",
        "no JSON",
        b"\x00\xff{",
    )


def test_positions_count_events_and_name_the_worker(database):
    sink = database.sink()
    moves, events = {"0": Move(None, 5)}, {"0": 6}
    sink.write(batch("0", None, 4, dead=dead("0", 5), moves=moves, events=events))
    nothing = PREDICTIONS.empty_table()  # WHERE leaves both out
    sink.write(batch("0", 5, 7, predictions=nothing))
    [row] = database.rows("foresql.event_positions")
    assert (row["last_offset"], row["events"], row["worker"]) == ("7", 8, "one")


def test_a_batch_of_several_partitions(place):
    sink = place.sink()
    rows = pa.concat_tables([predictions("x", range(3)), predictions("y", range(5))])
    moves = {"x": Move(None, 2), "y": Move(None, 4)}
    sink.write(batch("x", None, 2, predictions=rows, moves=moves))
    assert sink.positions(["y", "x"]) == {"x": 2, "y": 4}
    assert len(offsets(place)) == 8


def test_one_partition_that_moved_keeps_all_of_a_batch_out(place):
    one, two = place.sink(), place.sink()
    one.write(batch("y", None, 2))
    rows = pa.concat_tables([predictions("x", range(3)), predictions("y", range(5))])
    moves = {"x": Move(None, 2), "y": Move(None, 4)}
    with pytest.raises(MovedError):
        two.write(batch("x", None, 2, predictions=rows, moves=moves))
    assert two.positions(["x", "y"]) == {"y": 2}
    assert len(offsets(place)) == 3


def test_texts_as_offsets(place):
    schema = PREDICTIONS.set(1, pa.field("event_offset", pa.string()))
    sink = place.sink(replace(SHAPE, offset_type="VARCHAR", predictions=schema))
    for before, after in ((None, "007"), ("007", "0a%")):
        rows = pa.table([["0"], [after], [0.5], [after]], schema=schema)
        sink.write(batch("0", None, 0, predictions=rows, moves={"0": Move(before, after)}))
        assert sink.positions(["0"]) == {"0": after}
    assert [row["event_offset"] for row in sorted(place.rows(), key=str)] == ["007", "0a%"]


def states(*rows):
    columns = zip(*rows, strict=True)
    return pa.Table.from_arrays(
        [pa.array(c, t) for c, t in zip(columns, STATE.types, strict=True)], schema=STATE
    )


def test_further_tables_keep_what_is_not_forgotten(database):
    kept = replace(SHAPE, tables={"state": STATE})
    sink = database.sink(kept)
    times = [datetime(2026, 1, 1, 0, minute) for minute in range(4)]  # noqa: DTZ001 - UTC, as stored
    rows = states(*[(name, at, Decimal("0.125")) for name in "01" for at in times])
    both = batch("0", None, 1, moves={"0": Move(None, 1), "1": Move(None, 1)})
    sink.write(replace(both, tables={"state": rows}))
    forgotten = {"state": Forgotten("at", {"0": times[2]})}
    sink.write(batch("0", 1, 2, forgotten=forgotten))
    later = states(("0", datetime(2026, 1, 2), None))  # noqa: DTZ001
    sink.write(batch("0", 2, 3, tables={"state": later}))
    sink.close()
    sink = database.sink(kept)
    found = sink.read("state", ["0"])
    assert found.schema == STATE
    assert sorted(found.column("at").to_pylist()) == [*times[2:], datetime(2026, 1, 2)]  # noqa: DTZ001
    assert found.column("value").to_pylist().count(Decimal("0.125")) == 2
    assert sink.read("state", ["0", "1"]).num_rows == 7
    assert sink.read("state", ["2"]).num_rows == 0


FIRST, LAST = datetime.min, datetime.max  # noqa: DTZ901 - UTC, as stored
VALUES = {
    "double": ([math.nan, -0.0, math.inf, -math.inf, 5e-324, 0.1, None], pa.float64()),
    "real": ([math.nan, -0.0, math.inf, 1e-45, 0.1, None, 3.4e38], pa.float32()),
    "big": ([2**63 - 1, -(2**63), 0, None, 1, 2, 3], pa.int64()),
    "exact": ([Decimal("-0.01"), Decimal("9" * 16 + ".99"), *[None] * 5], pa.decimal128(18, 2)),
    "moment": (
        [FIRST, LAST, *[None] * 5],
        pa.timestamp("us"),
    ),
    "day": ([date(1, 1, 1), date(9999, 12, 31), *[None] * 5], pa.date32()),
    "words": (["", "\\N", "a\tb\nc\r\\", "NULL", "ä€😀", None, "'\""], pa.string()),
    "truth": ([True, False, None, None, True, False, True], pa.bool_()),
    "blob": ([b"", b"\x00\xff", b"\\x41", None, b"\n", b"\t", b"'"], pa.binary()),
    "many": ([[], [-0.0, None], [math.nan], None, [0.1], [1.0], [2.0]], pa.list_(pa.float64())),
}


def bits(value, width="d"):
    """Write a value so that those are equal whose bits are; one NaN is as good as another."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack(width, value)
    if isinstance(value, list):
        return [bits(each) for each in value]
    return bytes(value) if isinstance(value, memoryview) else value


def with_columns(columns):
    schema, rows = PREDICTIONS, predictions("0", range(7))
    for name, (values, kind) in columns.items():
        schema = schema.append(pa.field(name, kind))
        rows = rows.append_column(name, pa.array(values, kind))
    return replace(SHAPE, predictions=schema), rows


def test_values_arrive_bit_for_bit(place):
    shape, rows = with_columns(VALUES)
    sink = place.sink(shape)
    sink.write(batch("0", None, 6, predictions=rows))
    found = sorted(place.rows(), key=lambda row: row["event_offset"])
    for name, (values, kind) in VALUES.items():
        width = "f" if kind == pa.float32() else "d"
        stored = [bits(row[name], width) for row in found]
        assert stored == [bits(value, width) for value in values], name


PROBABILITIES = (
    [{"a": 0.1, "b": -0.0}, *[None] * 6],
    pa.struct([("a", pa.float64()), ("b", pa.float64())]),
)


@pytest.mark.parametrize("address", [DUCKDB, PARQUET])
def test_structs_arrive_as_they_are(address, tmp_path):
    shape, rows = with_columns({"p": PROBABILITIES})
    sink = opened(address, tmp_path, shape)
    sink.write(batch("0", None, 6, predictions=rows))
    sink.close()
    found = written(address, tmp_path).sort_by("event_offset").column("p").to_pylist()
    assert found == PROBABILITIES[0]
    assert math.copysign(1, found[0]["b"]) == -1


def test_postgres_refuses_structs_by_name(server, tmp_path):
    shape, _ = with_columns({"p": PROBABILITIES})
    with pytest.raises(StreamError, match="no type for the column p of predictions"):
        opened(server.address, tmp_path, shape)


def test_parquet_refuses_what_it_cannot_keep(tmp_path):
    shape, _ = with_columns({"d": ([None] * 7, pa.duration("us"))})
    with pytest.raises(StreamError, match=r"no place for the column d"):
        opened(PARQUET, tmp_path, shape)
    with pytest.raises(StreamError, match=r"Windows and alerts keep tables \(state\)"):
        opened(PARQUET, tmp_path, replace(SHAPE, tables={"state": STATE}))
    with pytest.raises(StreamError, match=r"\[events\] id needs a sink that finds an event"):
        opened(PARQUET, tmp_path, replace(SHAPE, key=("event_id",)))


def test_values_that_have_no_type_are_refused(place):
    shape, _ = with_columns({"n": ([None] * 7, pa.null())})
    with pytest.raises(StreamError, match="The column n of the predictions has no type"):
        place.sink(shape)


def test_dictionaries_are_kept_as_their_values(place):
    kind = pa.dictionary(pa.int8(), pa.string())
    shape, rows = with_columns({"model": (["m"] * 7, kind)})
    sink = place.sink(shape)
    sink.write(batch("0", None, 6, predictions=rows))
    assert {row["model"] for row in place.rows()} == {"m"}


def test_an_event_that_was_published_twice_is_scored_once(database):
    keyed = replace(SHAPE, key=("event_id",))
    sink = database.sink(keyed)
    first = predictions("0", range(5), ["a", "b", "a", None, None])
    assert sink.write(batch("0", None, 4, predictions=first)) == 1
    again = predictions("1", range(3), ["b", None, "c"])
    assert sink.write(batch("1", None, 2, predictions=again)) == 1
    assert sink.positions(["0", "1"]) == {"0": 4, "1": 2}
    assert offsets(database) == [("0", 0), ("0", 1), ("0", 3), ("0", 4), ("1", 1), ("1", 2)]


def test_a_key_is_claimed_once(database):
    claiming = replace(SHAPE, tables={"keys": CLAIMS}, claims=("keys",))
    one, two = database.sink(claiming), database.sink(replace(claiming, worker="two"))
    claims = [
        {"keys": pa.table([keys, [partition] * len(keys)], schema=CLAIMS)}
        for partition, keys in (("0", ["a", "b"]), ("1", ["c", "b"]))
    ]
    one.write(batch("0", None, 4, tables=claims[0]))
    with pytest.raises(MovedError, match="moved the position of 1"):
        two.write(batch("1", None, 4, tables=claims[1]))
    assert two.positions(["1"]) == {}
    two.write(batch("1", None, 4, tables={"keys": claims[1]["keys"].slice(0, 1)}))
    found = two.read("keys", ["a", "c", "d"], "key").to_pylist()
    assert sorted((row["key"], row["event_partition"]) for row in found) == [("a", "0"), ("c", "1")]


def test_an_id_that_tells_nothing_apart_is_refused(database):
    sink = database.sink()
    sink.write(batch("0", None, 1, predictions=predictions("0", range(2), ["a", "a"])))
    sink.close()
    with pytest.raises(StreamError, match="cannot tell the rows of predictions apart"):
        database.sink(replace(SHAPE, key=("event_id",)))


def test_a_table_of_other_columns_is_refused_before_anything_is_made(place):
    place.sink().write(batch("0", None, 1))
    place.close()
    changed = SHAPE.predictions.set(2, pa.field("score", pa.float32())).set(
        3, pa.field("other", pa.string())
    )
    with pytest.raises(StreamError) as refused:
        place.sink(replace(SHAPE, predictions=changed))
    said = str(refused.value)
    assert "it has no column other" in said
    assert "it has a column event_id, which is not written" in said
    assert "its column score is " in said
    assert place.sink().positions(["0"]) == {"0": 1}


def test_names_are_compared_as_the_database_does(database):
    database.sink(table="Scores").close()
    renamed = pa.schema([field.with_name(field.name.upper()) for field in PREDICTIONS])
    shape = replace(SHAPE, predictions=renamed)
    if "duckdb" in database.address:
        database.sink(shape, table="sCORES")
    else:
        with pytest.raises(StreamError, match="it has no column EVENT_PARTITION"):
            database.sink(shape, table="Scores")
        database.sink(table="sCORES")


def test_a_view_in_the_place_of_a_table_is_refused(tmp_path):
    with duckdb.connect(tmp_path / "scores.duckdb") as connection:
        connection.execute("CREATE VIEW predictions AS SELECT 1 AS a")
    with pytest.raises(StreamError, match="it is a view"):
        opened(DUCKDB, tmp_path)


def test_no_sink_of_that_kind(tmp_path):
    for address in ("mysql://a/b", "duckdb:", "scores.duckdb", "parquet:"):
        with pytest.raises(StreamError, match=r"is no sink\. Write one of: duckdb:"):
            sink_at(address, tmp_path)


def writer(place, *arguments):
    return subprocess.Popen(
        [sys.executable, SUPPORT / "event_sinks.py", place.address, place.folder, *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_workers_that_share_a_partition_are_killed_and_nothing_is_twice(place):
    one, two = (writer(place, "0", "100000", size) for size in ("7", "5"))
    for _ in range(4):
        assert one.stdout.readline()
        assert two.stdout.readline()
    one.kill()
    for _ in range(4):
        assert two.stdout.readline()
    two.kill()
    for each in (one, two):
        each.communicate()
    if place.address == DUCKDB:
        mend_torn_block(place.folder / "scores.duckdb")
    sink = place.sink()
    last = sink.positions(["0"])["0"]
    sink.write(batch("0", last, last + 1))
    assert offsets(place) == [("0", number) for number in range(last + 2)]
    letters = [int(row["event_offset"]) for row in place.rows("foresql.dead_letters")]
    assert len(letters) == len(set(letters))
    assert last in letters
