"""What processes share: numbers that outlive who counts them, and how each says it stands.

It is a file in memory that has no name. The supervisor makes it and its workers inherit it, so a
kill loses no count, there is nothing to clean up, and a file system that is read-only will do.
An area belongs to one worker at a time, which alone writes there; everybody may read all.
"""

from __future__ import annotations

import json
import mmap
import os
import tempfile
from struct import Struct
from typing import TYPE_CHECKING, TypeAlias
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterator

Key: TypeAlias = "tuple[str, ...]"
Cells: TypeAlias = "list[float] | memoryview[float]"

TEXT_BYTES = 2**20
"""The longest text of an area. Memory is taken by what is written alone."""

CELLS_BYTES = 2**24
"""All series of an area: a hundred thousand and more."""

_AREA_BYTES = TEXT_BYTES + CELLS_BYTES
_HEAD = Struct("<II")  # of a text: its bytes and checksum; of a series: bytes of its key, its cells
_USED = Struct("<Q")
_WORD = 8
_LOOKS = 20


def make_file(areas: int) -> int:
    """Make the file, and give its descriptor."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("foresql-serve")
    else:
        with tempfile.TemporaryFile() as stream:
            descriptor = os.dup(stream.fileno())
    os.ftruncate(descriptor, areas * _AREA_BYTES)
    return descriptor


class Shared:
    """The file, seen by the process that writes one area of it."""

    def __init__(self, descriptor: int, areas: int, own: int) -> None:
        """Map the file; what a former writer of the area counted goes on from there."""
        self.areas = areas
        self.own = own
        self._map = mmap.mmap(descriptor, areas * _AREA_BYTES)
        self._words = memoryview(self._map).cast("d")
        self._series = dict(self._series_of(own))

    def cells(self, key: Key, count: int) -> Cells:
        """Give the numbers of a series of the own area, which is made with zeros where it is new.

        Where the area is full, the series is counted for nobody.
        """
        found = self._series.get(key)
        if found is None:
            found = self._series[key] = self._made(key, count)
        return found

    def totals(self) -> dict[Key, list[float]]:
        """Add up the series of all areas."""
        totals: dict[Key, list[float]] = {}
        for area in range(self.areas):
            for key, cells in self._series_of(area):
                before = totals.get(key)
                if before is None:
                    totals[key] = list(cells)
                else:
                    totals[key] = [a + b for a, b in zip(before, cells, strict=True)]
        return totals

    def say(self, text: str, area: int | None = None) -> None:
        """Replace the text of an area, the own one by default."""
        content = text.encode()[: TEXT_BYTES - _HEAD.size]
        start = (self.own if area is None else area) * _AREA_BYTES
        _HEAD.pack_into(self._map, start, len(content), crc32(content))
        self._map[start + _HEAD.size : start + _HEAD.size + len(content)] = content

    def said(self) -> dict[int, str]:
        """Give the texts of the areas that have one."""
        found = {area: self._text_of(area) for area in range(self.areas)}
        return {area: text for area, text in found.items() if text}

    def _text_of(self, area: int) -> str:
        """Read a text; where its writer is at it just now, look again."""
        start = area * _AREA_BYTES
        for _ in range(_LOOKS):
            length, checksum = _HEAD.unpack_from(self._map, start)
            content = self._map[start + _HEAD.size : start + _HEAD.size + length]
            if crc32(content) == checksum:
                return content.decode()
        return ""

    def _made(self, key: Key, count: int) -> Cells:
        start = self.own * _AREA_BYTES + TEXT_BYTES
        (used,) = _USED.unpack_from(self._map, start)
        name = json.dumps(key).encode()
        padded = -(-len(name) // _WORD) * _WORD
        place = start + _USED.size + used
        size = _HEAD.size + padded + count * _WORD
        if used + size > CELLS_BYTES - _USED.size:
            return [0.0] * count
        _HEAD.pack_into(self._map, place, padded, count)
        self._map[place + _HEAD.size : place + size] = name.ljust(padded) + bytes(count * _WORD)
        # Last: a writer that is killed before this line has written nothing.
        _USED.pack_into(self._map, start, used + size)
        return self._cells_at(place + _HEAD.size + padded, count)

    def _series_of(self, area: int) -> Iterator[tuple[Key, Cells]]:
        start = area * _AREA_BYTES + TEXT_BYTES
        (used,) = _USED.unpack_from(self._map, start)
        place = start + _USED.size
        end = place + used
        while place < end:
            length, count = _HEAD.unpack_from(self._map, place)
            place += _HEAD.size
            try:
                key = tuple(json.loads(self._map[place : place + length]))
            except ValueError:  # another processor's writes may arrive in another order
                return
            place += length
            yield key, self._cells_at(place, count)
            place += count * _WORD

    def _cells_at(self, place: int, count: int) -> Cells:
        return self._words[place // _WORD : place // _WORD + count]
