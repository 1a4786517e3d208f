"""Schemas of events for their fuzzer, and events of them to start from."""

import json
from io import BytesIO
from pathlib import Path

COLUMNS = {
    "s": "VARCHAR",
    "x": "DOUBLE",
    "f": "FLOAT",
    "n": "BIGINT",
    "i": "TINYINT",
    "ok": "BOOLEAN",
    "d": "DECIMAL(9, 2)",
    "day": "DATE",
    "t": "TIMESTAMP",
    "z": "TIMESTAMPTZ",
    "p": "STRUCT(v DOUBLE, l VARCHAR[])[]",
}
MESSAGE = "fuzz.Reading"
SEPARATOR = b"\x1e"
EVENTS = (
    {
        "s": "a:b",
        "x": 1,
        "f": 0.5,
        "n": 9,
        "i": -1,
        "ok": True,
        "d": "1.25",
        "day": "2024-02-29",
        "t": "2024-01-01T00:00:00Z",
        "z": "2024-01-01 00:00:00.5+01:00",
        "p": [{"v": 1e300, "l": ["é", None]}, None],
    },
    {**dict.fromkeys(COLUMNS), "more": {"a:": [1, {"b": "c"}]}},
)
FIELDS = [
    {"name": "s", "type": "string"},
    {"name": "x", "type": ["null", "double"]},
    {"name": "n", "type": "long"},
    {"name": "ok", "type": "boolean"},
    {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["a", "b"]}},
    {"name": "t", "type": ["null", {"type": "long", "logicalType": "timestamp-nanos"}]},
    {"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    {"name": "l", "type": {"type": "array", "items": ["int", "null"]}},
]
SCHEMA = {"type": "record", "name": "Reading", "fields": FIELDS}


def descriptors():
    """Describe a message that holds others, numbers of each kind and times."""
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
    from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

    file = FileDescriptorProto(
        name="fuzz.proto",
        package="fuzz",
        syntax="proto3",
        dependency=["google/protobuf/timestamp.proto", "google/protobuf/wrappers.proto"],
    )
    part = file.message_type.add(name="Part")
    part.field.add(name="v", number=1, type=Field.TYPE_DOUBLE, label=1)
    part.field.add(name="s", number=2, type=Field.TYPE_STRING, label=3)
    reading = file.message_type.add(name="Reading")
    for number in range(1, 19):
        if number not in (Field.TYPE_GROUP, Field.TYPE_MESSAGE, Field.TYPE_ENUM):
            reading.field.add(name=f"n{number}", number=number, type=number, label=1)
    for number, name in enumerate(
        (".google.protobuf.Timestamp", ".google.protobuf.Int64Value", ".fuzz.Part"), 20
    ):
        reading.field.add(name=f"m{number}", number=number, type_name=name, label=1)
    reading.field.add(name="many", number=30, type_name=".fuzz.Part", label=3)
    reading.field.add(name="numbers", number=31, type=Field.TYPE_INT32, label=3)
    return FileDescriptorSet(file=[file])


def write_schemas(folder: Path) -> None:
    """Write the schemas."""
    (folder / "reading.avsc").write_text(json.dumps(SCHEMA))
    (folder / "reading.desc").write_bytes(descriptors().SerializeToString())


def write_events(folder: Path) -> None:
    """Write events, the letter of their format before them."""
    import fastavro

    written = SEPARATOR.join(json.dumps(event, ensure_ascii=False).encode() for event in EVENTS)
    (folder / "json").write_bytes(b"j" + written)
    stream = BytesIO()
    event = {"s": "a", "x": 1.5, "n": 7, "ok": True, "e": "b", "t": None, "l": [1, None]}
    fastavro.schemaless_writer(stream, SCHEMA, event | {"d": b"\1"})
    (folder / "avro").write_bytes(b"a" + stream.getvalue())
    fields = b"\x28\x07\x4a\x01a\x09\0\0\0\0\0\0\xf8\x3f\xa2\x01\x04\x08\x05\x10\0\xaa\x01\0"
    nested = b"\xb2\x01\x03\x12\x01x\xf2\x01\0\xfa\x01\x03\x01\x02\x03"
    (folder / "protobuf").write_bytes(b"p" + fields + nested)
