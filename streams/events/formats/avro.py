"""Events in Avro: one record each, without a header."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ....errors import StreamError
from .avro_schema import AvroField, AvroSchema, read_avro_schema
from .columns import Leaf, Parts, Shape, build_batch, transposed
from .importing import import_extra
from .reading import Read, keep
from .types import LEAVE_OUT, schema_of
from .widening import widened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_BROKEN = (EOFError, LookupError, ValueError, TypeError, ArithmeticError)
"""What fastavro raises for bytes that are no record."""


class AvroDecoder:
    """Decodes records that one schema wrote."""

    def __init__(
        self, schema: Path, columns: Mapping[str, str], *, written: Path | None = None
    ) -> None:
        """Read the schema, and that by which records were written, where it is another.

        Raises
        ------
        StreamError
            If a schema cannot be read, or a column cannot be had from it.
        """
        reader = read_avro_schema(schema)
        writer = reader if written is None else read_avro_schema(written)
        names = columns or reader.fields
        types = schema_of(columns)
        shapes = [
            (name, _shape_of(name, reader, types.field(name).type if columns else None))
            for name in names
        ]
        self.schema = pa.schema([(name, shape.type) for name, shape in shapes])
        self._take, self._parts = _taken(
            reader, writer, shapes, (str(schema), str(written or schema))
        )
        self._wire = writer.wire
        fastavro = import_extra("fastavro", "fastavro", "avro", "Events in Avro")
        self._read_one: Callable[[BytesIO, Any], Any] = fastavro.schemaless_reader
        self._write_one: Callable[[BytesIO, Any, Any], None] = fastavro.schemaless_writer

    def read(self, payloads: Sequence[bytes]) -> Read:
        """Decode payloads."""
        rows: list[Any] = []
        places: list[int] = []
        bad: dict[int, str] = {}
        for place, payload in enumerate(payloads):
            try:
                rows.append(self._read_exactly(payload))
            except _BROKEN as error:
                bad[place] = _explained(error)
            else:
                places.append(place)
        columns = transposed([self._take(row) for row in rows], len(self._parts))
        batch, refused = build_batch(columns, self._parts)
        return keep(batch, refused, places, bad)

    def _read_exactly(self, payload: bytes) -> Any:
        """Decode a record, and hold what it would be written as against its bytes.

        A number with too many bytes, the number of no branch of a union, what stands behind the
        record: fastavro takes them for something.
        """
        row = self._read_one(BytesIO(payload), self._wire)
        again = BytesIO()
        self._write_one(again, self._wire, row)
        if again.getvalue() != payload:
            raise _NotWrittenSoError
        return row


class _NotWrittenSoError(ValueError):
    """The bytes are not those that the record is written as."""


def _explained(error: Exception) -> str:
    if isinstance(error, _NotWrittenSoError):
        return "Its bytes are not those that such a record is written as."
    if isinstance(error, UnicodeDecodeError):
        return "A string is not UTF-8."
    if isinstance(error, EOFError):
        return "It ends before the record does."
    return "It is no record of the schema."


def _shape_of(name: str, schema: AvroSchema, wanted: pa.DataType | None) -> Shape:
    """Say how a field becomes a column of the type that is wanted of it."""
    field = schema.fields.get(name)
    if field is None:
        message = f"Column {name!r}: the schema has no such field; it has {list(schema.fields)}."
        raise StreamError(message)
    if isinstance(field.node.shape, str):
        message = f"Column {name!r}: {field.node.shape}. {LEAVE_OUT}"
        raise StreamError(message)
    return widened(field.node.shape, wanted or field.node.shape.type, name)


def _taken(
    reader: AvroSchema,
    writer: AvroSchema,
    shapes: Sequence[tuple[str, Shape]],
    files: tuple[str, str],
) -> tuple[Callable[[Any], Sequence[Any]], Parts]:
    """Say where each column is in a written record: under its name, an alias, or nowhere."""
    parts: list[tuple[str, Shape]] = []
    places: list[tuple[str | None, Any]] = []
    for name, shape in shapes:
        field = reader.fields[name]
        found = next((each for each in (name, *field.aliases) if each in writer.fields), None)
        if found is None:
            places.append((None, _default(name, field, files)))
            parts.append((name, shape))
            continue
        written = writer.fields[found].node.shape
        if isinstance(written, str):
            message = f"Column {name!r}: {written}, in {files[1]}."
            raise StreamError(message)
        places.append((found, None))
        parts.append((name, widened(written, shape.type, name)))
    if all(place is not None for place, _ in places):
        names = [place for place, _ in places]
        return lambda row: [row[each] for each in names], parts
    return (
        lambda row: [default if place is None else row[place] for place, default in places],
        parts,
    )


def _default(name: str, field: AvroField, files: tuple[str, str]) -> Any:
    """Give the default of a field that was not written, as it would have been written."""
    shape = field.node.shape
    if not field.default or not (field.default[0] is None or isinstance(shape, Leaf)):
        message = (
            f"Column {name!r} is in {files[0]} and not in {files[1]}, and has no plain default."
        )
        raise StreamError(message)
    value = field.default[0]
    kind = field.schema[0] if isinstance(field.schema, list) else field.schema
    named = kind if isinstance(kind, dict) else {"type": kind}
    match named["type"], value:
        case "boolean", bool():
            return b"\1" if value else b"\0"
        case "enum", str():
            return named["symbols"].index(value)
        case (("bytes" | "fixed"), str()):
            return value.encode("latin-1")
        case _:
            return value
