"""Micro-batches of Spark into a table of DuckDB, each once, whatever is killed and run again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..streams.opening import open_to_write
from ..udfs.duckdb.macros import literal, quote
from .following import BATCH, BATCHES, STREAM, check_follows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import duckdb

_BATCHES = f"foresql.{BATCHES}"
_ROWS = "foresql_batch_rows"


def duckdb_batches(path: str | Path, table: str, *, stream: str) -> Callable[[Any, int], None]:
    """Write a stream's rows into a table of a DuckDB file: what ``foreachBatch`` takes.

    A batch's rows and its number are one transaction, and a batch that comes again takes the place
    of itself. So each row is there once. The rows of a batch go through the driver.

    Parameters
    ----------
    path, table
        The file, which is made where there is none, and the table, whose first batch makes it. It
        has the frame's columns, ``foresql_stream`` and ``foresql_batch``.
    stream
        The stream's name, by which its last batch is known: each stream into the file has its own.

    Examples
    --------
    >>> write = foresql.spark.duckdb_batches(  # doctest: +SKIP
    ...     "scores.duckdb", "predictions", stream="arrivals"
    ... )
    >>> scored.writeStream.foreachBatch(write).option("checkpointLocation", "/lake/checkpoint")
    """
    return _DuckDBBatches(str(path), table, stream).write


@dataclass(frozen=True, slots=True)
class _DuckDBBatches:
    """Where micro-batches go."""

    path: str
    table: str
    stream: str

    def write(self, frame: Any, batch: int) -> None:
        """Write a batch, and its number."""
        rows = frame.toArrow()
        with open_to_write(self.path, create=True) as connection:
            connection.begin()
            self._check(connection, batch)
            connection.register(_ROWS, rows)
            own = f"{literal(self.stream)} AS {STREAM}, {int(batch)}::BIGINT AS {BATCH}"
            given = f"SELECT *, {own} FROM {_ROWS}"  # noqa: S608 - quoted above
            name = quote(self.table)
            connection.execute(f"CREATE TABLE IF NOT EXISTS {name} AS {given} LIMIT 0")
            again = f"DELETE FROM {name} WHERE {STREAM} = ? AND {BATCH} = ?"  # noqa: S608 - quoted
            connection.execute(again, [self.stream, batch])
            connection.execute(f"INSERT INTO {name} BY NAME {given}")
            done = f"INSERT OR REPLACE INTO {_BATCHES} VALUES (?, ?)"  # noqa: S608 - our own
            connection.execute(done, [self.stream, batch])
            connection.commit()

    def _check(self, connection: duckdb.DuckDBPyConnection, batch: int) -> None:
        """Refuse a batch that does not follow the last one: the checkpoint is another one's."""
        connection.execute("CREATE SCHEMA IF NOT EXISTS foresql")
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {_BATCHES} (stream VARCHAR PRIMARY KEY, batch BIGINT)"
        )
        asked = f"SELECT batch FROM {_BATCHES} WHERE stream = ?"  # noqa: S608 - our own
        found = connection.execute(asked, [self.stream]).fetchall()
        last = found[0][0] if found else None
        check_follows(batch, last, stream=self.stream, place=self.path)
