"""A DuckDB file that several workers write in turn, since one process at a time can open it.

DuckDB's own lock decides who has it; the kernel releases that when its holder dies. Who waits
makes a file beside it, ``FILE.wanted``: a worker that has the file lets go then, and the one that
gets it removes the sign. Without a sign a worker keeps the file while batches follow each other,
since opening and closing it takes longer than a small batch.
"""

from __future__ import annotations

import random
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import duckdb

from ....errors import StreamError
from ...opening import is_locked

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.5
LINGER = 0.25
"""After so many seconds without a batch the file is closed, so that readers get in."""
_TICK = 0.005
_TURN = 0.2
"""So many seconds a worker goes on though others wait: opening takes a large part of that."""
_GIVE_WAY = 0.1
"""So many seconds it leaves the file alone then: one who waits looks more often."""


def wanted_sign(path: Path) -> Path:
    """Name the file by which others ask for a database file."""
    return path.with_name(f"{path.name}.wanted")


class SharedFile:
    """A database file, opened when it is used."""

    def __init__(
        self,
        path: Path,
        *,
        hold: bool,
        pause: Callable[[float], object],
        told: Callable[[str], None],
    ) -> None:
        """Name the file; ``hold`` keeps it open, whoever waits."""
        self.path = path
        self._sign = wanted_sign(path)
        self._hold = hold
        self._pause, self._told = pause, told
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._opened = self._used = self._free_at = 0.0

    @contextmanager
    def use(self) -> Generator[duckdb.DuckDBPyConnection]:
        """Have the file for as long as the block runs, waiting for it first.

        Raises
        ------
        StreamError
            If it cannot be opened, or the waiting was ended.
        """
        with self._lock:
            connection = self._connection or self._open()
            self._connection = connection
            try:
                yield connection
            except duckdb.Error:
                # It may be unusable: after a failed write DuckDB refuses all that follows.
                self._close()
                raise
            self._used = time.monotonic()
            if not self._hold and self._used - self._opened >= _TURN and self._sign.exists():
                self._give_way()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._close()

    def _open(self) -> duckdb.DuckDBPyConnection:
        connection = self._wait_for_file()
        with suppress(OSError):
            self._sign.unlink()
        self._opened = self._used = time.monotonic()
        if not self._hold:
            threading.Thread(target=self._linger, args=(connection,), daemon=True).start()
        return connection

    def _wait_for_file(self) -> duckdb.DuckDBPyConnection:
        seconds, is_told = _FIRST_PAUSE, False
        left = self._free_at - time.monotonic()
        if left > 0:
            self._wait(left)
        while True:
            try:
                return duckdb.connect(self.path)
            except duckdb.Error as error:
                if not is_locked(error):
                    raise _unusable(self.path, error) from error
                if not is_told and seconds == _LONGEST_PAUSE:
                    self._told(f"Waiting for {self.path}, which another process has: {error}")
                    is_told = True
            with suppress(OSError):
                self._sign.touch()
            # Not all at the same moment, so that no one of several waits for ever.
            self._wait(seconds * random.uniform(0.5, 1.0))  # noqa: S311
            seconds = min(1.5 * seconds, _LONGEST_PAUSE)

    def _wait(self, seconds: float) -> None:
        if self._pause(seconds):
            message = f"Waiting for {self.path} was ended. Nothing was written."
            raise StreamError(message)

    def _linger(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Close the file when no batch follows, at once where others wait."""
        while True:
            time.sleep(_TICK)
            with self._lock:
                if self._connection is not connection:
                    return
                idle = time.monotonic() - self._used
                if idle >= LINGER:
                    self._close()
                elif idle >= _TICK and self._sign.exists():
                    self._give_way()

    def _give_way(self) -> None:
        self._close()
        self._free_at = time.monotonic() + _GIVE_WAY

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(duckdb.Error):
                connection.close()


def _unusable(path: Path, error: duckdb.Error) -> StreamError:
    return StreamError(
        f"The database {path} cannot be opened: {error}\n"
        "  What to do: see that the folder is there, that this user may write to it, and that the "
        "disk has room. Nothing was written, and no position moved."
    )
