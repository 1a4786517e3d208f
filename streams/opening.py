"""Opening a database file to write, which one process at a time can: the others wait their turn."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from ..errors import StreamError
from ..scoring.query import connect_quietly
from ..udfs.duckdb.holder import is_locked
from .turn import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Wait = Callable[[float, Callable[[], object]], None]
    """Waits for some seconds, or raises; the other argument says on request who has the file."""

_FIRST_FOR_TURN, _LONGEST_FOR_TURN = 0.002, 0.01
"""To look for a turn is one call of the system."""
_FIRST_FOR_FILE, _LONGEST_FOR_FILE = 0.02, 0.5
"""To try to open a file takes ten milliseconds and more; whoever has it is none of ours."""
WAIT = 60.0
"""For how many seconds a command waits for a file that another process has open."""


@contextmanager
def open_to_write(
    path: str | Path,
    *,
    wait: float = WAIT,
    create: bool = False,
    pause: Callable[[float], object] = time.sleep,
) -> Generator[duckdb.DuckDBPyConnection]:
    """Have a database file open while the block runs, waiting first while another process has it.

    Parameters
    ----------
    path
        The file.
    wait
        For how many seconds.
    create
        Make the file where there is none.
    pause
        Waits for some seconds between two attempts; what it gives ends the waiting if it is true.

    Raises
    ------
    StreamError
        If there is no such file, it cannot be read, or it was locked all the time.
    """
    if not create and not Path(path).exists():
        message = f"There is no database file {path}."
        raise StreamError(message)
    deadline = time.monotonic() + wait

    def wait_on(seconds: float, who: Callable[[], object]) -> None:
        if time.monotonic() + seconds > deadline:
            message = (
                f"Another process has {path} open, and had it for {wait:g} seconds. Close it, or "
                f"wait longer: --wait SECONDS.\n  {who()}"
            )
            raise StreamError(message)
        if pause(seconds):
            message = f"Waiting for {path} was ended."
            raise StreamError(message)

    turn = Turn(Path(path))
    try:
        connection = connect_in_turn(turn, lambda: connect_quietly(path), wait_on)
    except duckdb.Error as error:
        message = f"The database {path} cannot be opened: {error}"
        raise StreamError(message) from error
    try:
        yield connection
    finally:
        connection.close()
        turn.give_back()


def connect_in_turn(
    turn: Turn, connect: Callable[[], duckdb.DuckDBPyConnection], wait: Wait
) -> duckdb.DuckDBPyConnection:
    """Wait for the turn, and then for programs that know of no turns; take it only with the file.

    Raises
    ------
    duckdb.Error
        If the file cannot be opened for another reason than that it is locked.
    """
    try:
        seconds = _FIRST_FOR_TURN
        while not turn.take():
            wait(seconds, turn.holder)
            seconds = min(1.5 * seconds, _LONGEST_FOR_TURN)
        return _connect(connect, wait)
    except BaseException:
        turn.give_back()
        raise


def _connect(
    connect: Callable[[], duckdb.DuckDBPyConnection], wait: Wait
) -> duckdb.DuckDBPyConnection:
    seconds = _FIRST_FOR_FILE
    while True:
        try:
            return connect()
        except duckdb.Error as error:
            if not is_locked(error):
                raise
            said = str(error)
        wait(seconds, lambda: said)  # noqa: B023 - it is called at once
        seconds = min(2 * seconds, _LONGEST_FOR_FILE)
