"""Making, listing and dropping streams."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import StreamError
from ..udfs.duckdb.macros import quote
from .bookkeeping import STREAMS, make_tables, moment, transaction
from .compared import null_key, repeated_key, some_null
from .consuming import explained
from .fingerprint import is_short
from .metadata import METADATA
from .relation import Name, Relation, find_relation, listed, read_name
from .stream import APPEND_ONLY, DEFAULT, Stream, find_stream, load_streams, why_stale

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

_WATERMARKS = re.compile(r"(U?(TINY|SMALL|BIG)INT|U?INTEGER|DATE|TIMESTAMP.*)")
_KEYS = re.compile(r"(VARCHAR|UUID|U?HUGEINT|BLOB|ENUM\(.*|DECIMAL\(.*)", re.DOTALL)
_NOT_COMPARED = re.compile(r"\b(VARIANT|GEOMETRY|UNION)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a user asks of a stream."""

    key: tuple[str, ...]
    append_only: bool
    watermark: str | None


def create_stream(  # noqa: PLR0913 - keyword options of one call
    connection: duckdb.DuckDBPyConnection,
    name: str,
    *,
    on: str,
    key: Sequence[str],
    append_only: bool = False,
    watermark: str | None = None,
    show_initial_rows: bool = False,
    replace: bool = False,
) -> Stream:
    """Make a stream on a table or view; it has the changes from now on.

    Parameters
    ----------
    connection
        A connection that may write.
    name
        What the stream is called: a view of this name has the changes, for any client.
    on
        The table or view in the same database.
    key
        The columns that tell its rows apart: unique, never NULL.
    append_only
        Only new rows count, and rows are only ever added.
    watermark
        For append-only: a column that grows with each row. Without one the order counts in which
        DuckDB stores the rows, which views do not have.
    show_initial_rows
        Let the first changes be all rows that are there, as inserts.
    replace
        Replace a stream of this name. Changes that it still has are lost; a task that reads it
        scores all rows once.

    Raises
    ------
    StreamError
        If there is no such table or column, the key does not tell rows apart, or the name is taken.
    """
    with transaction(connection):
        make_tables(connection)
        stored = read_name(connection, name)
        relation = _relation(connection, on)
        asked = _check(relation, _named(relation, key), append_only, watermark)
        if replace:
            _drop_if_there(connection, stored)
        _check_free(connection, stored)
        _check_keys(connection, relation.name, asked.key)
        stream = _store(connection, stored, relation, asked)
        stream.capture.begin(connection, stream, initial=show_initial_rows)
        changes = stream.capture.changes(stream, is_view=True)
        connection.execute(f"CREATE VIEW {stream.name.sql} AS {changes}")
    return find_stream(connection, stream.name)


def drop_stream(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Drop a stream and what it keeps.

    Raises
    ------
    StreamError
        If there is none.
    """
    with transaction(connection):
        _drop(connection, find_stream(connection, name))


def list_streams(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Describe all streams of the database, with the words of Snowflake's ``SHOW STREAMS``."""
    return [_described(connection, stream) for stream in load_streams(connection)]


def show_stream(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, Any]:
    """Describe one stream, and count the changes that it has.

    Raises
    ------
    StreamError
        If there is none.
    """
    stream = find_stream(connection, name)
    described = _described(connection, stream)
    if described["stale"]:
        return described | {"changes": None}
    query = (
        f'SELECT "METADATA$ACTION", "METADATA$ISUPDATE", count(*) FROM '
        f"({stream.capture.changes(stream)}) GROUP BY ALL"
    )
    with explained(stream):
        counts = {row[:2]: row[2] for row in connection.execute(query).fetchall()}
    return described | {
        "changes": {
            "inserted": counts.get(("INSERT", False), 0),
            "updated": counts.get(("INSERT", True), 0),
            "deleted": counts.get(("DELETE", False), 0),
        }
    }


def _described(connection: duckdb.DuckDBPyConnection, stream: Stream) -> dict[str, Any]:
    reason = why_stale(connection, stream)
    return {
        "created_on": stream.created_on,
        "name": str(stream.name),
        "table_name": str(stream.table),
        "key": list(stream.key),
        "mode": stream.mode,
        "watermark": stream.watermark,
        "stale": reason is not None,
        "invalid_reason": reason,
        "offset_moved_on": stream.moved_on,
        "offset_moves": stream.moves,
    }


def _relation(connection: duckdb.DuckDBPyConnection, on: str) -> Relation:
    name = read_name(connection, on)
    found = find_relation(connection, name)
    if found is None:
        message = (
            f"There is no table or view {name} in the database. Make it first, or name another."
        )
        raise StreamError(message)
    taken = [column for column, _ in found.columns if column in METADATA]
    if taken:
        message = (
            f"{found.name} has a column {taken[0]}, as a stream's own. Make the stream on a view "
            "that gives it another name."
        )
        raise StreamError(message)
    return found


def _named(relation: Relation, key: Sequence[str]) -> tuple[str, ...]:
    """Give the columns of a key as they are stored."""
    if not key:
        message = f"The stream needs the key of {relation.name}. Name its columns: --key id."
        raise StreamError(message)
    return tuple(_column(relation, name) for name in key)


def _column(relation: Relation, name: str) -> str:
    for stored, _ in relation.columns:
        if stored.casefold() == name.casefold():
            return stored
    there = ", ".join(column for column, _ in relation.columns)
    message = f"{relation.name} has no column {name}. It has: {there}."
    raise StreamError(message)


def _check(
    relation: Relation, key: tuple[str, ...], append_only: bool, watermark: str | None
) -> _Asked:
    types = dict(relation.columns)
    for name in key:
        if not (is_short(types[name]) or _KEYS.fullmatch(types[name])):
            message = (
                f"The key {name} is {types[name]}, of which values that differ can be equal. Make "
                "the key of whole numbers, texts, dates or times, in a view if need be."
            )
            raise StreamError(message)
    for name, type_ in () if append_only else relation.columns:
        if _NOT_COMPARED.search(type_):
            message = (
                f"Column {name} is {type_}, which cannot be compared exactly. Make the stream on a "
                "view without it, or with its text."
            )
            raise StreamError(message)
    if watermark is not None:
        watermark = _column(relation, watermark)
        _check_watermark(watermark, types[watermark], append_only=append_only)
    elif append_only and not relation.is_table:
        message = (
            f"{relation.name} is a view, whose rows have no stored order. Name a column that grows "
            "with each row: --watermark loaded_at."
        )
        raise StreamError(message)
    return _Asked(key=key, append_only=append_only, watermark=watermark)


def _check_watermark(name: str, type_: str, *, append_only: bool) -> None:
    if not append_only:
        message = "--watermark is for --append-only streams: others compare all rows."
        raise StreamError(message)
    if not _WATERMARKS.fullmatch(type_):
        message = (
            f"The watermark {name} is {type_}. It must be a whole number, a date or a time that "
            "grows with each row."
        )
        raise StreamError(message)


def _check_free(connection: duckdb.DuckDBPyConnection, name: Name) -> None:
    if find_relation(connection, name) is not None:
        is_stream = any(stream.name.is_same(name) for stream in load_streams(connection))
        kind = "stream" if is_stream else "table or view"
        message = f"There is a {kind} {name} already. Give the stream another name"
        message += ", or replace it: --replace." if kind == "stream" else "."
        raise StreamError(message)


def _check_keys(connection: duckdb.DuckDBPyConnection, table: Name, key: tuple[str, ...]) -> None:
    query = f"SELECT 1 FROM {table.sql} WHERE {some_null(key)} LIMIT 1"
    if connection.execute(query).fetchall():
        raise StreamError(null_key(table, key))
    for name in key:
        if _is_collated(connection, table, name):
            message = (
                f"The key {name} has a collation, by which texts that differ are equal. Make the "
                f"stream on a view with its bytes: encode({name}) AS {name}."
            )
            raise StreamError(message)
    [(rows, keys)] = connection.execute(
        f"SELECT (SELECT count(*) FROM {table.sql}), "
        f"(SELECT count(*) FROM (SELECT DISTINCT {listed(key)} FROM {table.sql}))"
    ).fetchall()
    if rows != keys:
        raise StreamError(repeated_key(table, key))


def _is_collated(connection: duckdb.DuckDBPyConnection, table: Name, column: str) -> bool:
    """Whether texts that differ are equal in a column; no type and no catalogue says it."""
    value = f"(SELECT {quote(column)} FROM {table.sql} LIMIT 0)"
    pairs = [("'a'", "'A'"), ("'a'", "'\u00e4'"), ("'\u00e4'", "'a\u0308'")]
    equal = " OR ".join(f"coalesce({value}, {left}) = {right}" for left, right in pairs)
    types = connection.execute(f"SELECT typeof({value})").fetchall()
    return types == [("VARCHAR",)] and connection.execute(f"SELECT {equal}").fetchall() == [(True,)]


def _store(
    connection: duckdb.DuckDBPyConnection, name: Name, relation: Relation, asked: _Asked
) -> Stream:
    now = moment()
    columns = [{"name": column, "type": type_} for column, type_ in relation.columns]
    mode = APPEND_ONLY if asked.append_only else DEFAULT
    connection.execute(
        f"INSERT INTO {STREAMS} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, NULL, NULL, NULL)",
        [
            *name,
            uuid.uuid4().hex,
            *relation.name,
            list(asked.key),
            mode,
            asked.watermark,
            columns,
            now,
            now,
        ],
    )
    return find_stream(connection, name)


def _drop_if_there(connection: duckdb.DuckDBPyConnection, name: Name) -> None:
    for stream in load_streams(connection):
        if stream.name.is_same(name):
            _drop(connection, stream)


def _drop(connection: duckdb.DuckDBPyConnection, stream: Stream) -> None:
    connection.execute(f"DROP VIEW IF EXISTS {stream.name.sql}")
    stream.capture.end(connection, stream)
    connection.execute(f"DELETE FROM {STREAMS} WHERE stream_id = ?", [stream.stream_id])
