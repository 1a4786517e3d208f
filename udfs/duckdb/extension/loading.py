"""Find the built extension, load it into a connection, and tell whether one has it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

import duckdb

from ....errors import RegistrationError
from ..macros import literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

REGISTRY_SETTING = "foresql_registry"
"""DuckDB's setting for the registry's folder, which the extension adds; without it, a variable."""

_FILE = "foresql.duckdb_extension"
_EXTERNAL_ACCESS = "enable_external_access"
_SETTINGS = f"SELECT current_setting('{REGISTRY_SETTING}'), current_setting('{_EXTERNAL_ACCESS}')"
_loaded: WeakSet[DuckDBPyConnection] = WeakSet()
"""Connections that were seen to have it: it stays, and to look for it takes milliseconds."""


class Loaded(NamedTuple):
    """The extension in a connection: the registry that was set, and whether it may read files."""

    registry: str
    reads_files: bool


def extension_path() -> Path | None:
    """Say where the built extension is; None where it was not built with the package."""
    path = Path(__file__).with_name(_FILE)
    return path if path.exists() else None


def load_extension(connection: DuckDBPyConnection) -> None:
    """Load the extension.

    Raises
    ------
    RegistrationError
        If it was not built, or DuckDB refuses it.
    """
    path = extension_path()
    if path is None:
        raise RegistrationError(
            "foresql's DuckDB extension was not built: there was no C compiler. Install one, then "
            "install foresql again, or take a wheel of a platform that has it."
        )
    try:
        connection.execute(f"LOAD {literal(str(path))}")
    except duckdb.Error as error:
        raise RegistrationError(f"DuckDB does not load foresql's extension: {error}") from error


def loaded_extension(connection: DuckDBPyConnection) -> Loaded | None:
    """Tell whether a connection has the extension, and what it is set to."""
    if connection in _loaded:
        [settings] = connection.execute(_SETTINGS).fetchall()
        return Loaded(settings[0] or "", bool(settings[1]))
    # By a query, for a setting that is not there would abort a transaction that is open.
    settings = dict(
        connection.execute(
            "SELECT name, value FROM duckdb_settings() WHERE name IN (?, ?)",
            [REGISTRY_SETTING, _EXTERNAL_ACCESS],
        ).fetchall()
    )
    if REGISTRY_SETTING not in settings:
        return None
    _loaded.add(connection)
    return Loaded(settings[REGISTRY_SETTING] or "", settings[_EXTERNAL_ACCESS] == "true")
