"""Predictions in Postgres: a batch, its moves and its dead letters are one transaction.

Rows come by COPY, as text that DuckDB writes: the shortest that reads as the same number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from ....errors import StreamError
from ....scoring.postgres_types import copy_query, lines_of
from ....udfs.duckdb.macros import quote
from ...bookkeeping import moment
from ...relation import listed
from ..claims import CLAIMED
from ..definition import OFFSET, PARTITION
from .layout import (
    DEAD,
    DEAD_COLUMNS,
    POSITION_COLUMNS,
    POSITIONS,
    SCHEMA,
    Place,
    check_moves,
    check_shape,
    dead_rows,
    moved_error,
    moved_rows,
    plain,
    plain_schema,
    read_offset,
    read_place,
)
from .postgres_tables import (
    check_name,
    claim,
    make_key,
    make_table,
    own_columns,
    rows_of,
    sql_name,
    target_column,
    text,
)
from .postgres_values import unfit_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

    from ....scoring.postgres_types import TargetColumn
    from ..records import Offset, Outcome, Shape
    from .postgres_session import Server

_POSITIONS = f"{SCHEMA}.{POSITIONS}"
_DEAD = Place(SCHEMA, DEAD)
_MOVE = (
    f"UPDATE {_POSITIONS} SET last_offset = %(last_offset)s, moved_at = %(moved_at)s, "
    "events = events + %(events)s, worker = %(worker)s "
    "WHERE source = %(source)s AND partition = %(partition)s"
)
_BEGIN = (
    f"INSERT INTO {_POSITIONS} ({listed(list(POSITION_COLUMNS))}) "
    f"VALUES ({', '.join(f'%({name})s' for name in POSITION_COLUMNS)}) ON CONFLICT DO NOTHING"
)
_BATCH, _NEW = "foresql_batch", "foresql_new"
_LINES = 20_000
_MAKING = 0x666F726576656E74  # "forevent", as a number: one worker at a time makes tables


class PostgresSink:
    """A database: the predictions' table, others of the worker, and foresql's own."""

    exactly_once = True

    def __init__(self, server: Server, table: str) -> None:
        """Name the server, and the table of predictions in it."""
        self._server = server
        self._table = read_place(table)
        self._shape: Shape | None = None
        self._columns: dict[Place, tuple[TargetColumn, ...]] = {}
        self._writer = duckdb.connect()
        self._writer.execute("SET TimeZone = 'UTC'")

    def open(self, shape: Shape) -> None:
        """Make the tables that are not there; refuse others of their name."""
        check_shape(shape)
        schemas = {self._table: shape.predictions}
        schemas |= {read_place(name): schema for name, schema in shape.tables.items()}
        self._columns = {
            place: self._described(place, plain_schema(schema)) for place, schema in schemas.items()
        }
        self._columns[_DEAD] = own_columns(DEAD_COLUMNS)
        self._server.connect()
        self._server.transact(lambda connection: self._make_all(connection, shape))
        self._shape = shape

    def positions(self, partitions: Sequence[str]) -> Mapping[str, Offset]:
        """Give the last offset that is done of each partition that has one."""
        return self._server.transact(lambda connection: self._positions(connection, partitions, ""))

    def read(self, table: str, values: Sequence[str], column: str = PARTITION, /) -> pa.Table:
        """Give the rows of one of the further tables whose column is one of some values."""
        place, schema = read_place(table), plain_schema(self._opened.tables[table])
        query = f"SELECT {listed(schema.names)} FROM {sql_name(place)}".replace("%", "%%")
        query += f" WHERE {quote(column)} = ANY(%s)"
        rows = self._server.transact(lambda connection: rows_of(connection, query, [list(values)]))
        columns = zip(*rows, strict=True) if rows else [[] for _ in schema]
        return pa.Table.from_arrays(
            [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)],
            schema=schema,
        )

    def unfit(self, rows: pa.Table) -> Mapping[int, str]:
        """Say which rows have a value that Postgres cannot hold, and why."""
        return unfit_values(plain(rows))

    def write(self, outcome: Outcome) -> int:
        """Write a batch and its moves in one transaction, waiting while the server is away."""
        attempts = 0

        def act(connection: psycopg.Connection[Any]) -> int:
            nonlocal attempts, left_out
            attempts += 1
            if attempts > 1 and self._has_happened(connection, outcome):
                return left_out
            left_out = self._write(connection, outcome)
            return left_out

        left_out = 0
        return self._server.transact(act)

    def close(self) -> None:
        """Disconnect."""
        self._server.close()
        self._writer.close()

    @property
    def _opened(self) -> Shape:
        if self._shape is None:
            message = "The sink is not open."
            raise StreamError(message)
        return self._shape

    def _positions(
        self, connection: psycopg.Connection[Any], partitions: Sequence[str], lock: str
    ) -> dict[str, Offset]:
        shape = self._opened
        rows = rows_of(
            connection,
            f"SELECT partition, last_offset FROM {_POSITIONS} WHERE source = %s "
            # In one order, so that two workers do not wait for each other.
            f"AND partition = ANY(%s) ORDER BY partition {lock}",
            [shape.source, list(partitions)],
        )
        return {partition: read_offset(text, shape.offset_type) for partition, text in rows}

    def _has_happened(self, connection: psycopg.Connection[Any], outcome: Outcome) -> bool:
        """Whether the transaction before, whose answer was lost, moved the positions."""
        shape = self._opened
        rows = rows_of(
            connection,
            f"SELECT partition, last_offset FROM {_POSITIONS} WHERE source = %s AND worker = %s "
            "AND partition = ANY(%s) FOR UPDATE",
            [shape.source, shape.worker, list(outcome.moves)],
        )
        moved = {name: str(move.after) for name, move in outcome.moves.items()}
        return bool(moved) and dict(rows) == moved

    def _write(self, connection: psycopg.Connection[Any], outcome: Outcome) -> int:
        shape, now = self._opened, moment()
        self._move(connection, outcome)
        predictions = plain(outcome.predictions)
        left_out = 0
        if shape.key:
            left_out = self._copy_new(connection, predictions)
        else:
            self._copy(connection, self._table, predictions)
        self._copy(connection, _DEAD, dead_rows(shape.source, outcome.dead, now))
        for name, rows in outcome.tables.items():
            if name in shape.claims:
                claim(connection, shape.source, read_place(name), rows)
            else:
                self._copy(connection, read_place(name), plain(rows))
        for name, (column, bounds) in outcome.forgotten.items():
            statement = f"DELETE FROM {sql_name(read_place(name))}".replace("%", "%%")
            statement += f" WHERE {PARTITION} = %s AND {quote(column).replace('%', '%%')} < %s"
            for bound in bounds.items():
                connection.execute(text(statement), bound)
        return left_out

    def _move(self, connection: psycopg.Connection[Any], outcome: Outcome) -> None:
        """Move the positions first: who comes second waits here, and has copied nothing yet."""
        shape = self._opened
        stored = self._positions(connection, list(outcome.moves), "FOR UPDATE")
        check_moves(shape.source, stored, outcome.moves)
        for row in moved_rows(shape, outcome, moment()):
            statement = _MOVE if row["partition"] in stored else _BEGIN
            if connection.execute(text(statement), row).rowcount != 1:
                raise moved_error(shape.source, [str(row["partition"])])

    def _copy_new(self, connection: psycopg.Connection[Any], rows: pa.Table) -> int:
        """Insert rows of events that are not there yet, and give how many were left out."""
        columns = self._columns[self._table]
        names = listed([column.name for column in columns])
        connection.execute(
            text(
                f"CREATE TEMPORARY TABLE {_NEW} ON COMMIT DROP AS "
                f"SELECT {names} FROM {sql_name(self._table)} LIMIT 0"
            )
        )
        self._copy(connection, Place("pg_temp", _NEW), rows, columns)
        done = connection.execute(
            text(
                f"INSERT INTO {sql_name(self._table)} ({names}) SELECT {names} FROM pg_temp.{_NEW} "
                f"ORDER BY {PARTITION}, {OFFSET} ON CONFLICT DO NOTHING"
            )
        )
        return rows.num_rows - done.rowcount

    def _copy(
        self,
        connection: psycopg.Connection[Any],
        place: Place,
        rows: pa.Table,
        columns: Sequence[TargetColumn] | None = None,
    ) -> None:
        if not rows.num_rows:
            return
        columns = columns or self._columns[place]
        names = listed([column.name for column in columns])
        statement = text(f"COPY {sql_name(place)} ({names}) FROM STDIN")
        self._writer.register(_BATCH, rows)
        with (
            self._writer.sql(copy_query(_BATCH, columns)).to_arrow_reader(_LINES) as lines,
            connection.cursor() as cursor,
            cursor.copy(statement) as copy,
        ):
            for part in lines_of(iter(lines)):
                copy.write(part)

    def _described(self, place: Place, schema: pa.Schema) -> tuple[TargetColumn, ...]:
        """Say what columns become; refuse those that Postgres has no place for."""
        self._writer.register(_BATCH, schema.empty_table())
        kinds = self._writer.execute(f"DESCRIBE SELECT * FROM {_BATCH}").fetchall()
        check_name(str(place), place.name)
        return tuple(target_column(place, name, kind) for name, kind, *_ in kinds)

    def _make_all(self, connection: psycopg.Connection[Any], shape: Shape) -> None:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_MAKING})"))
        key = ", PRIMARY KEY (source, partition)"
        make_table(connection, Place(SCHEMA, POSITIONS), own_columns(POSITION_COLUMNS), key)
        for place, columns in self._columns.items():
            make_table(connection, place, columns)
        if shape.key:
            make_key(connection, self._table, shape.key)
        for name in shape.claims:
            make_key(connection, read_place(name), [CLAIMED])
