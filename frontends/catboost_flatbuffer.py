"""Read tables of FlatBuffers, with every offset and size checked.

Source: https://flatbuffers.dev/internals. A table begins with the distance back to its vtable,
which lists where each field lies in the table, or 0 where it has its default. Tables may share
parts, so what is read in all is bounded too.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .catboost_model import fail

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

_OFFSET = struct.Struct("<I")
_BACK = struct.Struct("<i")
_ENTRY = struct.Struct("<H")


_MOST_READS = 64
"""How many times a buffer's size is read at most; CatBoost shares small parts only."""


class _Buffer:
    """The bytes of a buffer, and how many of them may still be read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._left = _MOST_READS * len(data)

    def spend(self, size: int) -> None:
        """Count bytes that are read."""
        self._left -= size
        if self._left < 0:
            fail("its tables share too much")


class Table:
    """One table: fields by their position in the schema."""

    def __init__(self, buffer: _Buffer, position: int) -> None:
        """Find the table's own list of fields."""
        self._buffer = buffer
        self._data = buffer.data
        self._position = position
        self._fields = position - self._number(_BACK, position)
        self._size = self._number(_ENTRY, self._fields)

    @classmethod
    def root(cls, data: bytes) -> Self:
        """Give the table with which a buffer begins."""
        return cls(_Buffer(data), _unpack(_OFFSET, data, 0))

    def number(self, field: int, layout: str, default: float) -> Any:
        """Read a number; ``layout`` is its format in the words of :mod:`struct`."""
        place = self._place(field)
        return default if place is None else self._number(struct.Struct("<" + layout), place)

    def table(self, field: int) -> Table | None:
        """Read a table."""
        place = self._place(field)
        return None if place is None else Table(self._buffer, self._follow(place))

    def text(self, field: int) -> str:
        """Read a text; empty where it is missing."""
        return decode_text(self.array(field, np.uint8).tobytes())

    def array(self, field: int, dtype: DTypeLike) -> NDArray[Any]:
        """Read a vector of numbers or of structs; empty where it is missing."""
        kind = np.dtype(dtype).newbyteorder("<")
        start, count = self._vector(field, kind.itemsize)
        return np.frombuffer(self._data, kind, count, start).copy() if count else np.zeros(0, kind)

    def tables(self, field: int) -> list[Table]:
        """Read a vector of tables."""
        return [Table(self._buffer, place) for place in self._places(field)]

    def texts(self, field: int) -> list[str]:
        """Read a vector of texts."""
        found: list[str] = []
        for place in self._places(field):
            size = self._number(_OFFSET, place)
            start = place + _OFFSET.size
            if start + size > len(self._data):
                fail("a text ends beyond the file")
            self._buffer.spend(size)
            found.append(decode_text(self._data[start : start + size]))
        return found

    def _places(self, field: int) -> list[int]:
        start, count = self._vector(field, _OFFSET.size)
        return [self._follow(start + _OFFSET.size * index) for index in range(count)]

    def _vector(self, field: int, item_size: int) -> tuple[int, int]:
        """Give where the items of a vector begin, and how many there are."""
        place = self._place(field)
        if place is None:
            return 0, 0
        head = self._follow(place)
        count = self._number(_OFFSET, head)
        start = head + _OFFSET.size
        if count * item_size > len(self._data) - start:
            fail(f"{count} items of {item_size} bytes end beyond the file")
        self._buffer.spend(count * item_size)
        return start, count

    def _place(self, field: int) -> int | None:
        entry = 4 + 2 * field
        if entry + 2 > self._size:
            return None
        offset = self._number(_ENTRY, self._fields + entry)
        return self._position + offset if offset else None

    def _follow(self, place: int) -> int:
        return place + self._number(_OFFSET, place)

    def _number(self, layout: struct.Struct, place: int) -> Any:
        return _unpack(layout, self._data, place)


def _unpack(layout: struct.Struct, data: bytes, place: int) -> Any:
    if not 0 <= place <= len(data) - layout.size:
        fail(f"byte {place} is none of its {len(data)}")
    return layout.unpack_from(data, place)[0]


def decode_text(data: bytes) -> str:
    """Read UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        fail("a text is not UTF-8")
