"""Micro-batches of Spark into a table of Postgres, each once, whatever is killed and run again."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from ..errors import StreamError
from ..scoring.postgres_types import copy_query, lines_of
from ..streams.events.sinks.layout import SCHEMA, Place, read_place
from ..streams.events.sinks.postgres_session import Server
from ..streams.events.sinks.postgres_tables import (
    make_table,
    own_columns,
    rows_of,
    sql_name,
    target_column,
    text,
)
from ..streams.relation import listed
from .following import BATCH, BATCHES, STREAM, check_follows

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from ..scoring.postgres_types import TargetColumn

_BATCHES = Place(SCHEMA, BATCHES)
_ROWS, _LINES = "foresql_batch_rows", 20_000
_MAKING = 0x666F72737061726B  # "forspark", as a number: one driver at a time makes tables


def postgres_batches(address: str, table: str, *, stream: str) -> Callable[[Any, int], None]:
    """Write a stream's rows into a table of Postgres: what ``foreachBatch`` takes.

    A batch's rows and its number are one transaction, and a batch that comes again takes the place
    of itself. So each row is there once. The rows of a batch go through the driver.

    Parameters
    ----------
    address
        ``postgresql://user@host/database``; the password comes from ``PGPASSWORD``, ``~/.pgpass``
        or a service file.
    table
        ``table`` or ``schema.table``, which the first batch makes. It has the frame's columns,
        ``foresql_stream`` and ``foresql_batch``.
    stream
        The stream's name, by which its last batch is known: each stream into the database has its
        own.

    Raises
    ------
    StreamError
        If the name is none of a table. A batch raises it where it does not follow the last one, or
        Postgres has no type or place for a value.

    Examples
    --------
    >>> write = foresql.spark.postgres_batches(  # doctest: +SKIP
    ...     "postgresql://scorer@warehouse/sales", "predictions", stream="arrivals"
    ... )
    >>> scored.writeStream.foreachBatch(write).option("checkpointLocation", "/lake/checkpoint")
    """
    return _PostgresBatches(address, read_place(table), stream).write


@dataclass(frozen=True, slots=True)
class _PostgresBatches:
    """Where micro-batches go."""

    address: str
    table: Place
    stream: str

    def write(self, frame: Any, batch: int) -> None:
        """Write a batch, and its number."""
        rows = self._of_batch(frame.toArrow(), batch)
        with duckdb.connect() as writer:
            writer.execute("SET TimeZone = 'UTC'")
            writer.register(_ROWS, rows)
            kinds = writer.execute(f"DESCRIBE SELECT * FROM {_ROWS}").fetchall()  # noqa: S608 - our own
            columns = tuple(target_column(self.table, name, kind) for name, kind, *_ in kinds)
            server = Server(self.address, pause=time.sleep, told=lambda _: None)
            with closing(server):
                server.connect()
                # It may run again where an answer was lost: the batch then replaces itself.
                server.transact(lambda connection: self._write(connection, writer, columns, batch))

    def _of_batch(self, rows: pa.Table, batch: int) -> pa.Table:
        """Say whose rows they are."""
        for name, value in (
            (STREAM, pa.scalar(self.stream)),
            (BATCH, pa.scalar(batch, pa.int64())),
        ):
            if name in rows.column_names:
                message = f"The frame has a column {name}, which this writer adds. Leave it out."
                raise StreamError(message)
            rows = rows.append_column(name, pa.repeat(value, rows.num_rows))
        return rows

    def _write(
        self,
        connection: psycopg.Connection[Any],
        writer: duckdb.DuckDBPyConnection,
        columns: tuple[TargetColumn, ...],
        batch: int,
    ) -> None:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_MAKING})"))
        own = own_columns({"stream": "VARCHAR", "batch": "BIGINT"})
        make_table(connection, _BATCHES, own, ", PRIMARY KEY (stream)")
        asked = f"SELECT batch FROM {sql_name(_BATCHES)} WHERE stream = %s FOR UPDATE"  # noqa: S608
        found = rows_of(connection, asked, [self.stream])
        last = int(found[0][0]) if found else None
        check_follows(batch, last, stream=self.stream, place=f"Postgres, {self.table}")
        make_table(connection, self.table, columns)
        name = sql_name(self.table)
        again = f"DELETE FROM {name} WHERE {STREAM} = %s AND {BATCH} = %s"  # noqa: S608 - quoted
        connection.execute(text(again), [self.stream, batch])
        names = listed([column.name for column in columns])
        with (
            writer.sql(copy_query(_ROWS, columns)).to_arrow_reader(_LINES) as lines,
            connection.cursor() as cursor,
            cursor.copy(text(f"COPY {name} ({names}) FROM STDIN")) as copy,
        ):
            for part in lines_of(iter(lines)):
                copy.write(part)
        connection.execute(
            text(
                f"INSERT INTO {sql_name(_BATCHES)} VALUES (%s, %s) "  # noqa: S608 - our own
                "ON CONFLICT (stream) DO UPDATE SET batch = excluded.batch"
            ),
            [self.stream, batch],
        )
