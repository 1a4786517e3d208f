"""The tables of a Postgres sink: made where they are not there, compared where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....errors import StreamError
from ....scoring.postgres_types import MOST_NAME_BYTES, TargetColumn, postgres_type, way_out
from ....udfs.duckdb.macros import quote
from ...relation import listed
from ..claims import CLAIMED
from ..definition import PARTITION
from .layout import (
    SCHEMA,
    Place,
    describe_difference,
    key_index,
    moved_error,
    refuse_difference,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg
    import pyarrow as pa


def target_column(place: Place, name: str, kind: str) -> TargetColumn:
    """Say what a column becomes; refuse one that Postgres has no place for."""
    check_name(f"{place}.{name}", name)
    found = postgres_type(kind, quote(name))
    if found is None:
        message = (
            f"Postgres has no type for the column {name} of {place}, which is {kind[:80]}.\n"
            f"  What to do, in the query: {way_out(kind)}. Nothing was read or written."
        )
        raise StreamError(message)
    return TargetColumn(name, found[0], found[1])


def check_name(title: str, name: str) -> None:
    """Refuse a name that Postgres would cut off."""
    if len(name.encode()) > MOST_NAME_BYTES:
        message = (
            f"The name {title} has more than {MOST_NAME_BYTES} bytes, which Postgres would cut off."
            " Give it a shorter one."
        )
        raise StreamError(message)


def own_columns(columns: Mapping[str, str]) -> tuple[TargetColumn, ...]:
    """Say what the columns of a table of foresql's own become."""
    return tuple(target_column(Place(SCHEMA, ""), name, kind) for name, kind in columns.items())


def make_table(
    connection: psycopg.Connection[Any],
    place: Place,
    columns: Sequence[TargetColumn],
    key: str = "",
) -> None:
    """Make a table, or hold the one that is there against what will be written."""
    kinds = rows_of(
        connection, "SELECT relkind FROM pg_class WHERE oid = to_regclass(%s)", [sql_name(place)]
    )
    if not kinds:
        if place.schema is not None and not rows_of(
            connection, "SELECT 1 FROM pg_namespace WHERE nspname = %s", [place.schema]
        ):
            connection.execute(text(f"CREATE SCHEMA {quote(place.schema)}"))
        fields = ", ".join(f"{quote(column.name)} {column.type}" for column in columns)
        connection.execute(text(f"CREATE TABLE {sql_name(place)} ({fields}{key})"))
        return
    if kinds[0][0] not in {"r", "p"}:
        refuse_difference(str(place), "it is no table")
    there = dict(
        rows_of(
            connection,
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
            [sql_name(place)],
        )
    )
    wanted = {column.name: column.type for column in columns}
    refuse_difference(str(place), describe_difference(there, wanted))


def make_key(connection: psycopg.Connection[Any], place: Place, key: Sequence[str]) -> None:
    """Make the index by which an event is known again."""
    import psycopg

    index = quote(key_index(place, key))
    try:
        connection.execute(
            text(f"CREATE UNIQUE INDEX IF NOT EXISTS {index} ON {sql_name(place)} ({listed(key)})")
        )
    except psycopg.errors.UniqueViolation as error:
        message = (
            f"[events] id cannot tell the rows of {place} apart: some are there twice.\n"
            "  What to do: take the id out of the definition, or name another table."
        )
        raise StreamError(message) from error


def claim(connection: psycopg.Connection[Any], source: str, place: Place, rows: pa.Table) -> None:
    """Insert claims; refuse the batch where somebody else has one of the keys by now."""
    if not rows.num_rows:
        return
    columns = [rows.column(name).to_pylist() for name in (CLAIMED, PARTITION)]
    done = connection.execute(
        text(
            f"INSERT INTO {sql_name(place)} ({CLAIMED}, {PARTITION}) "
            # In one order, so that two workers do not wait for each other.
            "SELECT k, p FROM unnest(%s::text[], %s::text[]) AS c(k, p) ORDER BY k "
            "ON CONFLICT DO NOTHING"
        ),
        columns,
    )
    if done.rowcount < rows.num_rows:
        raise moved_error(source, list(set(columns[1])))


def rows_of(
    connection: psycopg.Connection[Any], query: str, values: Sequence[object]
) -> list[tuple[Any, ...]]:
    """Give the rows of a query."""
    return connection.execute(text(query), values).fetchall()


def text(statement: str) -> bytes:
    """Hand over a statement whose names are quoted."""
    return statement.encode()


def sql_name(place: Place) -> str:
    """Write a table's name, quoted."""
    return (
        quote(place.name) if place.schema is None else f"{quote(place.schema)}.{quote(place.name)}"
    )
