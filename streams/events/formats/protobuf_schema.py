"""Protobuf's descriptors: how a message is taken apart, and what becomes a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from ....errors import StreamError
from .columns import Leaf, List, Shape, Struct
from .importing import import_extra
from .texts import check_range

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_PURPOSE = "Events in Protobuf"
_WELL_KNOWN = ("timestamp", "wrappers", "duration", "any", "struct", "empty", "field_mask")
_PLAIN: dict[int, pa.DataType] = {
    1: pa.float64(),
    2: pa.float32(),
    8: pa.bool_(),
    9: pa.string(),
    12: pa.binary(),
    **dict.fromkeys((5, 15, 17), pa.int32()),
    # A number without a sign has one more bit: 32 fit into BIGINT, and most of 64.
    **dict.fromkeys((3, 4, 6, 7, 13, 16, 18), pa.int64()),
}
_GROUP, _MESSAGE, _ENUM = 10, 11, 14
_WRAPPERS = tuple(
    f"google.protobuf.{kind}Value"
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)
_REFUSED = ("google.protobuf.Duration", "google.protobuf.Any")
_NANOSECONDS = 10**9
_SECONDS = 300_000_000_000


class Part(NamedTuple):
    """How a field's value is taken from a message, and the column that it becomes, or why none."""

    take: Callable[[Any], Any]
    shape: Shape | str


def find_message(path: Path, name: str | None) -> Any:
    """Find the descriptor of a message in a file that ``protoc --descriptor_set_out`` wrote.

    Raises
    ------
    StreamError
        If the file cannot be read or is none, or the message is not in it.
    """
    pb2 = import_extra("google.protobuf.descriptor_pb2", "protobuf", "protobuf", _PURPOSE)
    pools = import_extra("google.protobuf.descriptor_pool", "protobuf", "protobuf", _PURPOSE)
    errors = import_extra("google.protobuf.message", "protobuf", "protobuf", _PURPOSE)
    try:
        files = list(pb2.FileDescriptorSet.FromString(path.read_bytes()).file)
        pool = _pool_of(files, pools)
    except OSError as error:
        message = f"[events] schema: {path} cannot be read: {error.strerror}."
        raise StreamError(message) from error
    except (errors.DecodeError, TypeError, KeyError) as error:
        message = (
            f"[events] schema: {path} is no complete descriptor set. Write it with "
            "protoc --include_imports --descriptor_set_out."
        )
        raise StreamError(message) from error
    try:
        return pool.FindMessageTypeByName(name or "")
    except KeyError as error:
        there = [
            f"{each.package}.{message.name}".lstrip(".")
            for each in files
            for message in each.message_type
        ]
        message = f"[events] message: there is no {name!r} in {path}; there are {there}."
        raise StreamError(message) from error


def _pool_of(files: Sequence[Any], pools: Any) -> Any:
    """Take files, those that they import before them, and Google's own where they are left out."""
    known = {each.name: each for each in files}
    for each in _WELL_KNOWN:
        module = import_extra(f"google.protobuf.{each}_pb2", "protobuf", "protobuf", _PURPOSE)
        known.setdefault(module.DESCRIPTOR.name, _proto_of(module.DESCRIPTOR, type_of=files))
    pool = pools.DescriptorPool()
    added: set[str] = set()

    def add(file: Any) -> None:
        if file.name not in added:
            added.add(file.name)
            for imported in file.dependency:
                add(known[imported])
            pool.AddSerializedFile(file.SerializeToString())

    for file in files:
        add(file)
    return pool


def _proto_of(descriptor: Any, type_of: Sequence[Any]) -> Any:
    proto = type(type_of[0])() if type_of else None
    if proto is not None:
        descriptor.CopyToProto(proto)
    return proto


def place_in_file(message: Any) -> list[int]:
    """Say which message of its file one is, and which of that one's, down to itself."""
    if message.containing_type is None:
        return [list(message.file.message_types_by_name).index(message.name)]
    above = message.containing_type
    return [*place_in_file(above), [each.name for each in above.nested_types].index(message.name)]


def part_of(field: Any, above: tuple[str, ...] = ()) -> Part:
    """Say how a field becomes a column."""
    name = field.name
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return Part(lambda _: None, "maps are no columns")
    one, shape = _value_of(field, above)
    if isinstance(shape, str):
        return Part(lambda _: None, shape)
    if field.is_repeated:
        if one is None:
            return Part(lambda message: list(getattr(message, name)), List(shape))
        return Part(lambda message: [one(each) for each in getattr(message, name)], List(shape))
    return Part(_taking(field, one), shape)


def _taking(field: Any, one: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """Take a value: none where the message says that it has none, unless the schema has one."""
    name = field.name
    if not field.has_presence or field.has_default_value:
        return lambda message: getattr(message, name)
    if one is None:
        return lambda message: getattr(message, name) if message.HasField(name) else None
    return lambda message: one(getattr(message, name)) if message.HasField(name) else None


def _value_of(
    field: Any, above: tuple[str, ...]
) -> tuple[Callable[[Any], Any] | None, Shape | str]:
    """Say how one value is taken, where it is not taken as it is, and its column."""
    if field.type == _ENUM:
        return None, _enum(field.enum_type)
    if field.type == _GROUP:
        return None, "groups are no columns"
    if field.type == _MESSAGE:
        return _message(field.message_type, above)
    return None, _plain(field.type)


def _message(
    message: Any, above: tuple[str, ...]
) -> tuple[Callable[[Any], Any] | None, Shape | str]:
    if message.full_name == "google.protobuf.Timestamp":
        return _seconds_and_nanoseconds, _TIMESTAMP
    if message.full_name in _REFUSED:
        return None, f"{message.full_name} is no type of a column"
    if message.full_name in _WRAPPERS:
        return (lambda value: value.value), _plain(message.fields_by_name["value"].type)
    if message.full_name in above:
        return None, f"{message.full_name} holds itself"
    return _struct(message, above)


def _struct(
    message: Any, above: tuple[str, ...]
) -> tuple[Callable[[Any], Any] | None, Shape | str]:
    taken = []
    parts: list[tuple[str, Shape]] = []
    for field in message.fields:
        part = part_of(field, (*above, message.full_name))
        if isinstance(part.shape, str):
            return None, f"its field {field.name}: {part.shape}"
        taken.append(part.take)
        parts.append((field.name, part.shape))
    if not parts:
        return None, "it has no fields"
    return (lambda value: tuple(each(value) for each in taken)), Struct(tuple, tuple(parts))


def _plain(number: int) -> Leaf:
    type_ = _PLAIN[number]
    hint = "it is not UTF-8" if pa.types.is_string(type_) else "it is too large"
    return Leaf(type_, lambda values: pa.array(values, type_), hint)


def _enum(enum: Any) -> Leaf:
    names: dict[int | None, str | None] = {None: None}
    for value in reversed(enum.values):  # of two names of a number the first one is its own
        names[value.number] = value.name
    return Leaf(
        pa.string(),
        lambda values: pa.array([names[each] for each in values], pa.string()),
        "it is none of the enum's values",
    )


def _seconds_and_nanoseconds(timestamp: Any) -> tuple[int, int]:
    return timestamp.seconds, timestamp.nanos


def _times(values: Sequence[tuple[int, int] | None]) -> pa.Array:
    return check_range(pa.array([_time(each) for each in values], pa.int64()).cast(_TIMESTAMP_TYPE))


def _time(value: tuple[int, int] | None) -> int | None:
    if value is None:
        return None
    seconds, nanoseconds = value
    if abs(seconds) > _SECONDS or not 0 <= nanoseconds < _NANOSECONDS or nanoseconds % 1000:
        message = "no time of whole microseconds"
        raise ValueError(message)
    return seconds * 1_000_000 + nanoseconds // 1000


_TIMESTAMP_TYPE = pa.timestamp("us", "UTC")
_TIMESTAMP = Leaf(
    _TIMESTAMP_TYPE,
    _times,
    "it has nanoseconds beyond a microsecond, or is outside of the years 1 to 9999",
)
