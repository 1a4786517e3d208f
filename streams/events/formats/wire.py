"""The bytes of a Protobuf message, looked at where its library takes more than one meaning.

By the rules of Protobuf a number that does not fit loses its high bits, the last of two values
counts, and a value of another wire type counts as a field that is not known. Each of these is what
a writer with another schema sends, so here they have a reason instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VARINT, FIXED64, BYTES, GROUP, END, FIXED32 = range(6)
_WIDTHS = {FIXED64: 8, FIXED32: 4}
_TYPES: Mapping[int, int] = {
    **dict.fromkeys((1, 6, 16), FIXED64),  # double, fixed64, sfixed64
    **dict.fromkeys((2, 7, 15), FIXED32),  # float, fixed32, sfixed32
    **dict.fromkeys((3, 4, 5, 8, 13, 14, 17, 18), VARINT),
    **dict.fromkeys((9, 11, 12), BYTES),  # string, message, bytes
    10: GROUP,
}
_INT32, _BOOL, _MESSAGE, _UINT32, _ENUM, _SINT32 = 5, 8, 11, 13, 14, 17
_LEAST_32, _BEYOND_32, _BEYOND_U32 = -(2**31), 2**31, 2**32
_SIGN, _BEYOND_64 = 2**63, 2**64


def problem_in(data: bytes, message: Any, *, refuse_unknown: bool) -> str | None:
    """Say what is not as a writer with the same schema writes it; the library has read it already.

    Parameters
    ----------
    data
        The message.
    message
        Its descriptor.
    refuse_unknown
        Whether a field that the descriptor does not know is a problem.
    """
    seen: set[object] = set()
    for number, wire, value in _fields_of(data):
        field = message.fields_by_number.get(number)
        if field is None:
            if refuse_unknown:
                return f"The schema has no field with the number {number}."
            continue
        if not field.is_repeated:
            key = field.containing_oneof.name if field.containing_oneof else number
            if key in seen:
                return f"{field.name} is there twice."
            seen.add(key)
        for problem in _problems_of(field, wire, value, refuse_unknown=refuse_unknown):
            return problem
    return None


def _problems_of(field: Any, wire: int, value: Any, *, refuse_unknown: bool) -> Iterator[str]:
    expected = _TYPES[field.type]
    if field.is_repeated and wire == BYTES and expected != BYTES:  # packed
        if expected == VARINT:
            yield from _misfits(field, _varints_of(value))
    elif wire != expected:
        yield f"{field.name} is written as another type."
    elif expected == VARINT:
        yield from _misfits(field, iter((value,)))
    elif field.type == _MESSAGE:
        problem = problem_in(value, field.message_type, refuse_unknown=refuse_unknown)
        if problem is not None:
            yield f"{field.name}: {problem}"


def _misfits(field: Any, values: Iterator[int]) -> Iterator[str]:
    for value in values:
        signed = value - _BEYOND_64 if value >= _SIGN else value
        match field.type:
            case _ if value >= _BEYOND_64:
                fits = False
            case 5:
                fits = _LEAST_32 <= signed < _BEYOND_32
            case 8:
                fits = value <= 1
            case 13 | 17:
                fits = value < _BEYOND_U32
            case 14:
                fits = signed in field.enum_type.values_by_number
            case _:
                fits = True
        if not fits:
            yield f"{field.name} has a number that does not fit."


def _varints_of(data: bytes) -> Iterator[int]:
    place = 0
    while place < len(data):
        value, place = _varint(data, place)
        yield value


def _fields_of(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Give number, wire type and value of each field; of groups, which are old, no value."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, wire = tag >> 3, tag & 7
        start = place
        if wire == GROUP:
            place = _after_group(data, place)
            yield number, wire, None
        else:
            value, place = _value(data, start, wire)
            yield number, wire, value


def _value(data: bytes, place: int, wire: int) -> tuple[Any, int]:
    if wire == VARINT:
        return _varint(data, place)
    if wire == BYTES:
        length, place = _varint(data, place)
        return data[place : place + length], place + length
    return None, place + _WIDTHS[wire]


def _after_group(data: bytes, place: int) -> int:
    depth = 1
    while depth:
        tag, place = _varint(data, place)
        wire = tag & 7
        if wire == GROUP:
            depth += 1
        elif wire == END:
            depth -= 1
        else:
            _, place = _value(data, place, wire)
    return place


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:  # noqa: PLR2004 - the bit that says that more follow
            return value, place
        shift += 7
