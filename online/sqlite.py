"""The rows of a snapshot in a file of SQLite: written once, then only looked up.

One blob a row: `benchmarks/online_features.py` has what a lookup costs so, and by columns.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from ..errors import FeatureError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from .keys import KeyCodec
    from .rows import RowCodec

    Encoded = Iterable[tuple[Any, bytes]]

_APPLICATION = 0x66737174  # "fsqt"; `file` and others see whose file it is
_TABLES = {
    True: "CREATE TABLE entities (key INTEGER PRIMARY KEY, row BLOB NOT NULL)",
    False: "CREATE TABLE entities (key BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID",
}
_LOOK_UP = "SELECT row FROM entities WHERE key = ?"
_FEW = 64
_CACHED_KIB = 16 * 1024


def write_rows(path: Path, rows: Encoded, *, integer_keys: bool) -> None:
    """Write a new file; rows come in the order of their keys, which are different.

    Raises
    ------
    FeatureError
        If it cannot be written, as on a full disk.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            # Nobody sees the file before it is whole and on disk: no journal, no waiting here.
            for setting in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE"):
                connection.execute(f"PRAGMA {setting}").fetchall()
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute("BEGIN")
            connection.execute(_TABLES[integer_keys])
            connection.executemany("INSERT INTO entities VALUES (?, ?)", rows)
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        message = f"{path.parent} cannot take a snapshot: {error}."
        raise FeatureError(message) from error


class SqliteRows:
    """A file that is whole, and does not change, open for lookups from any thread.

    Few keys, which are looked up in an event loop, have a connection of their own: it never waits
    until a thread has looked up many.
    """

    __slots__ = ("_keys", "_lanes", "_name", "_rows")

    def __init__(self, path: Path, name: str, keys: KeyCodec, rows: RowCodec) -> None:
        """Open it.

        Raises
        ------
        FeatureError
            If it is no file of a snapshot.
        """
        self._name, self._keys, self._rows = name, keys, rows
        self._lanes: tuple[_Lane, ...] = ()
        try:
            self._lanes = (_Lane(path), _Lane(path))
            [(application,)] = self._lanes[0].connection.execute("PRAGMA application_id")
        except sqlite3.Error as error:
            message = f"{path} is no file of a snapshot: {error}."
            raise FeatureError(message) from error
        if application != _APPLICATION:
            message = f"{path} is no file of a snapshot, but another one of SQLite."
            raise FeatureError(message)

    def get(self, keys: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...] | None]:
        """Look keys up."""
        lane = self._lanes[0 if len(keys) <= _FEW else 1]
        encode, decode, execute = self._keys.encode, self._rows.decode, lane.execute
        answer: list[tuple[Any, ...] | None] = []
        try:
            with lane.lock:
                for key in keys:
                    found = execute(_LOOK_UP, (encode(key),)).fetchone()
                    answer.append(None if found is None else decode(found[0]))
        except sqlite3.Error as error:
            message = f"The snapshot of {self._name} cannot be read: {error}."
            raise FeatureError(message) from error
        return answer


class _Lane:
    """A connection, and who may use it now. It is closed when nobody has it any more."""

    __slots__ = ("connection", "execute", "lock")

    def __init__(self, path: Path) -> None:
        # Immutable: the file is never changed, so SQLite needs no lock and no look at it. It is not
        # mapped: whoever cuts a file that is mapped kills who reads it.
        self.connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro&immutable=1",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        self.connection.execute("PRAGMA trusted_schema = OFF")
        self.connection.execute(f"PRAGMA cache_size = -{_CACHED_KIB}")
        # One transaction and one cursor for all lookups: beginning anew costs as much as finding.
        self.connection.execute("BEGIN")
        self.execute = self.connection.cursor().execute
        self.execute(_LOOK_UP, (None,)).fetchone()
        self.lock = threading.Lock()

    def __del__(self) -> None:
        with suppress(AttributeError, sqlite3.Error):
            self.connection.close()
