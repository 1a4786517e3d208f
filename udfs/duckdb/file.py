"""Opening a database file that other processes write too, without going back behind their commits.

DuckDB 2.0 reads a file's header first and locks the file then
(https://github.com/duckdb/duckdb/commit/ae4fbd090e1). What another process commits and closes in
between is not in that header: the database is opened as it was before, and the next checkpoint
overwrites what was committed. So the header is read before DuckDB does, and again when the file is
locked. Where both are equal, so was what DuckDB read in between: each checkpoint counts up a number
in it. A file that is attached with its type said is read behind the lock alone.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import duckdb

from .holder import is_locked
from .macros import literal, quote

_HEADER = 3 * 4096
"""Bytes: the file's header, and two of the database that take turns."""
_ATTEMPTS = 100
_DESCRIPTORS = Path("/dev/fd")
_locks: dict[str, threading.Lock] = {}
"""By file. To close one drops all locks of the process on it, so no thread looks at the file while
another one opens it."""
_attached: WeakValueDictionary[str, duckdb.DuckDBPyConnection] = WeakValueDictionary()
"""Which database in memory has a file."""


def connect_file(path: str | Path, **options: Any) -> duckdb.DuckDBPyConnection:
    """Connect as ``duckdb.connect`` does, to what the file holds once it is locked.

    Raises
    ------
    duckdb.Error
        If it cannot be opened; also if this process has it by :func:`attach_file`. DuckDB refuses
        that too, but opens and closes the file first, which drops the lock on it.
    """
    if not _DESCRIPTORS.is_dir() or not _is_file(path):
        return duckdb.connect(path, **options)
    real = os.path.realpath(path)
    with _lock_of(real):
        if real in _attached:
            raise _refusal(path)
        for _ in range(_ATTEMPTS):
            connection = _connect_once(path, options)
            if connection is not None:
                return connection
    message = f"{path} cannot be opened: another process wrote to it each time. Try it again."
    raise duckdb.IOException(message)


def attach_file(connection: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    """Attach a file to a database in memory, and make it the one that queries are about.

    It takes a tenth of the time that a connection takes. A connection of the process to the same
    file is refused meanwhile; one that :func:`connect_file` did not make drops the lock on it.

    Raises
    ------
    duckdb.Error
        If it cannot be opened.
    """
    real = os.path.realpath(path)
    with _lock_of(real):
        connection.execute(f"ATTACH {literal(str(path))} AS {quote(name)} (TYPE duckdb)")
        _attached[real] = connection
    connection.execute(f"USE {quote(name)}")


def detach_file(connection: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    """Write what is in the log to the file, and close it.

    Raises
    ------
    duckdb.Error
        If it is still open then, since a query or its answer has it.
    """
    real = os.path.realpath(path)
    connection.execute("USE memory")
    with _lock_of(real):
        connection.execute(f"DETACH {quote(name)}")
        if _DESCRIPTORS.is_dir() and path.exists() and _read_open(path.stat()) is not None:
            message = f"{path} is still open."
            raise duckdb.IOException(message)
        _attached.pop(real, None)


def close_attached(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Close a database in memory that may have a file attached.

    Raises
    ------
    duckdb.Error
        If what is in the log cannot be written to the file.
    """
    real = os.path.realpath(path)
    with _lock_of(real):
        try:
            connection.close()
        finally:
            if _attached.get(real) is connection:
                del _attached[real]


def _lock_of(real: str) -> threading.Lock:
    return _locks.setdefault(real, threading.Lock())


def _refusal(path: str | Path) -> duckdb.IOException:
    return duckdb.IOException(
        f"{path} is open in this process, by a worker that writes its predictions there.\n"
        "  What to do: open it from another process, or when the worker has let go of it, one "
        "second behind its last batch. Nothing was changed."
    )


def _connect_once(path: str | Path, options: dict[str, Any]) -> duckdb.DuckDBPyConnection | None:
    """Connect; None where the file changed in between."""
    try:
        file = Path(path).stat()
    except OSError:
        return duckdb.connect(path, **options)
    before = _header(path, file)
    try:
        connection = duckdb.connect(path, **options)
    except duckdb.Error as error:
        # An old header may lead anywhere.
        if is_locked(error) or _header(path, file) == before:
            raise
        return None
    if _read_open(file) == before:
        return connection
    connection.close()
    return None


def _is_file(path: str | Path) -> bool:
    """Whether it is a file of this machine that is there: no memory, address or other kind."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def _header(path: str | Path, file: os.stat_result) -> bytes | None:
    """Read it where the process has it open already: to close it again would drop all its locks."""
    header = _read_open(file)
    return _read(path) if header is None else header


def _read(path: str | Path) -> bytes | None:
    try:
        with Path(path).open("rb", buffering=0) as file:
            return file.read(_HEADER)
    except OSError:
        return None


def _read_open(file: os.stat_result) -> bytes | None:
    """Read the header of a file that this process has open, without opening it again."""
    for each in _DESCRIPTORS.iterdir():
        try:
            descriptor = int(each.name)
            if os.path.samestat(os.fstat(descriptor), file):
                return os.pread(descriptor, _HEADER, 0)
        except OSError:  # it was closed, or is open for writing alone
            continue
    return None
