"""Opening a database file to write, which one process at a time can: the others wait their turn."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from ..errors import StreamError
from ..scoring.query import connect_quietly
from ..udfs.duckdb.holder import is_locked

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
_SIGN = ".wanted"
WAIT = 60.0
"""For how many seconds a command waits for a file that another process has open."""


def open_to_write(
    path: str | Path,
    *,
    wait: float = WAIT,
    create: bool = False,
    pause: Callable[[float], object] = time.sleep,
) -> duckdb.DuckDBPyConnection:
    """Open a database file, and wait while another process has it.

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
    deadline, seconds = time.monotonic() + wait, _FIRST_PAUSE
    with Asking(Path(path)) as asking:
        while True:
            try:
                return connect_quietly(path)
            except duckdb.Error as error:
                if not is_locked(error):
                    message = f"The database {path} cannot be opened: {error}"
                    raise StreamError(message) from error
                if time.monotonic() + seconds > deadline:
                    message = (
                        f"Another process has {path} open, and had it for {wait:g} seconds. Close "
                        f"it, or wait longer: --wait SECONDS.\n  {error}"
                    )
                    raise StreamError(message) from error
            asking.ask()
            # Not all at the same moment, so that no one of several waits for ever.
            if pause(seconds * random.uniform(0.5, 1.0)):  # noqa: S311
                message = f"Waiting for {path} was ended."
                raise StreamError(message)
            seconds = min(2 * seconds, _LONGEST_PAUSE)


class Asking:
    """Asks a worker that has a database file to let go: by a file beside it, ``FILE.wanted``.

    The sign leaves with the block. Others who wait put it there again.
    """

    def __init__(self, path: Path) -> None:
        """Name the database file."""
        self._sign = wanted_sign(path)
        self._is_there = False

    def __enter__(self) -> Self:
        """Begin to wait for the file."""
        return self

    def ask(self) -> None:
        """Put the sign there, where this user may."""
        with suppress(OSError):
            self._sign.touch()
            self._is_there = True

    def __exit__(self, *_: object) -> None:
        """Take the sign away."""
        if self._is_there:
            with suppress(OSError):
                self._sign.unlink()


def wanted_sign(path: Path) -> Path:
    """Name the file by which others ask for a database file."""
    return path.with_name(f"{path.name}{_SIGN}")
