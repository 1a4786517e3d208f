"""Predictions in a DuckDB file: a batch, its moves and its dead letters are one transaction."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from ....errors import StreamError
from ....udfs.duckdb.macros import quote
from ...bookkeeping import begun, moment
from ...relation import Name, find_relation, folded, listed
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
    describe_difference,
    key_index,
    moved_error,
    moved_rows,
    plain,
    plain_schema,
    read_offset,
    read_place,
    refuse_difference,
)
from .numbers import unfit_numbers

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from ..records import Offset, Outcome, Shape
    from .turns import SharedFile

_POSITIONS, _DEAD = f"{SCHEMA}.{POSITIONS}", f"{SCHEMA}.{DEAD}"
_MOVE = (
    f"UPDATE {_POSITIONS} SET last_offset = $last_offset, moved_at = $moved_at, "
    "events = events + $events, worker = $worker WHERE source = $source AND partition = $partition"
)
_BEGIN = f"INSERT INTO {_POSITIONS} VALUES ({', '.join(f'${name}' for name in POSITION_COLUMNS)})"
_BATCH = "foresql_batch"
_DISK_FULL = ("No space left", "File too large", "quota exceeded")


class DuckDBSink:
    """A database file: the predictions' table, others of the worker, and foresql's own."""

    exactly_once = True

    def __init__(self, file: SharedFile, table: str) -> None:
        """Name the file, and the table of predictions in it."""
        self._file = file
        self._table = read_place(table)
        self._shape: Shape | None = None

    def open(self, shape: Shape) -> None:
        """Make the tables that are not there; refuse others of their name."""
        check_shape(shape)
        with self._using() as connection, begun(connection):
            _make_own(connection, POSITIONS, POSITION_COLUMNS, "PRIMARY KEY (source, partition)")
            _make_own(connection, DEAD, DEAD_COLUMNS)
            _make(connection, self._table, plain_schema(shape.predictions))
            if shape.key:
                _make_key(connection, self._table, shape.key)
            for name, schema in shape.tables.items():
                _make(connection, read_place(name), plain_schema(schema))
            for name in shape.claims:
                _make_key(connection, read_place(name), [CLAIMED])
        self._shape = shape

    def positions(self, partitions: Sequence[str]) -> Mapping[str, Offset]:
        """Give the last offset that is done of each partition that has one."""
        with self._using() as connection:
            return self._positions(connection, partitions)

    def read(self, table: str, values: Sequence[str], column: str = PARTITION, /) -> pa.Table:
        """Give the rows of one of the further tables whose column is one of some values."""
        schema = plain_schema(self._opened.tables[table])
        with self._using() as connection:
            found = connection.sql(
                f"SELECT {listed(schema.names)} FROM {_sql(read_place(table))} "
                f"WHERE {quote(column)} IN (SELECT unnest(?))",
                params=[list(values)],
            )
            return found.to_arrow_table().cast(schema)

    def unfit(self, rows: pa.Table) -> Mapping[int, str]:
        """Say which rows have a whole number that only looks like a DECIMAL."""
        return unfit_numbers(plain(rows))

    def write(self, outcome: Outcome) -> int:
        """Write a batch and its moves in one transaction, waiting where another has the file."""
        with self._using() as connection, begun(connection):
            return self._write(connection, outcome)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    @property
    def _opened(self) -> Shape:
        if self._shape is None:
            message = "The sink is not open."
            raise StreamError(message)
        return self._shape

    @contextmanager
    def _using(self) -> Generator[duckdb.DuckDBPyConnection]:
        with self._explained(), self._file.use() as connection:
            yield connection

    @contextmanager
    def _explained(self) -> Generator[None]:
        try:
            yield
        except duckdb.Error as error:
            raise StreamError(_told(self._file.path, error)) from error

    def _positions(
        self, connection: duckdb.DuckDBPyConnection, partitions: Sequence[str]
    ) -> dict[str, Offset]:
        shape = self._opened
        rows = connection.execute(
            f"SELECT partition, last_offset FROM {_POSITIONS} "
            "WHERE source = ? AND list_contains(?, partition)",
            [shape.source, list(partitions)],
        ).fetchall()
        return {partition: read_offset(text, shape.offset_type) for partition, text in rows}

    def _write(self, connection: duckdb.DuckDBPyConnection, outcome: Outcome) -> int:
        shape, now = self._opened, moment()
        stored = self._positions(connection, list(outcome.moves))
        check_moves(shape.source, stored, outcome.moves)
        predictions = plain(outcome.predictions)
        if shape.key:
            left_out = _insert_new(connection, self._table, predictions, shape.key)
        else:
            left_out = 0
            _insert(connection, self._table, predictions)
        if outcome.dead.num_rows:
            _insert(connection, Place(SCHEMA, DEAD), dead_rows(shape.source, outcome.dead, now))
        for name, rows in outcome.tables.items():
            if name in shape.claims:
                _claim(connection, shape.source, read_place(name), rows)
            else:
                _insert(connection, read_place(name), plain(rows))
        for name, (column, bounds) in outcome.forgotten.items():
            connection.executemany(
                f"DELETE FROM {_sql(read_place(name))} "
                f"WHERE {PARTITION} = ? AND {quote(column)} < ?",
                list(bounds.items()),
            )
        for row in moved_rows(shape, outcome, now):
            # An INSERT that updates on conflict takes ten times as long.
            connection.execute(_MOVE if row["partition"] in stored else _BEGIN, row)
        return left_out


def _is_disk_full(error: duckdb.Error) -> bool:
    return any(sign in str(error) for sign in _DISK_FULL)


def _told(path: Path, error: duckdb.Error) -> str:
    text = str(error)
    if _is_disk_full(error):
        what = "make room on the disk"
    elif isinstance(error, duckdb.CatalogException | duckdb.BinderException):
        what = (
            "somebody dropped or changed a table since the worker began; bring it back as it was. "
            "A worker that is started anew makes what lacks, and goes on behind the positions in "
            f"{_POSITIONS}"
        )
    else:
        what = "see that this user may write to it"
    return (
        f"The batch cannot be written to {path}: {text}\n"
        f"  What to do: {what}; then start the worker again. Nothing of the batch was written, and "
        "no position moved."
    )


def _sql(place: Place) -> str:
    return quote(place.name) if place.schema is None else Name(place.schema, place.name).sql


@contextmanager
def _offered(connection: duckdb.DuckDBPyConnection, rows: pa.Table) -> Generator[None]:
    """Offer rows as a view; after an error it stays, since no statement runs before ROLLBACK."""
    connection.register(_BATCH, rows)
    yield
    connection.unregister(_BATCH)


def _insert(
    connection: duckdb.DuckDBPyConnection, place: Place, rows: pa.Table, clauses: str = ""
) -> int:
    """Insert rows, and give how many those are that ``clauses`` leave."""
    if not rows.num_rows:
        return 0
    with _offered(connection, rows):
        [(count,)] = connection.execute(
            f"INSERT INTO {_sql(place)} BY NAME SELECT * FROM {_BATCH} {clauses}"
        ).fetchall()
    return count


def _insert_new(
    connection: duckdb.DuckDBPyConnection, place: Place, rows: pa.Table, key: Sequence[str]
) -> int:
    """Insert rows of events that are not there yet, and give how many were left out.

    An event without an id is known by none. DuckDB takes NULLs of one statement for equal, and
    which of two equal rows it keeps is open; so that is said here.
    """
    unknown = " OR ".join(f"{quote(name)} IS NULL" for name in key)
    first = (
        f"QUALIFY row_number() OVER (PARTITION BY {listed(key)} ORDER BY {PARTITION}, {OFFSET}) = 1"
    )
    count = _insert(connection, place, rows, f"WHERE {unknown}")
    count += _insert(
        connection, place, rows, f"WHERE NOT ({unknown}) {first} ON CONFLICT DO NOTHING"
    )
    return rows.num_rows - count


def _claim(
    connection: duckdb.DuckDBPyConnection, source: str, place: Place, rows: pa.Table
) -> None:
    """Insert claims; refuse the batch where somebody else has one of the keys by now."""
    if _insert(connection, place, rows, "ON CONFLICT DO NOTHING") < rows.num_rows:
        raise moved_error(source, rows.column(PARTITION).unique().to_pylist())


def _make_own(
    connection: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, str], key: str = ""
) -> None:
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    fields = [f"{quote(column)} {kind}" for column, kind in columns.items()]
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {SCHEMA}.{name} ({', '.join(filter(None, [*fields, key]))})"
    )
    _compare(connection, Place(SCHEMA, name), columns)


def _make(connection: duckdb.DuckDBPyConnection, place: Place, schema: pa.Schema) -> None:
    """Make a table, or hold the one that is there against what will be written."""
    with _offered(connection, schema.empty_table()):
        wanted = {
            row[0]: row[1]
            for row in connection.execute(f"DESCRIBE SELECT * FROM {_BATCH}").fetchall()
        }
        if place.schema is not None:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(place.schema)}")
        if not _compare(connection, place, wanted):
            connection.execute(f"CREATE TABLE {_sql(place)} AS SELECT * FROM {_BATCH}")


def _compare(
    connection: duckdb.DuckDBPyConnection, place: Place, wanted: Mapping[str, str]
) -> bool:
    """Say whether a table is there; refuse one with other columns."""
    [(schema,)] = connection.execute("SELECT current_schema()").fetchall()
    found = find_relation(connection, Name(place.schema or schema, place.name))
    if found is None:
        return False
    if not found.is_table:
        refuse_difference(str(place), "it is a view")
    there = {folded(name): kind for name, kind in found.columns}
    new = {folded(name): kind for name, kind in wanted.items()}
    refuse_difference(str(place), describe_difference(there, new))
    return True


def _make_key(connection: duckdb.DuckDBPyConnection, place: Place, key: Sequence[str]) -> None:
    """Make the index by which an event is known again, however large the table is."""
    index = quote(key_index(place, key))
    try:
        connection.execute(
            f"CREATE UNIQUE INDEX IF NOT EXISTS {index} ON {_sql(place)} ({listed(key)})"
        )
    except duckdb.ConstraintException as error:
        message = (
            f"[events] id cannot tell the rows of {place} apart, which has some twice: {error}\n"
            "  What to do: take the id out of the definition, or name another table."
        )
        raise StreamError(message) from error
