"""A connection to Postgres that comes back, and what its errors mean for a worker."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from ....errors import StreamError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    import psycopg

_Answer = TypeVar("_Answer")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
# Another transaction was in the way: serialization, deadlock, a key that appeared meanwhile.
_AGAIN = {"40001", "40P01", "55P03", "23505"}
_ATTEMPTS = 20
# Not now: the server stops or starts, or has no connection left.
_AWAY = {"57P01", "57P02", "57P03", "53300"}
_WAYS_OUT = {
    "53100": "make room on the server's disk",
    "42501": "give the role what docs/events.md lists",
    "42P01": (
        "somebody dropped a table since the worker began. Bring it back; a worker that is started "
        "anew makes what lacks, and goes on behind the positions in foresql.event_positions"
    ),
    "22021": "take zero bytes out in the query: replace(column, chr(0), '')",
}
_ELSE = "see what the server says, and docs/events.md"
_SETTINGS = (
    "TimeZone = 'UTC'",
    "DateStyle = 'ISO, YMD'",
    "IntervalStyle = 'postgres'",
    "client_encoding = 'UTF8'",
    "extra_float_digits = 1",
    "client_min_messages = warning",
    "default_transaction_isolation = 'read committed'",
)


class Server:
    """A server that is connected to when it is needed, and again when it was away."""

    def __init__(
        self,
        address: str,
        *,
        pause: Callable[[float], object],
        told: Callable[[str], None],
    ) -> None:
        """Name the server; passwords are read by libpq."""
        self._address = address
        self._pause, self._told = pause, told
        self._connection: psycopg.Connection[Any] | None = None

    def connect(self) -> None:
        """Connect now, so that an address that never works is seen at once.

        Raises
        ------
        StreamError
            If the server cannot be reached.
        """
        psycopg = _psycopg()
        try:
            self._connection = self._connected()
        except psycopg.Error as error:
            message = (
                f"The server cannot be reached: {str(error).strip()}\n"
                "  What to do: check host, user and database. The password is read from "
                "PGPASSWORD, ~/.pgpass or a service file."
            )
            raise StreamError(message) from error

    def transact(self, act: Callable[[psycopg.Connection[Any]], _Answer]) -> _Answer:
        """Do something in one transaction; again where another was in the way or the server away.

        Where the connection is lost in COMMIT it is not known whether it happened: ``act`` is
        called again then, and finds out by what is stored.

        Raises
        ------
        StreamError
            If the server refuses it, or the waiting was ended.
        """
        psycopg = _psycopg()
        seconds, attempts, is_told = _FIRST_PAUSE, 0, False
        while True:
            try:
                if self._connection is None:
                    self._connection = self._connected()
                answer = act(self._connection)
                # Not the driver's transaction block, which is silent where the connection is gone.
                self._connection.commit()
            except psycopg.Error as error:
                self._undo()
                if self._is_away(error):
                    self.close()
                    if not is_told:
                        self._told(f"The server is away, and is waited for: {_said(error)}")
                    is_told = True
                elif error.sqlstate in _AGAIN and attempts < _ATTEMPTS:
                    attempts += 1
                else:
                    self.close()
                    raise _refused(error) from error
            except BaseException:
                self._undo()
                raise
            else:
                return answer
            # Not all at the same moment, so that two do not meet again and again.
            if self._pause(seconds * random.uniform(0.5, 1.0)):  # noqa: S311
                message = "Waiting for the server was ended. Nothing is lost."
                raise StreamError(message)
            seconds = min(2 * seconds, _LONGEST_PAUSE) if is_told else _FIRST_PAUSE

    def close(self) -> None:
        """Disconnect."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(_psycopg().Error):
                connection.close()

    def _undo(self) -> None:
        """End the transaction; where that fails the connection is gone, which ends it too."""
        if self._connection is not None:
            with suppress(_psycopg().Error):
                self._connection.rollback()

    def _connected(self) -> psycopg.Connection[Any]:
        connection: psycopg.Connection[Any] = _psycopg().connect(
            self._address, application_name="foresql worker"
        )
        connection.execute("; ".join(f"SET {setting}" for setting in _SETTINGS).encode())
        connection.commit()
        return connection

    def _is_away(self, error: psycopg.Error) -> bool:
        if error.sqlstate in _AWAY or self._connection is None:
            return isinstance(error, _psycopg().OperationalError)
        return self._connection.closed or self._connection.broken


def _refused(error: psycopg.Error) -> StreamError:
    what = _WAYS_OUT.get(error.sqlstate or "", _ELSE)
    return StreamError(
        f"The server refused what the worker writes: {_said(error)}\n"
        f"  What to do: {what}; then start the worker again. Nothing of the batch was written, and "
        "no position moved."
    )


def _said(error: psycopg.Error) -> str:
    """Give what the server says, without rows of the batch."""
    return error.diag.message_primary or str(error).strip()


def _psycopg() -> ModuleType:
    try:
        import psycopg
    except ModuleNotFoundError as error:
        message = "The sink needs psycopg: pip install 'foresql[postgres]'"
        raise StreamError(message) from error
    return psycopg
