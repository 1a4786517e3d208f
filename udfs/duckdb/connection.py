"""A DuckDB connection in which models score natively."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import RegistrationError
from .extension import load_extension, loaded_extension
from .extension.loading import REGISTRY_SETTING
from .file import connect_file
from .interruption import interruptible
from .macros import literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def connect(
    path: str | Path = ":memory:", registry: str | Path | None = None, **duckdb_options: Any
) -> DuckDBPyConnection:
    """Connect to DuckDB, with foresql's extension loaded.

    In this connection, and in all others of the process to the same database, ``foresql.register``
    makes native functions of models that have a native program, and ``predict('delay@champion',
    t)`` scores without registering. Everything else is as in ``duckdb.connect``.

    Where the extension was not built, or DuckDB refuses it, a warning says so, and models run as
    Arrow functions: the same answers, more slowly.

    Parameters
    ----------
    path
        The database file; in memory by default.
    registry
        The folder of the registry in which names are looked up; by default ``FORESQL_REGISTRY`` or
        ``./foresql_registry``.
    **duckdb_options
        Passed to ``duckdb.connect``. Of ``config``, ``allow_unsigned_extensions`` is true unless it
        is given: docs/security.md says what that means.

    Raises
    ------
    duckdb.Error
        If the database cannot be opened.
    """
    config = {"allow_unsigned_extensions": "true"} | dict(duckdb_options.pop("config", {}))
    connection = interruptible(connect_file(path, config=config, **duckdb_options))
    try:
        load_extension(connection)
    except RegistrationError as error:
        warnings.warn(f"{error} Models run as Arrow functions.", RuntimeWarning, stacklevel=2)
    if registry is not None:
        folder = literal(str(Path(registry).expanduser().absolute()))
        kind = "GLOBAL" if loaded_extension(connection) else "VARIABLE"
        connection.execute(f"SET {kind} {REGISTRY_SETTING} = {folder}")
    return connection


def registry_of(connection: DuckDBPyConnection) -> str | None:
    """Say which registry a connection was given; None where it was given none."""
    loaded = loaded_extension(connection)
    if loaded is not None:
        return loaded.registry or None
    [(folder,)] = connection.execute(f"SELECT getvariable({literal(REGISTRY_SETTING)})").fetchall()
    return folder
