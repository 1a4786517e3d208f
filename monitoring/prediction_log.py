"""The prediction log of ``foresql serve``: Parquet files, as a database that is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from ..errors import RegistryError
from ..registry.references import check_name
from ..udfs.duckdb.macros import literal, quote
from .errors import MonitoringError
from .manifest import ANSWER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_OWN = ("answered_at", "request_id", "row", "model_name", "model_version", "role", "entity")


def find_files(folder: Path) -> Mapping[str, Mapping[int, Sequence[Path]]]:
    """Find the closed files of a log: by model, and by version.

    Raises
    ------
    MonitoringError
        If there is none.
    """
    found: dict[str, dict[int, list[Path]]] = {}
    for path in sorted(folder.glob("*/*/*.parquet")):
        version, name = path.parent.name, path.parent.parent.name
        if _is_model(name) and version.isdecimal() and not path.name.startswith("."):
            found.setdefault(name, {}).setdefault(int(version), []).append(path)
    if not found:
        raise MonitoringError(
            f"{folder} holds no closed file of a prediction log.\n"
            "  What to do: name the folder of foresql serve --prediction-log. A file is closed "
            "after --prediction-log-seconds, and when the server ends."
        )
    return found


def connect_log(folder: Path) -> duckdb.DuckDBPyConnection:
    """Give a connection with the views ``<model>_predictions`` and ``<model>_features``.

    What only the shadow answered is in neither: nobody was given it.

    Raises
    ------
    MonitoringError
        If there is no file, or one cannot be read.
    """
    connection = duckdb.connect()
    try:
        for name, versions in find_files(folder).items():
            paths = [path for each in versions.values() for path in each]
            _create_views(connection, name, relation_of(paths))
    except duckdb.Error as error:
        connection.close()
        raise MonitoringError(f"The prediction log {folder} cannot be read: {error}") from error
    except MonitoringError:
        connection.close()
        raise
    return connection


def relation_of(paths: Sequence[Path]) -> str:
    """Write the files as a relation; a version may have other features than the one before."""
    listed = ", ".join(literal(str(path)) for path in paths)
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"


def columns_of(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """Give the columns of a relation, and their types."""
    described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    return {row[0]: row[1] for row in described}


def _create_views(connection: duckdb.DuckDBPyConnection, name: str, relation: str) -> None:
    columns = columns_of(connection, relation)
    answers = [each for each in ("probability", "prediction") if each in columns]
    answer = f"request_id || '/' || CAST(row AS VARCHAR) AS {ANSWER}"
    source = f"FROM {relation} WHERE role <> 'shadow'"
    chosen = ", ".join([answer, *map(quote, (*_OWN, *answers))])
    connection.execute(f"CREATE VIEW {quote(f'{name}_predictions')} AS SELECT {chosen} {source}")
    if "features" in columns:
        view = quote(f"{name}_features")
        connection.execute(f"CREATE VIEW {view} AS SELECT {answer}, features.* {source}")


def _is_model(name: str) -> bool:
    try:
        return check_name(name, "model") == name
    except RegistryError:
        return False
