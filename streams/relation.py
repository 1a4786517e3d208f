"""Tables and views of the database at hand, found by the names that users write."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, NamedTuple

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from ..errors import StreamError
from ..udfs.duckdb.macros import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

_PARTS = 3
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_RELATIONS = """
    SELECT schema_name, table_name, TRUE FROM duckdb_tables()
    WHERE database_name = current_database() AND NOT temporary
    UNION ALL
    SELECT schema_name, view_name, FALSE FROM duckdb_views()
    WHERE database_name = current_database() AND NOT temporary AND NOT internal
"""
_LAKE = (
    "tables of DuckLake have a change feed of their own (table_changes), and its extension has no "
    "build for DuckDB 2.0, so streams cannot read it. Copy the rows into a table of this database, "
    "and make the stream on that."
)


def folded(name: str) -> str:
    """Write a name so that those are equal that DuckDB takes for one."""
    return name.translate(_LOWER)


class Name(NamedTuple):
    """The name of a table or view in the database at hand, as stored."""

    schema: str
    name: str

    @property
    def sql(self) -> str:
        """The name, quoted."""
        return f"{quote(self.schema)}.{quote(self.name)}"

    def is_same(self, other: Name) -> bool:
        """Whether DuckDB takes two names for one: it tells no cases of A to Z apart."""
        return folded(self.schema) == folded(other.schema) and folded(self.name) == folded(
            other.name
        )

    def __str__(self) -> str:
        """Write the name as people read it."""
        return self.name if self.schema == "main" else f"{self.schema}.{self.name}"


class Relation(NamedTuple):
    """A table or view, with the names and types of its columns."""

    name: Name
    is_table: bool
    columns: tuple[tuple[str, str], ...]


def read_name(connection: duckdb.DuckDBPyConnection, written: str) -> Name:
    """Read a name as SQL takes it; without a schema it is in the connection's own.

    Raises
    ------
    StreamError
        If it is no name, or one in another database.
    """
    try:
        table = sqlglot.parse_one(written, into=exp.Table, dialect="duckdb")
    except SqlglotError as error:
        message = f"{written[:80]!r} is no name of a table. Write table or schema.table."
        raise StreamError(message) from error
    parts = [part.name for part in table.parts]
    if table.args.get("alias") or not 1 <= len(parts) <= _PARTS or not all(parts):
        message = f"{written[:80]!r} is no name of a table. Write table or schema.table."
        raise StreamError(message)
    row = connection.execute("SELECT current_database(), current_schema()").fetchall()
    [(database, schema)] = row
    if len(parts) == _PARTS and parts[0].casefold() != database.casefold():
        raise StreamError(_elsewhere(connection, written, parts[0], database))
    return Name(parts[-2] if len(parts) > 1 else schema, parts[-1])


def _elsewhere(
    connection: duckdb.DuckDBPyConnection, written: str, database: str, current: str
) -> str:
    kinds = connection.execute(
        "SELECT type FROM duckdb_databases() WHERE lower(database_name) = lower(?)", [database]
    ).fetchall()
    if kinds == [("ducklake",)]:
        return f"{written} is in DuckLake: {_LAKE}"
    return (
        f"{written} is not in the database {current}. A transaction writes one database, so a "
        "stream, its table and what consumes it are in the same file: open that one."
    )


def find_relation(connection: duckdb.DuckDBPyConnection, name: Name) -> Relation | None:
    """Find a table or view whatever the case of its name; None where there is none.

    Raises
    ------
    StreamError
        If it is a view that does not work.
    """
    rows = connection.execute(_RELATIONS).fetchall()
    found = [row for row in rows if name.is_same(Name(row[0], row[1]))]
    if not found:
        return None
    [(schema, own, is_table)] = found
    stored = Name(schema, own)
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {stored.sql}").fetchall()
    except duckdb.Error as error:
        message = f"The view {stored} cannot be read: {error}"
        raise StreamError(message) from error
    return Relation(stored, is_table, tuple((row[0], row[1]) for row in described))


def listed(names: Sequence[str]) -> str:
    """Write quoted names as a list."""
    return ", ".join(map(quote, names))
