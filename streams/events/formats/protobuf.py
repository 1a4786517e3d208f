"""Events in Protobuf: one message each, decoded by Google's library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ....errors import StreamError
from .columns import Shape, build_batch, transposed
from .importing import import_extra
from .protobuf_schema import find_message, part_of, place_in_file
from .reading import Read, keep
from .types import LEAVE_OUT, schema_of
from .widening import widened
from .wire import problem_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


class ProtobufDecoder:
    """Decodes messages of one type."""

    def __init__(
        self,
        schema: Path,
        message: str | None,
        columns: Mapping[str, str],
        *,
        refuse_unknown: bool,
    ) -> None:
        """Find the message, and its fields that are columns.

        Raises
        ------
        StreamError
            If the descriptor set cannot be read, the message is not in it, or a column cannot be
            had from it.
        """
        self.descriptor = find_message(schema, message)
        self._refuse_unknown = refuse_unknown
        factory = import_extra(
            "google.protobuf.message_factory", "protobuf", "protobuf", "Events in Protobuf"
        )
        errors = import_extra(
            "google.protobuf.message", "protobuf", "protobuf", "Events in Protobuf"
        )
        self._parse: Callable[[bytes], Any] = factory.GetMessageClass(self.descriptor).FromString
        self._broken: tuple[type[Exception], ...] = (errors.DecodeError, ValueError)
        types = schema_of(columns)
        parts: list[tuple[str, Shape]] = []
        self._takes: list[Callable[[Any], Any]] = []
        for name in columns or [field.name for field in self.descriptor.fields]:
            take, shape = _part_of(name, self.descriptor)
            parts.append(
                (name, widened(shape, types.field(name).type if columns else shape.type, name))
            )
            self._takes.append(take)
        self._parts = parts
        self.schema = pa.schema([(name, shape.type) for name, shape in parts])

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """What Confluent's framing says of which message of its file it is."""
        path = place_in_file(self.descriptor)
        # Numbers are written as twice themselves, and the first message of a file also as a zero.
        written = b"".join(_varint(2 * number) for number in (len(path), *path))
        return (written, b"\0") if path == [0] else (written,)

    def read(self, payloads: Sequence[bytes]) -> Read:
        """Decode payloads."""
        rows: list[tuple[Any, ...]] = []
        places: list[int] = []
        bad: dict[int, str] = {}
        for place, payload in enumerate(payloads):
            try:
                message = self._parse(payload)
                problem = self._problem_of(message, payload)
                row = None if problem else tuple([take(message) for take in self._takes])
            except self._broken:
                row, problem = None, f"It is no {self.descriptor.full_name}."
            if row is None:
                bad[place] = problem or ""
            else:
                rows.append(row)
                places.append(place)
        batch, refused = build_batch(transposed(rows, len(self._parts)), self._parts)
        return keep(batch, refused, places, bad)

    def _problem_of(self, message: Any, payload: bytes) -> str | None:
        """Look at the bytes, unless they are those that the message is written as."""
        if not message.IsInitialized():
            return f"Required fields are missing: {', '.join(message.FindInitializationErrors())}."
        message.DiscardUnknownFields()
        if message.SerializeToString(deterministic=True) == payload:
            return None
        return problem_in(payload, self.descriptor, refuse_unknown=self._refuse_unknown)


def _varint(number: int) -> bytes:
    low, high = number & 127, number >> 7
    return bytes([low | 128]) + _varint(high) if high else bytes([low])


def _part_of(name: str, descriptor: Any) -> tuple[Callable[[Any], Any], Shape]:
    field = descriptor.fields_by_name.get(name)
    if field is None:
        there = [each.name for each in descriptor.fields]
        message = f"Column {name!r}: {descriptor.full_name} has no such field; it has {there}."
        raise StreamError(message)
    part = part_of(field, (descriptor.full_name,))
    if isinstance(part.shape, str):
        message = f"Column {name!r}: {part.shape}. {LEAVE_OUT}"
        raise StreamError(message)
    return part.take, part.shape
