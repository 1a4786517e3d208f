"""New rows of a table that only grows: those behind the offset.

The offset is a place in the order in which DuckDB stores the rows, or the greatest value of a
column that grows. Rows before it are counted, and hashes of their keys summed up, so that a late
row, a deleted row and a replaced table are refused. Changed columns of old rows are not seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..udfs.duckdb.macros import literal, quote
from .bookkeeping import STREAMS, same_key
from .compared import null_key, repeated_key, some_null
from .metadata import INSERT, changed_row, refuse
from .relation import listed

if TYPE_CHECKING:
    import duckdb

    from .stream import Stream

_ROW = "rowid"


class Offset(NamedTuple):
    """Where new rows begin, the number of rows before, and the sum of their keys' hashes."""

    place: str | None
    rows: int
    keys: int


def changes(stream: Stream, *, is_view: bool = False) -> str:
    """Write the rows that are new since the offset.

    ``is_view``: read the offset where it is kept, so that the text stays as it is.
    """
    new = f"t.{_place(stream)} {_after(stream)} {_offset(stream, is_view=is_view)}"
    if is_view or stream.offset is None:
        new += f" OR {_offset(stream, is_view=is_view)} IS NULL"
    row = changed_row("appended", stream.names, stream.key, INSERT, "FALSE")
    return f"""WITH
appended AS MATERIALIZED (
  SELECT {listed(stream.names)} FROM {stream.table.sql} AS t WHERE {new}
),
old AS (
  SELECT {listed(stream.key)} FROM {stream.table.sql} AS t WHERE NOT ({new})
),
checked AS MATERIALIZED (
  SELECT CASE
    {_no_watermark(stream)}
    WHEN (SELECT count(*) FROM old) <> old_rows OR (SELECT {_checksum(stream)} FROM old) <> old_keys
      THEN {refuse(_not_appended(stream))}
    WHEN (SELECT count(*) FROM appended WHERE {some_null(stream.key)}) > 0
      THEN {refuse(null_key(stream.table, stream.key))}
    WHEN (SELECT count(*) FROM appended) <>
      (SELECT count(DISTINCT row({listed(stream.key)})) FROM appended)
      OR (SELECT count(*) FROM old SEMI JOIN appended ON {same_key("old", "appended", stream.key)})
      > 0 THEN {refuse(repeated_key(stream.table, stream.key))}
    ELSE TRUE END AS is_fine
  FROM {STREAMS} WHERE stream_id = {literal(stream.stream_id)}
)
SELECT {row} FROM appended WHERE (SELECT is_fine FROM checked)"""


def _place(stream: Stream) -> str:
    return quote(stream.watermark) if stream.watermark else _ROW


def _after(stream: Stream) -> str:
    """Compare with the offset: a watermark is the last value that was there, a row's the next."""
    return ">" if stream.watermark else ">="


def _offset(stream: Stream, *, is_view: bool) -> str:
    type_ = stream.type_of(stream.watermark) if stream.watermark else "BIGINT"
    where = f"stream_id = {literal(stream.stream_id)}"
    if is_view:
        return f'(SELECT CAST("offset" AS {type_}) FROM {STREAMS} WHERE {where})'
    return f"CAST({'NULL' if stream.offset is None else literal(stream.offset)} AS {type_})"


def _no_watermark(stream: Stream) -> str:
    if stream.watermark is None:
        return ""
    column = quote(stream.watermark)
    message = (
        f"A row of {stream.table} has NULL in {stream.watermark}, so nobody can say whether it is "
        f"new. Fill it, or make the stream again without --append-only."
    )
    found = f"(SELECT count(*) FROM {stream.table.sql} WHERE {column} IS NULL)"
    return f"WHEN {found} > 0 THEN {refuse(message)}"


def _checksum(stream: Stream) -> str:
    return f"coalesce(sum(CAST(hash({listed(stream.key)}) AS HUGEINT)), 0)"


def _not_appended(stream: Stream) -> str:
    late = f" or came late, with a {stream.watermark} below the newest" if stream.watermark else ""
    return (
        f"Rows of {stream.table} were deleted or replaced{late}: it does not only grow. Make the "
        f"stream again without --append-only and with --replace, which compares all rows"
    )


def begin(connection: duckdb.DuckDBPyConnection, stream: Stream, *, initial: bool) -> None:
    """Set the offset to now, or to before the table's first row."""
    offset = Offset(None, 0, 0)
    if not initial:
        [found] = connection.execute(
            f"SELECT {_next(stream)}, count(*), {_checksum(stream)} FROM {stream.table.sql}"
        ).fetchall()
        offset = Offset(*found)
    _store(connection, stream, offset)


def ahead(connection: duckdb.DuckDBPyConnection, stream: Stream, changed: str) -> Offset:
    """Give the offset behind the changes, before the transaction adds rows of its own."""
    next_ = _next(stream)
    [(place,)] = connection.execute(f"SELECT {next_} FROM {stream.table.sql}").fetchall()
    [(rows, keys)] = connection.execute(
        f"SELECT count(*), {_checksum(stream)} FROM {changed}"
    ).fetchall()
    return Offset(place, (stream.old_rows or 0) + rows, (stream.old_keys or 0) + keys)


def move(
    connection: duckdb.DuckDBPyConnection,
    stream: Stream,
    _changed: str,
    offset: Offset,
) -> None:
    """Set the offset behind the rows that were read."""
    _store(connection, stream, offset)


def _next(stream: Stream) -> str:
    return f"CAST(max({_place(stream)}){'' if stream.watermark else ' + 1'} AS VARCHAR)"


def _store(connection: duckdb.DuckDBPyConnection, stream: Stream, offset: Offset) -> None:
    connection.execute(
        f'UPDATE {STREAMS} SET "offset" = ?, old_rows = ?, old_keys = CAST(? AS HUGEINT) '
        "WHERE stream_id = ?",
        [offset.place, offset.rows, str(offset.keys), stream.stream_id],
    )


def end(connection: duckdb.DuckDBPyConnection, stream: Stream) -> None:
    """Keep nothing: the offset goes with the definition."""
