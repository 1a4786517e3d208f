"""What the warehouse's file says of a relation: its columns, and their types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from ...errors import EndpointError, RegistrationError, UnsupportedModelError
from ...scoring.query import open_database
from ...scoring.rewriting.scopes import Catalog
from ...udfs.duckdb.macros import quote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def read_columns(database: Path, relation: str) -> Mapping[str, str]:
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
    path = relation.split(".")
    try:
        rows = connection.execute(f"DESCRIBE FROM {'.'.join(map(quote, path))}").fetchall()
        known, _, _ = Catalog(connection).look_up(path)
    except duckdb.Error as error:
        message = f"{database} does not say which columns {relation} has: {error}"
        raise EndpointError(message) from error
    finally:
        connection.close()
    for name, type_ in (known or {}).values():
        if type_ is None:
            raise UnsupportedModelError(
                f"the column {name} of {relation}",
                "it may have a collation, by which texts are equal that differ.",
                "declare the columns beside the query, if it has none.",
            )
    return {str(row[0]): str(row[1]) for row in rows}
