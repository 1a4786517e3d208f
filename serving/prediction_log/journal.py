"""The file that rows go to first: a kill leaves all of them readable, but for the last ones.

Parquet can be read only once its end is written. So rows are appended to a journal, and a journal
that is closed becomes a Parquet file. Behind its first bytes it has frames: length and CRC-32, then
an Arrow message; the first one is the schema. What a kill cut short is no frame.

The process that writes a journal has a lock on it. Whoever gets the lock knows that the process is
gone, and turns what it left into the Parquet file.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ...registry.atomic import sync

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SUFFIX = ".journal"
_MAGIC = b"foresql prediction log 1\n"
_FRAME = struct.Struct("<II")
_MODE = 0o640
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_GROUP_ROWS = 65_536
_LOCKED_BYTE = 2**30
# Dictionaries take numbers for one that differ in their bits, such as two NaN.
_WRITING: Mapping[str, Any] = {
    "compression": "zstd",
    "use_dictionary": ["model_name", "role", "entity"],
}


class Journal:
    """A journal that this process writes."""

    def __init__(self, folder: Path, name: str, schema: pa.Schema) -> None:
        """Make the file ``.name.journal``.

        Raises
        ------
        OSError
            If it cannot be made.
        """
        self.path = folder / f".{name}{SUFFIX}"
        self._file = os.open(self.path, _FLAGS, _MODE)
        self.size = 0
        try:
            # Another process may have taken it for one that was left, before it was locked.
            if not lock(self._file) or not os.fstat(self._file).st_nlink:
                raise BlockingIOError(errno.EAGAIN, "Another process has taken it", str(self.path))
            self._append(_MAGIC + _frame(schema.serialize()))
        except OSError:
            self.leave()
            self.path.unlink(missing_ok=True)
            raise

    def append(self, batch: pa.RecordBatch) -> None:
        """Write rows; they outlive a kill of the process from now on.

        Raises
        ------
        OSError
            If they cannot be written. The file ends where it did before.
        """
        self._append(_frame(batch.serialize()))

    def _append(self, content: bytes) -> None:
        view = memoryview(content)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            os.ftruncate(self._file, self.size)
            os.lseek(self._file, self.size, os.SEEK_SET)
            raise
        self.size += len(content)

    def leave(self) -> None:
        """Write no more, and let go of the file, so that it can be recovered."""
        os.close(self._file)

    def close(self) -> None:
        """Turn the file into a Parquet file beside it, whose name ends the same but has no dot.

        Raises
        ------
        OSError
            If that cannot be written. The journal stays, and can be recovered later.
        """
        try:
            _convert(self.path)
            _remove_held(self.path)
        finally:
            self.leave()
        self.path.unlink(missing_ok=True)


def recover(path: Path) -> bool:
    """Turn the journal of a process that is gone into a Parquet file; tell whether it was one.

    Raises
    ------
    OSError
        If it cannot be read or written.
    """
    try:
        file = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return False
    try:
        # Another process may have recovered it between the two lines.
        if not lock(file) or not path.exists():
            return False
        _convert(path)
        _remove_held(path)
    finally:
        os.close(file)
    path.unlink(missing_ok=True)
    return True


def _remove_held(path: Path) -> None:
    """Remove a journal while it is locked, so that nobody else finds it; Windows does it later."""
    if sys.platform != "win32":
        path.unlink(missing_ok=True)


def lock(file: int) -> bool:
    """Take the lock of a journal, which ends with its process; tell whether it was free."""
    try:
        if sys.platform == "win32":
            import msvcrt

            # A byte that no journal comes to have: what is locked there, nobody else can read.
            os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
            os.lseek(file, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def batches_of(path: Path) -> tuple[pa.Schema | None, Iterator[pa.RecordBatch]]:
    """Read the schema and the whole frames of a journal; nothing of one that was cut in its head.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    frames = _frames(path)
    head = next(frames, None)
    if head is None:
        return None, iter(())
    schema = pa.ipc.read_schema(pa.py_buffer(head))
    return schema, (pa.ipc.read_record_batch(pa.py_buffer(each), schema) for each in frames)


def _frames(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        if stream.read(len(_MAGIC)) != _MAGIC:
            return
        while len(head := stream.read(_FRAME.size)) == _FRAME.size:
            length, checksum = _FRAME.unpack(head)
            content = stream.read(length)
            if len(content) != length or zlib.crc32(content) != checksum:
                return
            yield content


def _frame(message: pa.Buffer) -> bytes:
    content = message.to_pybytes()
    return _FRAME.pack(len(content), zlib.crc32(content)) + content


def _convert(path: Path) -> None:
    """Write the Parquet file of a journal under another name, and rename it when it is whole."""
    schema, batches = batches_of(path)
    name = path.name.removeprefix(".").removesuffix(SUFFIX)
    if schema is None:
        return
    temporary = path.with_name(f".{name}.parquet.part")
    try:
        descriptor = os.open(temporary, _FLAGS & ~os.O_EXCL | os.O_TRUNC, _MODE)
        rows = 0
        with (
            os.fdopen(descriptor, "wb") as stream,
            pq.ParquetWriter(stream, schema, **_WRITING) as writer,
        ):
            for group in _groups(batches):
                writer.write_table(group)
                rows += group.num_rows
        if rows:
            sync(temporary)
            temporary.replace(path.with_name(f"{name}.parquet"))
            sync(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Gather batches to row groups of a good size: single requests would make thousands."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= _GROUP_ROWS:
            yield pa.Table.from_batches(waiting)
            waiting, rows = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting)
