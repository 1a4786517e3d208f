"""Changes of any table, by comparison with a copy of its rows as they were at the offset.

A row's fingerprint is compared by key. The copy gives the images before a change, and keeps the
fingerprints of its rows: they are believed while the same DuckDB compares them that computed them,
by the same formula.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..udfs.duckdb.macros import quote
from .bookkeeping import SCHEMA, STREAMS, same_key
from .fingerprint import engine, halves
from .metadata import ACTION, DELETE, HASHES, INSERT, changed_row, refuse
from .relation import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from .relation import Name
    from .stream import Stream


def copy_of(stream: Stream) -> str:
    """Name the copy of the table's rows, quoted."""
    return f"{SCHEMA}.{quote('stream_rows_' + stream.stream_id)}"


def changes(stream: Stream, *, is_view: bool = False) -> str:
    """Write the net changes since the offset.

    A row is found by key in the table and in the copy, so a table that was replaced by one with the
    same columns is compared like any other. A view may be read by another DuckDB than wrote it, so
    it computes the fingerprints of the copy as well.
    """
    are_kept = (
        not is_view and stream.offset is not None and stream.offset == engine(_values(stream))
    )
    same = [same_key(row, "changed", stream.key) for row in ("t", "o")]
    there = changed_row("t", stream.names, stream.key, INSERT, "changed.was IS NOT NULL")
    gone = changed_row("o", stream.names, stream.key, DELETE, "changed.is_now IS NOT NULL")
    return f"""WITH
{_changed(stream, are_kept=are_kept)},
{_checked(stream)}
SELECT {there}
FROM {stream.table.sql} AS t JOIN changed ON {same[0]}
WHERE changed.is_now AND (SELECT is_fine FROM checked)
UNION ALL
SELECT {gone}
FROM {copy_of(stream)} AS o JOIN changed ON {same[1]}
WHERE changed.was AND (SELECT is_fine FROM checked)"""


def _changed(stream: Stream, *, are_kept: bool) -> str:
    """Write the keys whose row is another one, or on one side alone."""
    computed = halves(_values(stream))
    kept = [quote(name) for name in HASHES]
    keys = ", ".join(f"coalesce(n.{quote(k)}, b.{quote(k)}) AS {quote(k)}" for k in stream.key)
    return f"""changed AS MATERIALIZED (
  SELECT {keys}, n.there AS is_now, b.there AS was
  FROM ({_hashed(stream, computed)} FROM {stream.table.sql}) AS n
  FULL JOIN ({_hashed(stream, kept if are_kept else computed)} FROM {copy_of(stream)}) AS b
  ON {same_key("n", "b", stream.key)}
  WHERE n.there IS NULL OR b.there IS NULL OR n.h1 <> b.h1 OR n.h2 <> b.h2
)"""


def _hashed(stream: Stream, hashes: Sequence[str]) -> str:
    first, second = hashes
    return f"SELECT {listed(stream.key)}, {first} AS h1, {second} AS h2, TRUE AS there"


def _values(stream: Stream) -> list[tuple[str, str]]:
    """Give the columns that are compared, with their types."""
    return [column for column in stream.columns if column[0] not in stream.key]


def _checked(stream: Stream) -> str:
    """Write a row that is true, or an error: each key of the table must be there once.

    Each key of the copy is there once. So rows of the table with a key of the copy must be as many
    as rows of the copy with a key of the table.
    """
    no_key, several = (say(stream.table, stream.key) for say in (null_key, repeated_key))
    new = "count(*) FILTER (was IS NULL)"
    new_keys = f"count(DISTINCT row({listed(stream.key)})) FILTER (was IS NULL)"
    both = f"(SELECT count(*) FROM {stream.table.sql}) - {new}"
    before = f"(SELECT count(*) FROM {copy_of(stream)}) - count(*) FILTER (is_now IS NULL)"
    return f"""checked AS MATERIALIZED (
  SELECT CASE
    WHEN count(*) FILTER ({some_null(stream.key)}) > 0 THEN {refuse(no_key)}
    WHEN {new} <> {new_keys} OR {both} <> {before} THEN {refuse(several)}
    ELSE TRUE END AS is_fine
  FROM changed
)"""


def some_null(key: Sequence[str]) -> str:
    """Write that a part of the key is NULL."""
    return " OR ".join(f"{quote(name)} IS NULL" for name in key)


def null_key(table: Name, key: Sequence[str]) -> str:
    """Say that a key is NULL."""
    return (
        f"A row of {table} has no key: NULL in {', '.join(key)}. Give each row a key, and run this "
        f"again. The rows: SELECT * FROM {table.sql} WHERE {some_null(key)}"
    )


def repeated_key(table: Name, key: Sequence[str]) -> str:
    """Say that several rows have one key."""
    return (
        f"Several rows of {table} have one key ({', '.join(key)}). Keep one of each, or make the "
        "stream again with a key that is unique, and run this again. The keys: SELECT "
        f"{listed(key)}, count(*) FROM {table.sql} GROUP BY ALL HAVING count(*) > 1"
    )


def begin(connection: duckdb.DuckDBPyConnection, stream: Stream, *, initial: bool) -> None:
    """Set the offset to now, or to before the table's first row."""
    rows = "WHERE FALSE" if initial else ""
    connection.execute(
        f"CREATE TABLE {copy_of(stream)} AS {_copied(stream)} FROM {stream.table.sql} {rows}"
    )
    _keep_engine(connection, stream)


def ahead(_connection: duckdb.DuckDBPyConnection, _stream: Stream, _changed: str) -> None:
    """Give nothing: the changes themselves say all."""


def move(
    connection: duckdb.DuckDBPyConnection, stream: Stream, changed: str, _offset: None
) -> None:
    """Bring the copy to the rows of the changes that were read."""
    copy = copy_of(stream)
    if stream.offset != engine(_values(stream)):
        connection.execute(f"CREATE OR REPLACE TABLE {copy} AS {_copied(stream)} FROM {copy}")
        _keep_engine(connection, stream)
    connection.execute(
        f"DELETE FROM {copy} AS o USING {changed} AS c WHERE {same_key('o', 'c', stream.key)} "
        f"AND c.{quote(ACTION)} = '{DELETE}'"
    )
    connection.execute(
        f"INSERT INTO {copy} BY NAME {_copied(stream)} FROM {changed} "
        f"WHERE {quote(ACTION)} = '{INSERT}'"
    )


def _copied(stream: Stream) -> str:
    """Write a row of the copy: the table's columns, and their fingerprint."""
    hashes = zip(halves(_values(stream)), HASHES, strict=True)
    named = ", ".join(f"{value} AS {quote(name)}" for value, name in hashes)
    return f"SELECT {listed(stream.names)}, {named}"


def _keep_engine(connection: duckdb.DuckDBPyConnection, stream: Stream) -> None:
    """Keep by which DuckDB the fingerprints of the copy are, in the place of an offset."""
    connection.execute(
        f'UPDATE {STREAMS} SET "offset" = ? WHERE stream_id = ?',
        [engine(_values(stream)), stream.stream_id],
    )


def end(connection: duckdb.DuckDBPyConnection, stream: Stream) -> None:
    """Drop what belongs to the stream."""
    connection.execute(f"DROP TABLE IF EXISTS {copy_of(stream)}")
