"""Events in Protobuf: what its library wrote is read, and other writers' numbers are not."""

from datetime import UTC, datetime

import pytest
from broken_events import broken, decode, edits, open_events, reason, row
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from hypothesis import given
from hypothesis import strategies as st

from foresql.errors import StreamError

ONE, MANY, NEEDED = Field.LABEL_OPTIONAL, Field.LABEL_REPEATED, Field.LABEL_REQUIRED
NUMBERS = {
    "double": Field.TYPE_DOUBLE,
    "float": Field.TYPE_FLOAT,
    "int32": Field.TYPE_INT32,
    "sint32": Field.TYPE_SINT32,
    "uint32": Field.TYPE_UINT32,
    "fixed32": Field.TYPE_FIXED32,
    "int64": Field.TYPE_INT64,
    "sfixed64": Field.TYPE_SFIXED64,
    "uint64": Field.TYPE_UINT64,
    "bool": Field.TYPE_BOOL,
    "string": Field.TYPE_STRING,
    "bytes": Field.TYPE_BYTES,
}
TIMESTAMP = ".google.protobuf.Timestamp"
PIECES = [
    b"\x01",
    b"\x80",
    b"\xff" * 9 + b"\x01",
    b"\x08\x05",
    b"\xff\xff\xff\xff\x7f",
    b"\x0b\x0c",
]


def message_of(name, fields, **others):
    """Describe a message: fields are (name, type or name of a message, label, further keys)."""
    made = descriptor_pb2.DescriptorProto(name=name, **others)
    for number, (called, type_, label, keys) in enumerate(fields, 1):
        kind = {"type": NUMBERS[type_]} if type_ in NUMBERS else {"type_name": type_}
        made.field.add(name=called, number=number, label=label, **kind, **keys)
    return made


def one(name, type_, **keys):
    """Describe a field with one value."""
    return name, type_, ONE, keys


PART = message_of("Part", [one("v", "double"), ("tags", "string", MANY, {})])
STATE = descriptor_pb2.EnumDescriptorProto(
    name="State",
    value=[
        descriptor_pb2.EnumValueDescriptorProto(name="OFF", number=0),
        descriptor_pb2.EnumValueDescriptorProto(name="ON", number=1),
    ],
)
READING = message_of(
    "Reading",
    [
        *(one(name, name) for name in NUMBERS),
        one("at", TIMESTAMP),
        one("state", ".shop.State", type=Field.TYPE_ENUM),
        one("boxed", ".google.protobuf.DoubleValue"),
        one("maybe", "double", proto3_optional=True, oneof_index=1),
        one("left", "int32", oneof_index=0),
        one("right", "string", oneof_index=0),
        one("part", ".shop.Part"),
        ("parts", ".shop.Part", MANY, {}),
        ("numbers", "int32", MANY, {}),
    ],
    oneof_decl=[{"name": "side"}, {"name": "_maybe"}],
)
FILE = descriptor_pb2.FileDescriptorProto(
    name="shop.proto",
    package="shop",
    syntax="proto3",
    dependency=["google/protobuf/timestamp.proto", "google/protobuf/wrappers.proto"],
    message_type=[PART, READING],
    enum_type=[STATE],
)
EMPTY = {
    **dict.fromkeys(("double", "float"), 0.0),
    **dict.fromkeys(("int32", "sint32", "uint32", "fixed32", "int64", "sfixed64", "uint64"), 0),
    "bool": False,
    "string": "",
    "bytes": b"",
    "at": None,
    "state": "OFF",
    "boxed": None,
    "maybe": None,
    "left": None,
    "right": None,
    "part": None,
    "parts": [],
    "numbers": [],
}


def write_schema(folder, *files):
    """Write a descriptor set as protoc does."""
    made = descriptor_pb2.FileDescriptorSet(file=files)
    (folder / "shop.desc").write_bytes(made.SerializeToString())


def open_messages(folder, *files, message="shop.Reading", **section):
    """Read messages of files."""
    write_schema(folder, *files)
    return open_events(folder, format="protobuf", schema="shop.desc", message=message, **section)


def open_one(folder, *fields, syntax="proto3", **section):
    """Read a message with some fields."""
    made = descriptor_pb2.FileDescriptorProto(
        name="shop.proto", package="shop", syntax=syntax,
        dependency=["google/protobuf/timestamp.proto"],
        message_type=[message_of("Reading", fields), PART],
    )  # fmt: skip
    if syntax == "proto2":
        made.enum_type.append(STATE)
    return open_messages(folder, made, **section)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """Read all types."""
    return open_messages(tmp_path_factory.mktemp("protobuf"), FILE)


@pytest.fixture(scope="module")
def reading():
    """Give the library's own class."""
    pool = descriptor_pool.DescriptorPool()
    for name in ("timestamp", "wrappers"):
        module = __import__(f"google.protobuf.{name}_pb2", fromlist=["DESCRIPTOR"])
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(FILE.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Reading"))


def whole(reading):
    """Fill every field."""
    event = reading(
        double=1.5, float=0.5, int32=-1, sint32=-(2**31), uint32=2**32 - 1, fixed32=7,
        int64=-(2**63), sfixed64=5, uint64=2**63 - 1, bool=True, string="pump", bytes=b"\xff",
        state=1, maybe=0.0, right="r", part={"v": 2.5, "tags": ["a"]}, parts=[{}, {"v": 1}],
        numbers=[1, -1],
    )  # fmt: skip
    event.at.FromMicroseconds(1_704_067_200_123_456)
    event.boxed.value = 0.0
    return event


def test_all_types(reader, reading):
    """Each value arrives; what has presence and is not there is NULL, and else the default."""
    assert row(reader, b"") == EMPTY
    assert row(reader, whole(reading).SerializeToString()) == {
        "double": 1.5,
        "float": 0.5,
        "int32": -1,
        "sint32": -(2**31),
        "uint32": 2**32 - 1,
        "fixed32": 7,
        "int64": -(2**63),
        "sfixed64": 5,
        "uint64": 2**63 - 1,
        "bool": True,
        "string": "pump",
        "bytes": b"\xff",
        "state": "ON",
        "boxed": 0.0,
        "maybe": 0.0,
        "at": datetime(2024, 1, 1, 0, 0, 0, 123456, tzinfo=UTC),
        "left": None,
        "right": "r",
        "part": {"v": 2.5, "tags": ["a"]},
        "parts": [{"v": 0.0, "tags": []}, {"v": 1.0, "tags": []}],
        "numbers": [1, -1],
    }


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "double": st.floats(),
            "float": st.floats(width=32),
            "int32": st.integers(-(2**31), 2**31 - 1),
            "uint64": st.integers(0, 2**63 - 1),
            "string": st.text(),
            "numbers": st.lists(st.integers(-(2**31), 2**31 - 1), max_size=5),
        },
    ),
    edits(PIECES),
)
def test_rows_are_what_the_library_reads(reader, reading, changes, edited):
    """A row has the values of the library, whatever the bytes."""
    event = whole(reading)
    event.ClearField("numbers")
    event.MergeFrom(reading(**changes))
    payload = event.SerializeToString()
    found = row(reader, payload)
    assert repr(found["numbers"]) == repr(changes.get("numbers", []))
    damaged = broken(payload, edited)
    for found in decode(reader, [payload, damaged, payload]).rows.to_pylist()[1:-1]:
        read = reading.FromString(damaged)
        assert {name: repr(found[name]) for name in NUMBERS} == {
            name: repr(getattr(read, name)) for name in NUMBERS
        }
        assert found["numbers"] == list(read.numbers)
        assert found["maybe"] is not None or not read.HasField("maybe")


@pytest.mark.parametrize(
    ("type_", "payload", "why"),
    [
        ("string", b"\x0a\x02\xff\xfe", "It is no shop.Reading"),
        ("string", b"\x0a\xff\xff\xff\xff\x07ab", "It is no shop.Reading"),
        ("int64", b"\x08" + b"\xff" * 10 + b"\x01", "It is no shop.Reading"),
        ("int32", b"\x08\x80\x80\x80\x80\x20", "a has a number that does not fit"),
        ("uint32", b"\x08\x80\x80\x80\x80\x10", "a has a number that does not fit"),
        ("bool", b"\x08\x05", "a has a number that does not fit"),
        ("int64", b"\x08\x01\x08\x02", "a is there twice"),
        ("int64", b"\x09" + bytes(8), "a is written as another type"),
        ("double", b"\x08\x01", "a is written as another type"),
        ("int64", b"\x0a\x01\x01", "a is written as another type"),
        ("uint64", b"\x08" + b"\xff" * 9 + b"\x01", "a does not fit BIGINT"),
        (TIMESTAMP, b"\x0a\x02\x10\x01", "nanoseconds"),
        (TIMESTAMP, b"\x0a\x0a\x08" + b"\xff" * 8 + b"\x7f", "1 to 9999"),
        (TIMESTAMP, b"\x0a\x02\x08\x01\x0a\x02\x08\x02", "a is there twice"),
        (TIMESTAMP, b"\x0a\x09\x09" + bytes(8), "a: seconds is written as another type"),
        (".shop.Part", b"\x0a\x02\x08\x01", "a: v is written as another type"),
        (".shop.Part", b"\x0a\x04\x12\x02\xff\xff", "It is no shop.Reading"),
    ],
)
def test_other_writers_numbers(tmp_path, type_, payload, why):
    """What the library takes for a value of another meaning is a dead letter."""
    assert why in reason(open_one(tmp_path, one("a", type_)), payload)


def test_deep_nesting(tmp_path):
    """It ends where the library ends."""
    payload = b""
    for _ in range(200):
        length = len(payload)
        payload = b"\x12" + bytes([length & 127 | 128, length >> 7]) + payload
    reader = open_one(
        tmp_path, one("a", "int64"), one("b", ".shop.Reading"), columns={"a": "BIGINT"}
    )
    assert reason(reader, payload) == "It is no shop.Reading."
    assert row(reader, b"\x08\x05\x12\x00") == {"a": 5}


def test_numbers_in_packs(tmp_path):
    """They are checked whether they are written together or one by one."""
    reader = open_one(tmp_path, ("a", "int32", MANY, {}))
    assert row(reader, b"\x0a\x02\x01\x02") == row(reader, b"\x08\x01\x08\x02") == {"a": [1, 2]}
    assert "does not fit" in reason(reader, b"\x0a\x06\x01\x80\x80\x80\x80\x20")


def test_zeros_and_unknown_fields(tmp_path):
    """A zero that is written is a zero; what is unknown is ignored, or refused, also in groups."""
    unknown = b"\x98\x06\x01\xa3\x06\x08\x01\xa3\x06\x12\x01a\xa4\x06\xa4\x06"
    fields = [one("a", "int64"), one("p", ".shop.Part")]
    reader = open_one(tmp_path, *fields, columns={"a": "BIGINT"})
    assert row(reader, b"\x08\x00") == {"a": 0}
    assert row(reader, unknown + b"\x08\x05") == {"a": 5}
    assert "twice" in reason(reader, unknown + b"\x08\x05\x08\x05")
    reader = open_one(tmp_path, *fields, unknown="refuse")
    assert "no field with the number 99" in reason(reader, unknown + b"\x08\x05")
    assert "p: The schema has no field" in reason(reader, b"\x12\x02\x40\x01")


def test_proto2(tmp_path):
    """What is not there is NULL or the schema's own default; what is required must be there."""
    fields = [
        ("a", "int64", NEEDED, {}),
        one("b", "int64"),
        one("c", "int64", default_value="5"),
        one("s", ".shop.State", type=Field.TYPE_ENUM),
    ]
    reader = open_one(tmp_path, *fields, syntax="proto2")
    assert row(reader, b"\x08\x01") == {"a": 1, "b": None, "c": 5, "s": None}
    assert row(reader, b"\x08\x01\x10\x00\x18\x00\x20\x01") == {"a": 1, "b": 0, "c": 0, "s": "ON"}
    assert reason(reader, b"") == "Required fields are missing: a."
    assert "s has a number that does not fit" in reason(reader, b"\x08\x01\x20\x07")
    text = open_one(tmp_path, one("a", "string"), syntax="proto2")
    assert reason(text, b"\x0a\x02\xff\xfe") == "a does not fit VARCHAR: it is not UTF-8."


def test_open_enums(reader, reading):
    """A number without a name is a dead letter."""
    assert "none of the enum's values" in reason(reader, reading(state=7).SerializeToString())


def test_framing(tmp_path):
    """Behind the schema's number stands which message of its file it is."""
    inner = message_of("Inner", [one("a", "int64")])
    outer = message_of("Outer", [one("i", ".shop.Outer.Inner")], nested_type=[PART, inner])
    made = descriptor_pb2.FileDescriptorProto(
        name="shop.proto", package="shop", syntax="proto3", message_type=[inner, PART, outer]
    )
    section = {"framing": "confluent", "writers": {"300": "shop.desc"}}
    header = b"\0\0\0\x01\x2c"
    reader = open_messages(tmp_path, made, message="shop.Inner", **section)
    for index in (b"\0", b"\x02\0"):
        assert row(reader, header + index + b"\x08\x05") == {"a": 5}
    assert "another message" in reason(reader, header + b"\x02\x02\x08\x05")
    assert "schema 301" in reason(reader, b"\0\0\0\x01\x2d\0\x08\x05")
    reader = open_messages(tmp_path, made, message="shop.Outer.Inner", **section)
    assert row(reader, header + b"\x04\x04\x02" + b"\x08\x05") == {"a": 5}


@pytest.mark.parametrize(
    ("field", "why"),
    [
        (one("a", ".shop.Reading"), "shop.Reading holds itself"),
        (one("a", ".google.protobuf.Duration"), "Duration is no type of a column"),
        (one("a", ".google.protobuf.Struct"), "its field fields: maps are no columns"),
        (one("a", ".google.protobuf.Empty"), "it has no fields"),
    ],
)
def test_fields_that_are_no_columns(tmp_path, field, why):
    """They are refused by name."""
    made = descriptor_pb2.FileDescriptorProto(
        name="shop.proto", package="shop", syntax="proto3",
        message_type=[message_of("Reading", [field])],
        dependency=[f"google/protobuf/{name}.proto" for name in ("duration", "struct", "empty")],
    )  # fmt: skip
    with pytest.raises(StreamError, match=why):
        open_messages(tmp_path, made)


def test_files_that_are_no_schemas(tmp_path):
    """They are refused with what to write."""
    with pytest.raises(
        StreamError, match=r"there is no 'shop\.None' in .*\['shop\.Reading', 'shop"
    ):
        open_one(tmp_path, one("a", "int64"), message="shop.None")
    (tmp_path / "shop.desc").write_bytes(b"message Reading { }")
    section = {"format": "protobuf", "schema": "shop.desc", "message": "shop.Reading"}
    with pytest.raises(StreamError, match="--include_imports"):
        open_events(tmp_path, **section)
    made = descriptor_pb2.FileDescriptorProto(name="shop.proto", dependency=["other.proto"])
    write_schema(tmp_path, made)
    with pytest.raises(StreamError, match="--include_imports"):
        open_events(tmp_path, **section)
    with pytest.raises(StreamError, match="cannot be read"):
        open_events(tmp_path, format="protobuf", schema="none.desc", message="shop.Reading")
