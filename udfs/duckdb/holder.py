"""Whether a DuckDB file is held by a process, and by which, as DuckDB's own message says it."""

from __future__ import annotations

import re
from typing import NamedTuple

import duckdb

_LOCKED = "Could not set lock on file"
_HOLDER = re.compile(
    r'Could not set lock on file "(?P<file>.+?)": Conflicting lock is held in '
    r"(?P<program>.+?) \(PID (?P<pid>\d+)\)"
)


class Holder(NamedTuple):
    """A process that keeps others out of a database file."""

    file: str
    program: str
    pid: int


def find_holder(said: str | duckdb.Error) -> Holder | None:
    """Find who holds a file in an error of DuckDB, or in what a program printed of one.

    Returns
    -------
    Holder or None
        None where it speaks of something else.
    """
    found = _HOLDER.search(str(said))
    return None if found is None else Holder(found["file"], found["program"], int(found["pid"]))


def is_locked(error: duckdb.Error) -> bool:
    """Whether a file cannot be opened now, since a process has it, or had it a moment ago.

    Where that has just let go, or is on another machine, DuckDB does not name it.
    """
    return isinstance(error, duckdb.IOException) and _LOCKED in str(error)
