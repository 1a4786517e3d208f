"""Run a query with the registry's models in it."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from ..errors import RegistrationError
from ..registry import Registry, default_path
from ..udfs.duckdb.ownership import KINDS, function_name
from .models import register

CHAMPION = "champion"


def run_query(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    *,
    registry: str | Path | None = None,
) -> duckdb.DuckDBPyRelation | None:
    """Run SQL after registering the models whose functions it calls.

    ``predict_delay`` is the champion of ``delay`` (its newest version where it has no champion),
    ``predict_delay_challenger`` what that alias points to. Nothing is written to the database but
    what the query itself writes.

    Raises
    ------
    RegistrationError
        If the query does not parse, or calls a function of a model that is not there.
    """
    path = Path(registry) if registry else default_path()
    models = callable_models(path) if path.exists() else {}
    wanted = _called(query)
    for name, reference in models.items():
        if any(function_name(name, kind).casefold() in wanted for kind in KINDS):
            register(connection, reference, name=name, registry=path, temporary=True)
    try:
        return connection.sql(query)
    except duckdb.CatalogException as error:
        missing = _missing_model(str(error))
        if missing is None:
            raise
        there = ", ".join(sorted(models)) or "none"
        message = (
            f"There is no function {missing}. The registry {path} gives {there}; "
            "'foresql models' lists its models."
        )
        raise RegistrationError(message) from error


def _missing_model(problem: str) -> str | None:
    """Name the function that DuckDB lacks, if it looks like a model's."""
    found = re.search(r"Function with name (\w+) does not exist", problem)
    is_ours = found and found[1].startswith(tuple(f"{kind}_" for kind in KINDS))
    return found[1] if found and is_ours else None


def open_database(path: str | Path | None, *, write: bool = False) -> duckdb.DuckDBPyConnection:
    """Open a database file for queries, read-only unless it is opened to ``write``; or memory.

    Raises
    ------
    RegistrationError
        If the file cannot be opened.
    """
    if path is None:
        return duckdb.connect()
    if not write and not Path(path).exists():
        message = f"There is no database file {path}."
        raise RegistrationError(message)
    try:
        return duckdb.connect(path, read_only=not write)
    except duckdb.Error as error:
        message = f"The database {path} cannot be opened: {error}"
        raise RegistrationError(message) from error


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
    except SqlglotError as error:
        message = f"The query cannot be parsed: {error}"
        raise RegistrationError(message) from error
    calls = (
        call
        for statement in statements
        if statement is not None
        for call in statement.find_all(exp.Anonymous)
    )
    return {str(call.this).casefold() for call in calls}
