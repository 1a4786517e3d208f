"""Run a query with the registry's models in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import sqlglot
from sqlglot import exp

from ..errors import RegistrationError
from ..registry import Registry, default_path
from ..udfs.duckdb.macros import literal, quote
from ..udfs.duckdb.registration import KINDS, function_name
from .models import register

CHAMPION = "champion"


def run_query(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    *,
    registry: str | Path | None = None,
    catalog: str | None = None,
) -> duckdb.DuckDBPyRelation | None:
    """Run SQL after registering the models whose functions it calls.

    ``predict_delay`` is the champion of ``delay`` (its newest version where it has no champion),
    ``predict_delay_challenger`` what that alias points to. ``catalog`` names the attached database
    that keeps the macros.

    Raises
    ------
    RegistrationError
        If the query does not parse.
    """
    path = Path(registry) if registry else default_path()
    models = callable_models(path) if path.exists() else {}
    wanted = _called(query)
    for name, reference in models.items():
        if any(function_name(name, kind).casefold() in wanted for kind in KINDS):
            register(connection, reference, name=name, registry=path, catalog=catalog)
    return connection.sql(query)


@contextmanager
def open_database(
    path: str | Path | None, *, write: bool = False
) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
    """Open a database for queries with models, and name the catalog for their macros.

    Unless it is opened to ``write``, the file is attached read-only and left as it is: the macros
    stay in memory, and other readers may have the file open too.

    Raises
    ------
    RegistrationError
        If the file cannot be opened.
    """
    try:
        if write and path is not None:
            connection = duckdb.connect(path)
        else:
            connection = duckdb.connect()
            if path is not None:
                _attach(connection, Path(path))
    except duckdb.Error as error:
        message = f"The database {path} cannot be opened: {error}"
        raise RegistrationError(message) from error
    with connection:
        [(catalog,)] = connection.execute(
            "SELECT database_name FROM duckdb_databases() "
            "WHERE NOT internal ORDER BY readonly, database_name = 'memory' LIMIT 1"
        ).fetchall()
        yield connection, catalog


def _attach(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    if not path.exists():
        message = f"There is no database file {path}."
        raise RegistrationError(message)
    name = quote(path.stem if path.stem != "memory" else "memory_file")
    connection.execute(f"ATTACH {literal(str(path))} AS {name} (READ_ONLY)")
    search_path = f"{name}.main,memory.main"
    connection.execute(f"SET search_path = {literal(search_path)}")


def callable_models(registry: Path) -> dict[str, str]:
    """Name the predicting function of every model and alias, and the reference behind it."""
    found: dict[str, str] = {}
    for summary in Registry.open(registry).models():
        champion = summary.aliases.get(CHAMPION)
        newest = max(summary.versions, default=None)
        for alias in summary.aliases:
            if alias != CHAMPION:
                found[f"predict_{summary.name}_{alias}"] = f"{summary.name}@{alias}"
        if champion is not None:
            found[f"predict_{summary.name}"] = f"{summary.name}@{CHAMPION}"
        elif newest is not None:
            found[f"predict_{summary.name}"] = f"{summary.name}:{newest}"
    return found


def _called(query: str) -> set[str]:
    """Find the names of all functions that a query calls, in lower case."""
    try:
        statements = sqlglot.parse(query, dialect="duckdb")
    except sqlglot.errors.SqlglotError as error:
        message = f"The query cannot be parsed: {error}"
        raise RegistrationError(message) from error
    calls = (
        call
        for statement in statements
        if statement is not None
        for call in statement.find_all(exp.Anonymous)
    )
    return {str(call.this).casefold() for call in calls}

