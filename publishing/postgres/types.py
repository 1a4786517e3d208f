"""What the columns of a table of DuckDB become in Postgres, or why they cannot be there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import PublishingError
from ...scoring.postgres_types import MOST_NAME_BYTES, TargetColumn, postgres_type, way_out
from ...udfs.duckdb.macros import quote

if TYPE_CHECKING:
    from ..warehouse import SourceColumn, SourceTable


def target_columns(table: SourceTable) -> tuple[TargetColumn, ...]:
    """Say what each column of a table becomes.

    Raises
    ------
    PublishingError
        If a column has a type, or a name, that Postgres has not.
    """
    check_name(table.name, f"the table {table.title}")
    return tuple(_target_column(table, column) for column in table.columns)


def check_name(name: str, what: str) -> None:
    """Refuse a name that Postgres would cut off."""
    if len(name.encode()) > MOST_NAME_BYTES:
        message = (
            f"The name of {what} has {len(name.encode())} bytes, and Postgres keeps "
            f"{MOST_NAME_BYTES}. Give it a shorter one."
        )
        raise PublishingError(message)


def _target_column(table: SourceTable, column: SourceColumn) -> TargetColumn:
    title = f"the column {column.name} of {table.title}"
    check_name(column.name, title)
    found = postgres_type(column.type, quote(column.name))
    if found is None:
        message = (
            f"Postgres has no type for {title}, which is {column.type[:80]}.\n"
            f"  What to do, in the model of dbt: {way_out(column.type)}. Or leave the table out: "
            f"--exclude {table.title}."
        )
        raise PublishingError(message)
    return TargetColumn(column.name, found[0], found[1], column.comment)
