"""Events in Avro: what fastavro wrote is read, and bytes that nobody writes are dead letters."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from operator import itemgetter

import fastavro
import pytest
from broken_events import broken, decode, edits, open_events, reason, row
from hypothesis import given
from hypothesis import strategies as st

from foresql.errors import StreamError

FIELDS = [
    {"name": "id", "type": "string"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "local", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
    {"name": "x", "type": ["null", "double"]},
    {"name": "f", "type": "float"},
    {"name": "n", "type": "long"},
    {"name": "i", "type": ["int", "null"]},
    {"name": "ok", "type": "boolean"},
    {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["ON", "OFF"]}},
    {"name": "before", "type": ["null", "State"]},
    {"name": "day", "type": {"type": "int", "logicalType": "date"}},
    {
        "name": "price",
        "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2},
    },
    {"name": "raw", "type": {"type": "fixed", "name": "Raw", "size": 2}},
    {
        "name": "parts",
        "type": {
            "type": "array",
            "items": {
                "type": "record",
                "name": "Part",
                "fields": [{"name": "v", "type": ["null", "double"]}],
            },
        },
    },
]
SCHEMA = {"type": "record", "name": "Reading", "namespace": "shop", "fields": FIELDS}
EVENT = {
    "id": "pump",
    "at": datetime(2024, 1, 1, 0, 0, 0, 123456, tzinfo=UTC),
    "local": datetime(2024, 1, 1, 12),  # noqa: DTZ001 - a local time has no zone
    "x": None,
    "f": 0.5,
    "n": -(2**63),
    "i": 7,
    "ok": True,
    "state": "OFF",
    "before": None,
    "day": date(2024, 2, 29),
    "price": Decimal("-1.25"),
    "raw": b"\0\xff",
    "parts": [{"v": 1.5}, {"v": None}],
}
PARSED = fastavro.parse_schema(SCHEMA)
PLAIN = fastavro.parse_schema(
    SCHEMA | {"fields": [each for each in FIELDS if each["name"] != "price"]}
)
PIECES = [b"\x01", b"\x02", b"\x03", b"\x80", b"\x80\x00", b"\xff" * 9 + b"\x01", b"\xff" * 12]


def written(schema=PARSED, **changes) -> bytes:
    """Write an event as fastavro does."""
    stream = BytesIO()
    fastavro.schemaless_writer(stream, schema, EVENT | changes)
    return stream.getvalue()


def open_schema(folder, fields, **section):
    """Read events of a schema."""
    schema = {"type": "record", "name": "Reading", "fields": fields}
    (folder / "reading.avsc").write_text(json.dumps(schema))
    return open_events(folder, format="avro", schema="reading.avsc", **section)


def field(type_, **others):
    """Give a schema with one field."""
    return [{"name": "a", "type": type_, **others}]


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """Read all types."""
    folder = tmp_path_factory.mktemp("avro")
    (folder / "reading.avsc").write_text(json.dumps(SCHEMA))
    return open_events(folder, format="avro", schema="reading.avsc")


@pytest.fixture(scope="module")
def plain_reader(tmp_path_factory):
    """Read all types of which each value is written in one way: a decimal may have more bytes."""
    folder = tmp_path_factory.mktemp("avro")
    return open_schema(folder, [each for each in FIELDS if each["name"] != "price"])


def test_all_types(reader):
    """Each value arrives, by its logical type."""
    assert row(reader, written()) == EVENT
    assert str(reader.schema.field("at").type) == "timestamp[us, tz=UTC]"
    assert str(reader.schema.field("local").type) == "timestamp[us]"
    assert str(reader.schema.field("price").type) == "decimal128(12, 2)"
    assert str(reader.schema.field("i").type) == "int32"


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "id": st.text(),
            "at": st.datetimes().map(lambda each: each.replace(tzinfo=UTC)),
            "x": st.floats(allow_nan=False),
            "f": st.floats(width=32, allow_nan=False),
            "n": st.integers(-(2**63), 2**63 - 1),
            "day": st.dates(),
            "parts": st.lists(st.builds(dict, v=st.none() | st.just(2.0)), max_size=5),
        },
    ),
    edits(PIECES),
)
def test_what_is_a_row_is_written_as_it_was(plain_reader, changes, edited):
    """A payload is a row exactly if it is what fastavro writes for that row."""
    event = {name: each for name, each in (EVENT | changes).items() if name != "price"}
    whole = written(PLAIN, **changes)
    assert row(plain_reader, whole) == event
    payload = broken(whole, edited)
    rows = decode(plain_reader, [whole, payload, whole]).rows.to_pylist()
    assert rows[0] == rows[-1] == event
    for found in rows[1:-1]:
        assert written(PLAIN, **found) == payload


@given(st.decimals(-(10**9), 10**9, places=2), st.integers(0, 4))
def test_decimals(reader, price, padding):
    """They are taken, also with more bytes than they need."""
    whole = written(price=price)
    assert row(reader, whole) == EVENT | {"price": price}
    number = int(price * 100)
    bytes_ = number.to_bytes(5 + padding, "big", signed=True)
    payload = written(price=Decimal(0)).replace(
        b"\x02\x00\x00\xff", b"%c%s\x00\xff" % (2 * len(bytes_), bytes_)
    )
    assert row(reader, payload) == EVENT | {"price": price}


@pytest.mark.parametrize(
    ("type_", "payload", "why"),
    [
        ("boolean", b"\x02", "a byte of 0 or 1"),
        ("boolean", b"", "ends before"),
        ({"type": "enum", "name": "E", "symbols": ["x", "y"]}, b"\x01", "none of the enum's"),
        ({"type": "enum", "name": "E", "symbols": ["x", "y"]}, b"\x04", "none of the enum's"),
        (["null", "long"], b"\x01\x02", "not those"),
        (["null", "long"], b"\x04\x02", "no record"),
        ("long", b"\x80\x00", "not those"),
        ("long", b"\xff" * 12 + b"\x01", "not those"),
        ("long", b"\xff" * 5, "no record"),
        ("int", b"\x80\x80\x80\x80\x80\x40", "does not fit INTEGER"),
        ("long", b"\x02\x02", "not those"),
        ("string", b"\x04\xff\xfe", "not UTF-8"),
        ("bytes", b"\x80\x80\x80\x80\x80\x80\x80\x80\x20abc", "ends before"),
        ("bytes", b"\x01abc", "ends before"),
        (
            {"type": "array", "items": "long"},
            b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f\x02",
            "ends before",
        ),
        ({"type": "array", "items": "long"}, b"\x03\x02\x02\x04\x00", "not those"),
        ({"type": "long", "logicalType": "timestamp-millis"}, b"\xff" * 9 + b"\x01", "years"),
        (
            {"type": "long", "logicalType": "timestamp-micros"},
            b"\xfe" + b"\xff" * 8 + b"\x01",
            "years",
        ),
        ({"type": "long", "logicalType": "timestamp-nanos"}, b"\x02", "nanoseconds"),
        ({"type": "int", "logicalType": "date"}, b"\xfe\xff\xff\xff\x0f", "years"),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 3, "scale": 1},
            b"\x04\x7f\xff",
            "more digits",
        ),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 3, "scale": 1},
            b"\xd0\x0f" + b"\x7f" * 1000,
            "more digits",
        ),
    ],
)
def test_bytes_that_nobody_writes(tmp_path, type_, payload, why):
    """Where fastavro takes them for something, they are dead letters all the same."""
    assert why in reason(open_schema(tmp_path, field(type_)), payload)


def test_nanoseconds(tmp_path):
    """Whole microseconds are taken."""
    reader = open_schema(tmp_path, field({"type": "long", "logicalType": "timestamp-nanos"}))
    assert row(reader, b"\xd0\x0f")["a"] == datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("type_", "why"),
    [
        (["long", "string"], "union of more than"),
        (["null", "long", "string"], "union of more than"),
        ({"type": "array", "items": "null"}, "take no bytes"),
        ({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}, "take no bytes"),
        (["null", "Reading"], "holds itself"),
        ({"type": "map", "values": "long"}, "maps are no columns"),
        ("null", "null is no type"),
        ({"type": "int", "logicalType": "time-millis"}, "time-millis is no type"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 40}, "1 to 38 digits"),
        ("nonsense", "no Avro schema"),
        ({"type": "array"}, "no Avro schema"),
    ],
)
def test_schemas_that_are_refused(tmp_path, type_, why):
    """They are refused by the name of the field."""
    with pytest.raises(StreamError, match=why):
        open_schema(tmp_path, field(type_))


def test_columns_of_a_schema(tmp_path):
    """Columns choose, widen, and give times their names in UTC; another type is refused."""
    fields = [
        *field({"type": "long", "logicalType": "timestamp-millis"}),
        {"name": "n", "type": "int"},
        {"name": "more", "type": {"type": "map", "values": "string"}},
    ]
    reader = open_schema(tmp_path, fields, columns={"n": "DOUBLE", "a": "TIMESTAMP"}, time="a")
    stream = BytesIO()
    event = {"a": EVENT["at"].replace(microsecond=0), "n": 3, "more": {"x": "y"}}
    parsed = fastavro.parse_schema({"type": "record", "name": "R", "fields": fields})
    fastavro.schemaless_writer(stream, parsed, event)
    assert row(reader, stream.getvalue()) == {"n": 3.0, "a": datetime(2024, 1, 1)}  # noqa: DTZ001
    with pytest.raises(StreamError, match=r"has INTEGER for it, or BIGINT or DOUBLE, not VARCHAR"):
        open_schema(tmp_path, fields, columns={"n": "VARCHAR"})
    with pytest.raises(StreamError, match="no such field; it has"):
        open_schema(tmp_path, fields, columns={"b": "VARCHAR"})
    reader = open_schema(tmp_path, field("long"), columns={"a": "DOUBLE"})
    assert "does not fit DOUBLE" in reason(reader, b"\xfe" + b"\xff" * 8 + b"\x01")


def test_schemas_by_number(tmp_path):
    """Each event is read by the schema that wrote it, and given as the definition's own says."""
    old = [
        {"name": "n", "type": "int"},
        {"name": "gone", "type": "string"},
        {"name": "old_name", "type": {"type": "enum", "name": "E", "symbols": ["y", "x"]}},
    ]
    new = [
        {"name": "state", "type": {"type": "enum", "name": "E", "symbols": ["x", "y"]},
         "aliases": ["old_name"]},
        {"name": "n", "type": "long"},
        {"name": "ok", "type": ["boolean", "null"], "default": True},
        {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["p", "q"]},
         "default": "q"},
        {"name": "tag", "type": ["null", "string"], "default": None},
    ]  # fmt: skip
    parsed = {}
    for name, fields in (("old", old), ("new", new)):
        schema = {"type": "record", "name": "R", "fields": fields}
        (tmp_path / f"{name}.avsc").write_text(json.dumps(schema))
        parsed[name] = fastavro.parse_schema(schema)

    def framed(number, name, event):
        stream = BytesIO()
        fastavro.schemaless_writer(stream, parsed[name], event)
        return b"\0" + number.to_bytes(4, "big") + stream.getvalue()

    reader = open_events(
        tmp_path, format="avro", schema="new.avsc", framing="confluent",
        writers={"7": "old.avsc", "8": "new.avsc"},
    )  # fmt: skip
    after = {"state": "x", "n": 2**40, "ok": False, "kind": "p", "tag": "t"}
    payloads = [
        framed(7, "old", {"n": 1, "gone": "a", "old_name": "y"}),
        framed(8, "new", after),
        framed(7, "old", {"n": 2, "gone": "a", "old_name": "x"}),
        framed(9, "new", after),
        framed(8, "new", after)[5:],
        b"\0\0",
    ]
    decoded = decode(reader, payloads)
    filled = {"ok": True, "kind": "q", "tag": None}
    assert decoded.rows.to_pylist() == [
        {"state": "y", "n": 1} | filled, after, {"state": "x", "n": 2} | filled
    ]  # fmt: skip
    assert decoded.places == [0, 1, 2]
    assert "schema 9" in decoded.dead[0].reason
    assert decode(reader, payloads[3:]).rows.num_rows == 0
    (tmp_path / "other.avsc").write_text(
        json.dumps({"type": "record", "name": "R", "fields": old[:1]})
    )
    with pytest.raises(StreamError, match=r"'state' is in .* and has no plain default"):
        open_events(
            tmp_path, format="avro", schema="new.avsc", framing="confluent",
            writers={"7": "other.avsc"},
        )  # fmt: skip


def test_framing_needs_numbers(tmp_path):
    """A payload that nobody can name the schema of is not read by another."""
    (tmp_path / "reading.avsc").write_text(json.dumps(SCHEMA))
    with pytest.raises(StreamError, match="writers = "):
        open_events(tmp_path, format="avro", schema="reading.avsc", framing="confluent")
    with pytest.raises(StreamError, match="framing = "):
        open_events(tmp_path, format="avro", schema="reading.avsc", writers={"7": "reading.avsc"})
    framed = open_events(columns={"a": "BIGINT"}, framing="confluent")
    rows = decode(framed, [b'\0\0\0\0\x07{"a":1}', b'{"a":1}', b'\0\0\0\0\x08{"a":2}']).rows
    assert list(map(itemgetter("a"), rows.to_pylist())) == [1, 2]
