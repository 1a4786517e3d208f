"""Run a query with the registry's models in it."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import duckdb

from ..errors import RegistrationError
from ..registry import Registry, default_path
from ..udfs.duckdb import connect, registry_of
from ..udfs.duckdb.ownership import KINDS, function_name
from .catalogue import offer_catalogue
from .models import register

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

CHAMPION = "champion"
_STORED = """
    SELECT view_name, sql FROM duckdb_views() WHERE NOT internal
    UNION ALL
    SELECT function_name, macro_definition FROM duckdb_functions()
    WHERE NOT internal AND macro_definition IS NOT NULL
"""


def run_query(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    *,
    registry: str | Path | None = None,
) -> duckdb.DuckDBPyRelation | None:
    """Run SQL after registering the models whose functions it calls.

    ``predict_delay`` is the champion of ``delay`` (its newest version where it has no champion),
    ``predict_delay_challenger`` what that alias points to. Nothing is written to the database but
    what the query itself writes. Where the database has no ``foresql.models`` and
    ``foresql.model_columns``, they are the registry's as it is now.

    Raises
    ------
    RegistrationError
        If the query does not parse, or calls a function of a model that is not there.
    """
    called = register_called(connection, query, registry)
    offer_catalogue(connection, query, called.registry)
    return bind_query(connection, query, called)


class Called(NamedTuple):
    """The models that a query may call: where they are, and why functions of theirs lack."""

    registry: Path
    models: Mapping[str, list[str]]
    lacking: Mapping[str, str]
    is_new: bool


def register_called(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    registry: str | Path | None = None,
    present: Container[str] = (),
) -> Called:
    """Register the models whose functions a query calls, but for those that are ``present``."""
    path = registry_path(connection, registry)
    models = callable_models(path) if path.exists() else {}
    wanted = {name: found for name, found in models.items() if name.casefold() not in present}
    lacking, is_new = _register_called(connection, query, wanted, path) if wanted else ({}, False)
    return Called(path, models, lacking, is_new)


def registry_path(connection: duckdb.DuckDBPyConnection, registry: str | Path | None) -> Path:
    """Say where a connection looks models up."""
    return Path(registry or registry_of(connection) or default_path())


def bind_query(
    connection: duckdb.DuckDBPyConnection, query: str, called: Called
) -> duckdb.DuckDBPyRelation | None:
    """Start a query whose models are registered, and say what it lacks.

    Raises
    ------
    RegistrationError
        If the query does not parse, or calls a function of a model that is not there.
    """
    try:
        # DuckDB reads a table that it lacks from a variable of this function that is called so.
        return connection.sql(query)
    except duckdb.ParserException as error:
        message = f"The query cannot be parsed: {error}"
        raise RegistrationError(message) from error
    except duckdb.CatalogException as error:
        missing = _missing_model(str(error))
        if missing is None:
            raise
        there = ", ".join(sorted(called.models)) or "none"
        reason = f"The registry {called.registry} gives {there}; 'foresql models' lists its models"
        lacking = called.lacking.get(missing.casefold(), reason)
        message = f"There is no function {missing}. {lacking}."
        raise RegistrationError(message) from error


def _register_called(
    connection: duckdb.DuckDBPyConnection, query: str, models: Mapping[str, list[str]], path: Path
) -> tuple[dict[str, str], bool]:
    """Register the models that a query may call.

    Gives which functions they lack, and why; and whether any was registered.
    """
    is_new = False
    words = _words_behind(query, connection)
    lacking: dict[str, str] = {}
    for name, references in models.items():
        functions = {kind: function_name(name, kind).casefold() for kind in KINDS}
        if words.isdisjoint(functions.values()):
            continue
        if len(references) > 1:
            reason = (
                f"It may mean {' or '.join(references)}. Register the one that is meant under a "
                f"name of its own: foresql.register(con, {references[0]!r}, name=…)"
            )
            lacking |= dict.fromkeys(functions.values(), reason)
            continue
        registration = register(connection, references[0], name=name, registry=path, temporary=True)
        is_new = True
        for kind, reason in registration.omitted.items():
            lacking[functions[kind]] = f"Of {references[0]}, {reason}"
    return lacking, is_new


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
    if path is not None and not write and not Path(path).exists():
        message = f"There is no database file {path}."
        raise RegistrationError(message)
    try:
        return connect_quietly(path or ":memory:", read_only=path is not None and not write)
    except duckdb.Error as error:
        message = f"The database {path} cannot be opened: {error}"
        raise RegistrationError(message) from error


def connect_quietly(path: str | Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open a database without the warning that its functions are Python's.

    That changes no answer, so a command does not say it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return connect(path, read_only=read_only)


def callable_models(registry: Path) -> dict[str, list[str]]:
    """Name the predicting function of every model and alias, and the references it may mean.

    There are several where a model is called like another one with an alias.
    """
    found: dict[str, list[str]] = {}
    for summary in Registry.open(registry).models():
        for alias in summary.aliases:
            if alias != CHAMPION:
                name = f"predict_{summary.name}_{alias}"
                found.setdefault(name, []).append(f"{summary.name}@{alias}")
        if CHAMPION in summary.aliases:
            main = f"{summary.name}@{CHAMPION}"
        else:
            main = f"{summary.name}:{max(summary.versions)}"
        found.setdefault(f"predict_{summary.name}", []).append(main)
    return found


def _words_behind(query: str, connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Give the words of a query, and of the views and macros that are behind them."""
    words = _words(query)
    waiting: dict[str, set[str]] = {}
    for name, text in connection.sql(_STORED).fetchall():
        waiting.setdefault(name.casefold(), set()).update(_words(text))
    while found := [name for name in waiting if _words(name) <= words]:
        for name in found:
            words |= waiting.pop(name)
    return words


def _words(query: str) -> set[str]:
    """Give all words of a query in lower case: the functions that it calls are among them.

    Without parsing it, for a call may stand in quotes, in a string, or in any DuckDB's own syntax.
    """
    return set(re.findall(r"\w+", query.casefold()))
