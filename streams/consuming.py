"""Reading a stream's changes, and moving its offset with the transaction that consumed them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import duckdb

from ..errors import StreamError
from ..udfs.duckdb.macros import quote
from .bookkeeping import STREAMS, moment, transaction
from .metadata import ACTION, INSERT, IS_UPDATE, REFUSAL
from .stream import Stream, check_fresh, find_stream

if TYPE_CHECKING:
    from collections.abc import Generator

_CHANGES = "foresql_changes"


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes of a stream within the transaction that consumes them.

    Attributes
    ----------
    stream
        The stream, as it was before.
    table
        The name of a temporary table with the changes, quoted: the table's columns,
        ``METADATA$ACTION``, ``METADATA$ISUPDATE`` and ``METADATA$ROW_ID``.
    inserted, updated, deleted
        The numbers of rows.
    """

    stream: Stream
    table: str
    inserted: int
    updated: int
    deleted: int
    _ahead: object = field(repr=False)

    @property
    def rows(self) -> int:
        """How many rows of the table changed."""
        return self.inserted + self.updated + self.deleted

    def move(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Move the offset behind the changes; it counts once the transaction commits."""
        self.stream.capture.move(connection, self.stream, self.table, self._ahead)
        connection.execute(f"DROP TABLE {self.table}")


def stream_has_data(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether a stream has changes, as ``SYSTEM$STREAM_HAS_DATA`` says it in Snowflake.

    Raises
    ------
    StreamError
        If there is no such stream, or it is stale.
    """
    stream = find_stream(connection, name)
    check_fresh(connection, stream)
    with explained(stream):
        query = f"SELECT 1 FROM ({stream.capture.changes(stream)}) LIMIT 1"
        return bool(connection.execute(query).fetchall())


@contextmanager
def consume(connection: duckdb.DuckDBPyConnection, name: str) -> Generator[Changes]:
    """Consume a stream's changes: what the block writes and the offset are one transaction.

    Parameters
    ----------
    connection
        A connection to the database, not within a transaction.
    name
        The stream.

    Yields
    ------
    Changes
        The changes, in a temporary table. When the block ends, the offset moves and all is
        committed; when it raises, nothing has happened.

    Raises
    ------
    StreamError
        If the stream is stale, its keys are not unique, or somebody else consumes it meanwhile.

    Examples
    --------
    >>> with streams.consume(con, "flight_changes") as changes:  # doctest: +SKIP
    ...     con.execute(f"INSERT INTO audit SELECT * FROM {changes.table}")
    """
    stream = find_stream(connection, name)
    with explained(stream), transaction(connection):
        changes = open_changes(connection, stream)
        yield changes
        changes.move(connection)


def open_changes(connection: duckdb.DuckDBPyConnection, stream: Stream) -> Changes:
    """Read the changes in a transaction that was begun, and lock out other consumers."""
    connection.execute(
        f"UPDATE {STREAMS} SET moves = moves + 1, moved_on = ? WHERE stream_id = ?",
        [moment(), stream.stream_id],
    )
    stream = find_stream(connection, stream.name)
    check_fresh(connection, stream)
    table = f"temp.{quote(_CHANGES)}"
    made = f"CREATE OR REPLACE TEMP TABLE {quote(_CHANGES)}"
    connection.execute(f"{made} AS {stream.capture.changes(stream)}")
    there, update = f"{quote(ACTION)} = '{INSERT}'", quote(IS_UPDATE)
    [(inserted, updated, deleted)] = connection.execute(
        f"SELECT count(*) FILTER ({there} AND NOT {update}), count(*) FILTER ({there} AND {update})"
        f", count(*) FILTER (NOT {there} AND NOT {update}) FROM {table}"
    ).fetchall()
    ahead = stream.capture.ahead(connection, stream, table)
    return Changes(stream, table, inserted, updated, deleted, ahead)


@contextmanager
def explained(stream: Stream) -> Generator[None]:
    """Turn DuckDB's errors about a stream into ours."""
    try:
        yield
    except duckdb.InvalidInputException as error:
        _, found, message = str(error).partition(REFUSAL)
        if not found:
            raise
        raise StreamError(message.splitlines()[0]) from error
    except duckdb.TransactionException as error:
        if "onflict" not in str(error):
            raise
        message = (
            f"Somebody else consumed {stream.name} at the same time. Nothing was done here; run "
            "this again."
        )
        raise StreamError(message) from error
