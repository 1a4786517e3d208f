"""The registry's catalogue as tables of a connection, where its database has none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..registry import Catalog, catalogue_tables

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

SCHEMA = "foresql"
_TABLES = re.compile(r'\bforesql"?\s*\.\s*"?(models|model_columns)\b', re.IGNORECASE)


def offer_catalogue(connection: duckdb.DuckDBPyConnection, query: str, registry: Path) -> None:
    """Make ``foresql.models`` and ``foresql.model_columns`` of what a registry holds now.

    They lie in a database of their own in memory, so nothing is written to a file, and one that is
    open for reading has them too. Nothing is done where the query does not name them, there is
    no registry, or the database has a schema ``foresql``: what dbt wrote there is asked then.

    Raises
    ------
    RegistryError
        If the registry cannot be read.
    """
    if not _TABLES.search(query) or not registry.exists() or _is_taken(connection):
        return
    tables = catalogue_tables(Catalog(registry))
    connection.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {SCHEMA} (READ_WRITE)")
    for name, table in tables.items():
        view = f"foresql_catalogue_{name}"
        connection.register(view, table)
        connection.execute(f"CREATE OR REPLACE TABLE {SCHEMA}.main.{name} AS FROM {view}")
        connection.unregister(view)


def _is_taken(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the name is a schema of the database, or a file's that is not ours."""
    schemas = connection.execute(
        "SELECT count(*) FROM duckdb_schemas() WHERE schema_name = ? "
        "AND database_name = current_database()",
        [SCHEMA],
    ).fetchall()
    files = connection.execute(
        "SELECT count(*) FROM duckdb_databases() WHERE database_name = ? AND path IS NOT NULL",
        [SCHEMA],
    ).fetchall()
    return schemas != [(0,)] or files != [(0,)]
