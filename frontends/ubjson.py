"""Universal Binary JSON, as XGBoost writes it: a byte says the type, then comes the value.

Numbers are big-endian. A container may tell its size (``#``) and the type of all its values
(``$``) before them. Nothing is sized by what the bytes claim, only by the bytes that are there.

Source: draft 12 of ubjson.org; ``UBJReader`` in src/common/json.cc of XGBoost.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

MOST_NESTED = 64
"""XGBoost nests a dozen containers."""

_CODES = {b"i": "b", b"U": "B", b"I": "h", b"l": "i", b"L": "q", b"d": "f", b"D": "d"}
_NUMBERS = {key: struct.Struct(">" + code) for key, code in _CODES.items()}
_ARRAYS = {
    key: np.dtype(f">{kind}")
    for key, kind in zip(_CODES, ("i1", "u1", "i2", "i4", "i8", "f4", "f8"), strict=True)
}
_INTEGERS = frozenset(b"iUIlL")
_CONSTANTS = {b"Z": None, b"T": True, b"F": False}


def read_ubjson(content: bytes) -> Any:
    """Read one value, which fills the bytes. An array of one numeric type comes as a numpy array.

    Raises
    ------
    ValueError
        If the bytes are no such value, end too early, go on after it, or nest too deeply.
    """
    reader = _Reader(content)
    value = reader.value(reader.take(1), 0)
    if reader.place != len(content):
        msg = f"{len(content) - reader.place} bytes follow its end"
        raise ValueError(msg)
    return value


class _Reader:
    """A place in the bytes, which moves forward with everything that is read."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.place = 0

    def take(self, count: int) -> bytes:
        """Give the next bytes."""
        end = self.place + count
        if count < 0 or end > len(self.content):
            msg = f"byte {self.place} claims {count} more, and {self._left} are left"
            raise ValueError(msg)
        taken = self.content[self.place : end]
        self.place = end
        return taken

    @property
    def _left(self) -> int:
        return len(self.content) - self.place

    def _next_is(self, marker: bytes) -> bool:
        """Step over a marker if it is the next byte."""
        found = self.content.startswith(marker, self.place)
        self.place += len(marker) if found else 0
        return found

    def value(self, marker: bytes, depth: int) -> Any:
        if depth > MOST_NESTED:
            msg = f"it nests more than {MOST_NESTED} values"
            raise ValueError(msg)
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker in _NUMBERS:
            return self._number(marker)
        match marker:
            case b"S":
                return self._text()
            case b"C":
                return self.take(1).decode("ascii")
            case b"[":
                return self._array(depth)
            case b"{":
                return self._object(depth)
            case _:
                msg = f"byte {self.place - 1} is {marker!r}, which begins no value"
                raise ValueError(msg)

    def _number(self, marker: bytes) -> int | float:
        number = _NUMBERS[marker]
        return number.unpack(self.take(number.size))[0]

    def _text(self) -> str:
        return self.take(self._length()).decode()

    def _length(self) -> int:
        marker = self.take(1)
        if marker[0] not in _INTEGERS:
            msg = f"byte {self.place - 1} is {marker!r}, and should begin a length"
            raise ValueError(msg)
        return int(self._number(marker))

    def _header(self) -> tuple[bytes | None, int | None]:
        """Read the type and the number of a container's values, where it tells them."""
        kind = self.take(1) if self._next_is(b"$") else None
        if self._next_is(b"#"):
            return kind, self._length()
        if kind is not None:
            msg = f"the container before byte {self.place} has a type and no size"
            raise ValueError(msg)
        return None, None

    def _array(self, depth: int) -> Any:
        kind, count = self._header()
        if kind in _ARRAYS and count is not None:
            dtype = _ARRAYS[kind]
            numbers = np.frombuffer(self.take(count * dtype.itemsize), dtype)
            return numbers.astype(dtype.newbyteorder("="))
        values: list[Any] = []
        while not self._is_over(count, len(values), b"]"):
            values.append(self.value(kind or self._marker(), depth + 1))
        return values

    def _object(self, depth: int) -> dict[str, Any]:
        kind, count = self._header()
        members: dict[str, Any] = {}
        done = 0
        while not self._is_over(count, done, b"}"):
            name = self._text()
            if name in members:
                msg = f"the member {name[:80]!r} occurs twice"
                raise ValueError(msg)
            members[name] = self.value(kind or self._marker(), depth + 1)
            done += 1
        return members

    def _marker(self) -> bytes:
        while self._next_is(b"N"):
            pass
        return self.take(1)

    def _is_over(self, count: int | None, done: int, end: bytes) -> bool:
        if count is None:
            return self._next_is(end)
        # A value of no bytes, such as a null in an array of nulls, would cost nothing to claim.
        if not 0 <= count - done <= self._left:
            msg = f"byte {self.place} begins {count - done} values, and {self._left} bytes are left"
            raise ValueError(msg)
        return done == count
