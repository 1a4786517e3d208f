"""Avro schemas: how the bytes are read, and what becomes a column.

The bytes are read by a schema of our own that has the same encoding but says less: an enum is its
number, a boolean its byte, a logical type what it is written as. So a byte that means nothing is
seen, which fastavro itself takes for something: a boolean of 2, an enum's symbol number -1.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ....errors import StreamError
from .columns import Leaf, List, Shape, Struct
from .importing import import_extra
from .texts import check_range
from .times import from_microseconds, from_milliseconds, from_nanoseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_PLAIN = {
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
}
_FLAGS = {b"\0": False, b"\1": True, None: None}
_MOST_DIGITS = 38
_MOST_DECIMAL_BYTES = 32
_UTC = pa.timestamp("us", "UTC")
_LOCAL = pa.timestamp("us")
_OUT_OF_RANGE = "it is outside of the years 1 to 9999"
_TIMES = {
    "timestamp-millis": (from_milliseconds, _OUT_OF_RANGE),
    "timestamp-micros": (from_microseconds, _OUT_OF_RANGE),
    "timestamp-nanos": (from_nanoseconds, "it has nanoseconds beyond a microsecond"),
}


@dataclass(frozen=True, slots=True)
class Node:
    """A type of a schema.

    Attributes
    ----------
    wire
        What fastavro reads it by.
    shape
        The column that it becomes, or why it becomes none.
    is_empty
        Whether a value may have no bytes: as many of them as one likes fit into an event.
    """

    wire: Any
    shape: Shape | str
    is_empty: bool = False


@dataclass(frozen=True, slots=True)
class AvroField:
    """A field of the record that an event is."""

    node: Node
    schema: Any
    aliases: tuple[str, ...]
    default: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class AvroSchema:
    """A schema of events: what fastavro reads it by, and its fields."""

    wire: Any
    fields: dict[str, AvroField]


def read_avro_schema(path: Path) -> AvroSchema:
    """Read the schema of a record from a file.

    Raises
    ------
    StreamError
        If the file cannot be read, is no schema of a record, or has something that cannot be read
        safely and exactly.
    """
    fastavro = import_extra("fastavro", "fastavro", "avro", "Events in Avro")
    try:
        schema = fastavro.schema.expand_schema(json.loads(path.read_bytes()))
    except OSError as error:
        message = f"[events] schema: {path} cannot be read: {error.strerror}."
        raise StreamError(message) from error
    except (
        ValueError,
        TypeError,
        KeyError,
        RecursionError,
        fastavro.schema.SchemaParseException,
        fastavro.schema.UnknownType,
    ) as error:
        message = f"[events] schema: {path} is no Avro schema: {error}."
        raise StreamError(message) from error
    if not isinstance(schema, dict) or schema.get("type") not in ("record", "error"):
        message = f"[events] schema: {path} must be the schema of a record."
        raise StreamError(message)
    reader = _SchemaReader(str(path))
    fields = {
        each["name"]: AvroField(
            reader.node(each["type"], each["name"]),
            each["type"],
            tuple(each.get("aliases", ())),
            (each["default"],) if "default" in each else (),
        )
        for each in schema["fields"]
    }
    wire = reader.record({name: field.node for name, field in fields.items()})
    return AvroSchema(fastavro.parse_schema(wire), fields)


class _SchemaReader:
    """Translates types of one file; each named one gets a name of its own."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._names: Iterator[str] = (f"T{number}" for number in count())

    def record(self, nodes: dict[str, Node]) -> Any:
        """Give the schema of a record."""
        fields = [{"name": name, "type": node.wire} for name, node in nodes.items()]
        return {"type": "record", "name": next(self._names), "fields": fields}

    def node(self, schema: Any, where: str) -> Node:
        """Translate a type."""
        if isinstance(schema, list):
            return self._union(schema, where)
        if isinstance(schema, str):
            schema = {"type": schema}
        if not isinstance(schema["type"], str):
            return self.node(schema["type"], where)
        read = _READERS.get(schema["type"])
        if read is not None:
            return read(self, schema, where)
        if schema["type"] in _PLAIN:
            return Node(schema["type"], _scalar(schema, schema["type"]))
        problem = f"{schema['type']} holds itself, so that an event may go as deep as it likes"
        raise self._refused(where, problem)

    def null(self, _schema: Any, _where: str) -> Node:
        """Take nothing."""
        return Node("null", "null is no type of a column", is_empty=True)

    def boolean(self, _schema: Any, _where: str) -> Node:
        """Take the byte of a boolean."""
        flag = {"type": "fixed", "name": next(self._names), "size": 1}
        return Node(flag, Leaf(pa.bool_(), _flags, "it is a byte of 0 or 1"))

    def enum(self, schema: Any, _where: str) -> Node:
        """Take the number of a symbol."""
        return Node("int", _enum(schema["symbols"]))

    def map(self, schema: Any, where: str) -> Node:
        """Take what is no column."""
        values = self.node(schema["values"], where)
        return Node({"type": "map", "values": values.wire}, "maps are no columns")

    def fixed(self, schema: Any, _where: str) -> Node:
        """Take so many bytes."""
        wire = {"type": "fixed", "name": next(self._names), "size": schema["size"]}
        return Node(wire, _scalar(schema, "bytes"), is_empty=schema["size"] == 0)

    def nested(self, schema: Any, where: str) -> Node:
        """Take a record in a record."""
        nodes = {each["name"]: self.node(each["type"], where) for each in schema["fields"]}
        names = tuple(nodes)
        parts: list[tuple[str, Shape]] = []
        for name, node in nodes.items():
            if isinstance(node.shape, str):
                problem = f"its field {name}: {node.shape}"
                return Node(self.record(nodes), problem, _all_empty(nodes))
            parts.append((name, node.shape))
        shape = Struct(_getter(names), tuple(parts)) if parts else "it has no fields"
        return Node(self.record(nodes), shape, _all_empty(nodes))

    def array(self, schema: Any, where: str) -> Node:
        """Take any number of items."""
        items = self.node(schema["items"], where)
        if items.is_empty:
            raise self._refused(
                where,
                "the items of its array take no bytes, so that a short event "
                "may have any number of them",
            )
        shape = items.shape if isinstance(items.shape, str) else List(items.shape)
        return Node({"type": "array", "items": items.wire}, shape)

    def _union(self, schema: list[Any], where: str) -> Node:
        """Take null and one other; which of several was meant is not seen in a value."""
        others = [each for each in schema if each not in ("null", {"type": "null"})]
        if len(others) != 1 or len(schema) > 2:  # noqa: PLR2004 - null and the other
            raise self._refused(where, "it is a union of more than null and one type")
        node = self.node(others[0], where)
        wire = ["null" if each is not others[0] else node.wire for each in schema]
        return Node(wire, node.shape)

    def _refused(self, where: str, problem: str) -> StreamError:
        return StreamError(f"[events] schema: {self._path}, field {where}: {problem}.")


_READERS: dict[str, Callable[[_SchemaReader, Any, str], Node]] = {
    "null": _SchemaReader.null,
    "boolean": _SchemaReader.boolean,
    "record": _SchemaReader.nested,
    "error": _SchemaReader.nested,
    "enum": _SchemaReader.enum,
    "array": _SchemaReader.array,
    "map": _SchemaReader.map,
    "fixed": _SchemaReader.fixed,
}


def _all_empty(nodes: dict[str, Node]) -> bool:
    return all(node.is_empty for node in nodes.values())


def _getter(names: tuple[str, ...]) -> Callable[[Any], Sequence[Any]]:
    if len(names) == 1:
        return lambda value: (value[names[0]],)
    return itemgetter(*names)


def _flags(values: Sequence[bytes | None]) -> pa.Array:
    return pa.array([_FLAGS[each] for each in values], pa.bool_())


def _enum(symbols: list[str]) -> Leaf:
    """Take the symbol of a number; a negative one is none."""
    names = {None: None, **dict(enumerate(symbols))}
    return Leaf(
        pa.string(),
        lambda values: pa.array([names[each] for each in values], pa.string()),
        "it is none of the enum's symbols",
    )


def _scalar(schema: Any, plain: str) -> Shape | str:
    """Take a value as its logical type says; one that is unknown means nothing, says Avro."""
    logical = schema.get("logicalType")
    if logical == "decimal" and plain == "bytes":
        return _decimal(schema)
    if logical == "date" and plain == "int":
        return Leaf(pa.date32(), _dates, _OUT_OF_RANGE)
    if logical in ("time-millis", "time-micros", "duration"):
        return f"{logical} is no type of a column"
    if plain == "long" and isinstance(logical, str):
        is_local = logical.startswith("local-")
        conversion = _TIMES.get(logical.removeprefix("local-"))
        if conversion is not None:
            type_, (convert, hint) = _LOCAL if is_local else _UTC, conversion
            return Leaf(type_, lambda values: convert(values, type_), hint)
    type_ = _PLAIN[plain]
    return Leaf(type_, lambda values: pa.array(values, type_), "it is too large")


def _dates(values: Sequence[int | None]) -> pa.Array:
    return check_range(pa.array(values, pa.date32()))


def _decimal(schema: Any) -> Shape | str:
    precision, scale = schema.get("precision"), schema.get("scale", 0)
    if not isinstance(precision, int) or not 0 < precision <= _MOST_DIGITS:
        return f"a decimal has 1 to {_MOST_DIGITS} digits"
    if not isinstance(scale, int) or not 0 <= scale <= precision:
        return "the scale of a decimal lies between 0 and its precision"
    type_ = pa.decimal128(precision, scale)

    def one(value: bytes | None) -> Decimal | None:
        if value is None:
            return None
        if len(value) > _MOST_DECIMAL_BYTES:
            message = "too long for a decimal"
            raise ValueError(message)
        return Decimal(f"{int.from_bytes(value, 'big', signed=True)}E-{scale}")

    return Leaf(
        type_, lambda values: pa.array([one(each) for each in values], type_), "it has more digits"
    )
