"""Files of lines as a source: a file is a partition, and an offset is where a line begins.

Files may grow, and new ones may come. A line is there when its newline is. Of a line that is larger
than an event may be, no more is kept than shows that.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from glob import glob
from itertools import accumulate, repeat
from typing import TYPE_CHECKING

from ....errors import StreamError
from ..definition import LATEST
from ..records import Lag, Record
from .lost import LOG

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from ..definition import Definition
    from ..records import Move, Offset

_BLOCK = 1 << 20
_NEW_FILES, _NEW_LINES = 0.2, 0.01
"""Seconds between two looks for new files, and for new lines of those that are known."""
_JSON = "json"


class FileSource:
    """The files of a pattern: see :class:`~foresql.streams.events.records.Source`."""

    offset_type: str = "BIGINT"

    def __init__(self, definition: Definition) -> None:
        """Read the pattern; it begins at the folder of the definition.

        Raises
        ------
        StreamError
            If events are of a format whose bytes may have newlines in them.
        """
        if definition.events.format != _JSON:
            message = (
                f"A file: source has lines of JSON, and [events] format is "
                f"{definition.events.format}. Send such events over a bus."
            )
            raise StreamError(message)
        self.name = definition.source_name
        self._folder = definition.folder
        self._pattern = definition.source.bus.partition(":")[2]
        self._at_end = definition.source.start == LATEST
        self._most_bytes = definition.events.most_bytes
        self._files: dict[str, _File] = {}
        self._positions: Callable[[Sequence[str]], Mapping[str, Offset]] = lambda _: {}
        self._looked = float("-inf")

    def open(self, positions: Callable[[Sequence[str]], Mapping[str, Offset]]) -> None:
        """Find the files."""
        self._positions = positions
        self._look()
        self._at_end = False  # a file that comes later is new from its first line on

    def poll(self, most: int, wait: float) -> list[Record]:
        """Give the next lines, of the files in turn."""
        until = time.monotonic() + wait
        while True:
            if time.monotonic() > self._looked + _NEW_FILES:
                self._look()
            found: list[Record] = []
            for partition in list(self._files):
                taken = self._take(partition, most - len(found))
                if taken:
                    self._files[partition] = self._files.pop(partition)  # to the end of the row
                    found += taken
            if found or time.monotonic() >= until:
                return found
            time.sleep(min(_NEW_LINES, wait))

    def owns(self, partition: str) -> bool:
        """Have all files, also those that are gone: the sink tells workers apart."""
        del partition
        return True

    def seek(self, partition: str) -> None:
        """Read a file anew, behind its position."""
        self._begin([partition], at_end=False)

    def done(self, positions: Mapping[str, Offset]) -> None:
        """Do nothing: files are not told."""

    def marks(self) -> Mapping[str, Move]:
        """Give none."""
        return {}

    def lag(self) -> Mapping[str, int]:
        """Count the lines that were not given."""
        lags: dict[str, int] = {}
        for partition in list(self._files):
            with self._reading(partition):
                lags[partition] = self._files[partition].lag()
        return lags

    def others(self) -> Mapping[str, int]:
        """Give none: a worker has all files."""
        return {}

    def behind(self, positions: Mapping[str, str]) -> dict[str, Lag]:
        """Count the lines behind positions, of files that were not opened."""
        at_end = self._at_end
        self.open(lambda names: {name: int(positions[name]) for name in names if name in positions})
        found = {
            name: Lag(count, None)
            for name, count in self.lag().items()
            if name in positions or not at_end
        }
        self.close()
        return found

    def close(self) -> None:
        """Forget the files."""
        self._files.clear()

    def _take(self, partition: str, most: int) -> list[Record]:
        with self._reading(partition):
            return self._files[partition].take(most)
        return []

    @contextmanager
    def _reading(self, partition: str) -> Generator[None]:
        """Let a file go that was taken away: who has too many of them moves what was read."""
        try:
            yield
        except FileNotFoundError:
            self._files.pop(partition, None)
            LOG.warning("%s is gone; lines that were not read before are lost.", partition)
        except OSError as error:
            message = f"{self._folder / partition} cannot be read: {error.strerror}."
            raise StreamError(message) from error

    def _look(self) -> None:
        self._looked = time.monotonic()
        # Path.glob takes no absolute pattern.
        found = glob(self._pattern, root_dir=self._folder, recursive=True)  # noqa: PTH207
        new = sorted(each for each in set(found) - self._files.keys() if self._is_file(each))
        if new:
            self._begin(new, at_end=self._at_end)

    def _is_file(self, partition: str) -> bool:
        return (self._folder / partition).is_file()

    def _begin(self, partitions: Sequence[str], *, at_end: bool) -> None:
        done = self._positions(partitions)
        for partition in partitions:
            with self._reading(partition):
                path = self._folder / partition
                position = done.get(partition)
                begin = path.stat().st_size if at_end else 0
                if position is not None:
                    begin = _behind(path, int(position))
                self._files[partition] = _File(
                    path, partition, self._most_bytes, position, begin, begin
                )


@dataclass(slots=True)
class _File:
    """A file: how far it was read and counted, and the lines that were read and not yet given."""

    path: Path
    partition: str
    most_bytes: int
    last: Offset | None
    read_to: int
    counted_to: int
    searched_to: int = 0
    counted: int = 0
    read: int = 0
    waiting: list[Record] = field(default_factory=list)
    given: int = 0

    def take(self, most: int) -> list[Record]:
        """Give at most so many lines."""
        if self.given == len(self.waiting):
            self.waiting, self.given = self._read(), 0
        found = self.waiting[self.given : self.given + most]
        self.given += len(found)
        return found

    def lag(self) -> int:
        """Count the lines that were not given."""
        with self.path.open("rb") as file:
            file.seek(self.counted_to)
            while block := file.read(_BLOCK):
                self.counted += block.count(b"\n")
                self.counted_to += len(block)
        return self.counted - self.read + len(self.waiting) - self.given

    def _read(self) -> list[Record]:
        """Read the next whole lines; empty ones are no events."""
        status = self.path.stat()
        if status.st_size < self.read_to:
            raise _is_shorter(self.path)
        if status.st_size == self.read_to:
            return []
        block = self._block()
        if len(block) == self._enough and b"\n" not in block:
            return self._read_large(block, status.st_mtime)
        *lines, _ = block.split(b"\n")
        ends = list(accumulate((len(line) + 1 for line in lines), initial=self.read_to))
        offsets, self.read_to = ends[:-1], ends[-1]
        self.read += len(lines)
        if b"" in lines:
            offsets = [offset for offset, line in zip(offsets, lines, strict=True) if line]
            lines = [line for line in lines if line]
        befores = [self.last, *offsets]
        self.last = befores.pop() if offsets else self.last
        columns = (repeat(self.partition), offsets, repeat(status.st_mtime), lines, befores)
        return [Record(*values) for values in zip(*columns, strict=False)]

    @property
    def _enough(self) -> int:
        """So many bytes have the end of a line, or are the begin of one that is too large."""
        return max(_BLOCK, self.most_bytes + 1)

    def _block(self) -> bytes:
        """Read a block, or more where that has no whole line."""
        with self.path.open("rb") as file:
            file.seek(self.read_to)
            block = file.read(_BLOCK)
            if len(block) == _BLOCK and b"\n" not in block:
                block += file.read(self._enough - _BLOCK)
        return block

    def _read_large(self, block: bytes, written: float) -> list[Record]:
        """Give the begin of a line that is too large, when its end is there: a dead letter."""
        end = self._end_of_line()
        if end is None:
            return []
        record = Record(
            self.partition, self.read_to, written, block[: self.most_bytes + 1], self.last
        )
        self.last, self.read_to = self.read_to, end
        self.read += 1
        return [record]

    def _end_of_line(self) -> int | None:
        """Search for a newline, from where it was searched before."""
        with self.path.open("rb") as file:
            file.seek(max(self.searched_to, self.read_to))
            while block := file.read(_BLOCK):
                found = block.find(b"\n")
                if found >= 0:
                    return file.tell() - len(block) + found + 1
            self.searched_to = file.tell()
        return None


def _behind(path: Path, position: int) -> int:
    """Say where the line behind the one at a position begins."""
    with path.open("rb") as file:
        file.seek(position)
        while not (part := file.readline(_BLOCK)).endswith(b"\n"):
            if not part:
                raise _is_shorter(path)
        return file.tell()


def _is_shorter(path: Path) -> StreamError:
    return StreamError(
        f"{path} is shorter than what was read of it: it was replaced or cut. Lines may only be "
        "appended; give the new lines in a file with a name of its own."
    )
