"""A DuckDB file that several workers write in turn, since one process at a time can open it.

A worker keeps the file while batches follow each other, since to open and close it takes as long as
a small batch. Where another one waits for the turn it lets go. DuckDB itself is started once, which
takes ten times as long, and has the file attached in between.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import duckdb

from ....errors import StreamError
from ....udfs.duckdb.file import attach_file, close_attached, detach_file
from ...opening import connect_in_turn
from ...turn import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from ...opening import Wait

_NAME = "foresql_sink"
"""What the attached file is called, which no schema of it should be."""
LINGER = 1.0
"""After so many seconds without a batch the file is closed, so that readers get in."""
_TICK = 0.005
_TURN = 0.1
"""So many seconds a worker goes on though others wait: opening takes a large part of that."""
_PATIENCE = 5.0
"""After so many seconds it says what it waits for."""


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
        self._hold = hold
        self._pause, self._told = pause, told
        self._place = Turn(path, is_shared=False)
        self._lock = threading.Lock()
        self._engine: duckdb.DuckDBPyConnection | None = None
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._opened = self._used = 0.0
        self._turn = 0

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
                self._end()
                raise
            self._used = time.monotonic()
            if not self._hold and self._used - self._opened >= _TURN and self._place.is_wanted():
                self._close()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._end()

    def _open(self) -> duckdb.DuckDBPyConnection:
        try:
            connection = connect_in_turn(self._place, self._attach, self._patience())
        except duckdb.Error as error:
            self._end()
            raise _unusable(self.path, error) from error
        self._opened = self._used = time.monotonic()
        if not self._hold:
            self._turn += 1
            threading.Thread(target=self._linger, args=(self._turn,), daemon=True).start()
        return connection

    def _attach(self) -> duckdb.DuckDBPyConnection:
        if self._engine is None:
            self._engine = duckdb.connect(config={"temp_directory": f"{self.path}.tmp"})
        attach_file(self._engine, self.path, _NAME)
        return self._engine

    def _patience(self) -> Wait:
        began: float | None = time.monotonic()

        def wait(seconds: float, who: Callable[[], object]) -> None:
            nonlocal began
            if began is not None and time.monotonic() - began >= _PATIENCE:
                self._told(f"Waiting for {self.path}, which another process has: {who()}")
                began = None
            if self._pause(seconds):
                message = f"Waiting for {self.path} was ended. Nothing was written."
                raise StreamError(message)

        return wait

    def _linger(self, turn: int) -> None:
        """Close the file when no batch follows, at once where others wait.

        It does not hold the connection, which must not outlive the interpreter's other objects.
        """
        while True:
            time.sleep(_TICK)
            with self._lock:
                if self._connection is None or self._turn != turn:
                    return
                idle = time.monotonic() - self._used
                if idle >= LINGER or (idle >= _TICK and self._place.is_wanted()):
                    self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            detach_file(connection, self.path, _NAME)
        except duckdb.Error:
            self._end()
        self._place.give_back()

    def _end(self) -> None:
        """Close all of DuckDB."""
        engine, self._engine, self._connection = self._engine, None, None
        if engine is not None:
            with suppress(duckdb.Error):
                close_attached(engine, self.path)
        self._place.give_back()


def _unusable(path: Path, error: duckdb.Error) -> StreamError:
    return StreamError(
        f"The database {path} cannot be opened: {error}\n"
        "  What to do: see that the folder is there, that this user may write to it, and that the "
        "disk has room. Nothing was written, and no position moved."
    )
