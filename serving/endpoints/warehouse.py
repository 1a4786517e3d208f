"""What the warehouse's file says of a relation: its columns, and their types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from ...errors import EndpointError, RegistrationError, UnsupportedModelError
from ...scoring.query import open_database
from ...udfs.duckdb.macros import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_COLLATED = """
    SELECT count(*) FROM (
        SELECT sql FROM duckdb_tables() UNION ALL
        SELECT sql FROM duckdb_views() WHERE NOT internal
    ) AS defined WHERE contains(lower(sql), 'collate')
"""


def read_columns(database: Path, relation: Sequence[str]) -> Mapping[str, str]:
    """Read the columns of a relation; the file is closed behind it.

    Raises
    ------
    EndpointError
        If the file cannot be opened, or has no such relation.
    UnsupportedModelError
        If a column's texts may be equal though they differ.
    """
    try:
        connection = open_database(database)
    except RegistrationError as error:
        message = (
            f"{error}\n  What to do: begin when nobody writes it, or declare the columns: "
            '[request] columns = { distance = "DOUBLE", … }.'
        )
        raise EndpointError(message) from error
    try:
        path = ".".join(map(quote, relation))
        rows = connection.execute(f"DESCRIBE FROM {path}").fetchall()
        is_collated = connection.execute(_COLLATED).fetchall() != [(0,)]
    except duckdb.Error as error:
        message = f"{database} does not say which columns {'.'.join(relation)} has: {error}"
        raise EndpointError(message) from error
    finally:
        connection.close()
    columns = {str(row[0]): str(row[1]) for row in rows}
    if is_collated and "VARCHAR" in columns.values():
        raise UnsupportedModelError(
            f"{'.'.join(relation)} in {database}",
            "a table or view there has a COLLATE, by which texts are equal that differ.",
            'declare the columns, if they have none: [request] columns = { … = "VARCHAR" }.',
        )
    return columns
