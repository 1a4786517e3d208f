"""A read-only copy of a warehouse for readers, renamed into place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from ..errors import PublishingError, UnsupportedModelError
from ..models_sql import target_of
from ..udfs.answers import PREDICT, PROBA
from ..udfs.duckdb import interruptible
from ..udfs.duckdb.holder import is_locked
from ..udfs.duckdb.macros import literal, quote
from .compiled import compile_model
from .duckdb_functions import duckdb_functions
from .plan import Publication, make_plan, published_table
from .proof import EngineRefusalError, prove
from .replacing import replacement_of
from .warehouse import CATALOGUE, open_warehouse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .catalogue import CatalogueTable
    from .compiled import Compiled
    from .models import ServedModel
    from .plan import Plan, Request
    from .warehouse import SourceTable, Warehouse

LONGEST_UNASKED = 500_000
"""Bytes of SQL: longer macros are planned for seconds in each query that calls them."""
_COPY = "foresql_copy"
_STORAGE = ("v1.2.0", "v1.3.0", "v1.4.0", "v1.5.0", "latest")


def publish_duckdb(
    database: str | Path,
    to: str | Path,
    request: Request,
    *,
    storage_version: str | None = None,
    overwrite: bool = False,
) -> Publication:
    """Write a read-only copy of a warehouse's tables, with models as macros, and the catalogue.

    Parameters
    ----------
    database
        The warehouse, a DuckDB file.
    to
        The copy. It is replaced in one step; who has the old one open keeps it.
    request
        What is published.
    storage_version
        The oldest DuckDB that must read the copy, such as ``"v1.5.0"``.
    overwrite
        Replace a file that this function did not write.

    Raises
    ------
    ForesqlError
        One of its kinds, with what to do. The copy is then the one that was there before.
    """
    database, target = Path(database), Path(to)
    _check_target(database, target, overwrite=overwrite)
    with open_warehouse(database, request.wait) as warehouse:
        plan = make_plan(warehouse, request)
        _check_name(target, plan)
        macros, omitted = _macros(plan.served)
        with replacement_of(target, request.wait) as path:
            counts = _copy(warehouse, plan, list(macros), path, request, storage_version)
            _write_macros(path, macros)
            _check(path, plan, counts, macros)
    return Publication(
        str(target),
        plan.now,
        plan.run_id,
        tuple(published_table(plan, table, counts[table], counts[table]) for table in plan.tables),
        {served.function: served.title for served in macros},
        omitted,
        tuple(plan.problems),
    )


def _check_target(database: Path, target: Path, *, overwrite: bool) -> None:
    if target.is_dir() or not target.parent.is_dir():
        message = f"{target} is no file in a folder that is there."
        raise PublishingError(message)
    if not target.exists():
        return
    if database.exists() and target.samefile(database):
        message = f"{target} is the warehouse itself. Name another file for the copy: --to."
        raise PublishingError(message)
    if not overwrite and not _is_ours(target):
        message = (
            f"{target} exists, and is no copy that foresql published. Name another file, or "
            "--overwrite it."
        )
        raise PublishingError(message)


def _check_name(target: Path, plan: Plan) -> None:
    """Refuse a name that a schema has: DuckDB names the database after its file."""
    schemas = {"main", CATALOGUE, *(table.schema for table in plan.tables)}
    if target.stem.casefold() in {schema.casefold() for schema in schemas}:
        message = (
            f"{target.name} would be a database of the same name as its schema {target.stem}, and "
            "DuckDB could not tell them apart. Give the copy another name: --to serving.duckdb."
        )
        raise PublishingError(message)


def _is_ours(target: Path) -> bool:
    try:
        with interruptible(duckdb.connect(target, read_only=True)) as connection:
            return bool(
                connection.execute(
                    "SELECT 1 FROM duckdb_tables() "
                    "WHERE schema_name = 'foresql' AND table_name = 'publications'"
                ).fetchall()
            )
    except duckdb.IOException as error:
        if not is_locked(error):
            return False
        message = (
            f"{target} is open for writing in another process.\n"
            "  What to do: let readers open it read-only (duckdb -readonly), then run this again."
        )
        raise PublishingError(message) from error
    except duckdb.Error:
        return False


def _macros(
    served: Sequence[ServedModel],
) -> tuple[dict[ServedModel, tuple[str, ...]], dict[str, str]]:
    """Write the macros; what cannot be one is refused if it was asked for, else left out."""
    macros: dict[ServedModel, tuple[str, ...]] = {}
    omitted: dict[str, str] = {}
    for each in served:
        try:
            statements = duckdb_functions(each)
        except UnsupportedModelError as error:
            if each.is_asked:
                raise
            omitted[each.function] = f"{each.title}: {error.step}: {error.reason}"
            continue
        size = max(len(statement) for statement in statements)
        if size > LONGEST_UNASKED and not each.is_asked:
            omitted[each.function] = (
                f"{each.title}: its macro has {size:,} bytes of SQL, planned for seconds "
                f"in each query. To have it all the same: --models {each.title}."
            )
            continue
        macros[each] = statements
    return macros, omitted


def _copy(  # noqa: PLR0913, PLR0917 - what one transaction writes
    warehouse: Warehouse,
    plan: Plan,
    served: Sequence[ServedModel],
    path: Path,
    request: Request,
    storage_version: str | None,
) -> Mapping[SourceTable, int]:
    connection = warehouse.connection
    connection.rollback()
    option = "" if storage_version is None else f", STORAGE_VERSION {literal(storage_version)}"
    try:
        connection.execute(f"ATTACH {literal(str(path))} AS {_COPY} (READ_WRITE{option})")
    except duckdb.Error as error:
        message = f"{path.parent} cannot hold the copy: {error}"
        if storage_version is not None and storage_version not in _STORAGE:
            message = f"{storage_version!r} is no storage version: {', '.join(_STORAGE)}."
        raise PublishingError(message) from error
    connection.begin()
    for schema in sorted({table.schema for table in plan.tables} | {CATALOGUE}):
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_COPY}.{quote(schema)}")
    counts: dict[SourceTable, int] = {}
    for done, table in enumerate(plan.tables):
        request.progress(table.title, done, len(plan.tables))
        counts[table] = _copy_table(warehouse, table)
    listed = [(table.schema, table, counts[table]) for table in plan.tables]
    publications = plan.publications(listed, warehouse.path.name)
    for each in (*plan.catalogue, plan.functions(served), publications):
        _write_catalogue(connection, each)
    connection.commit()
    connection.execute(f"CHECKPOINT {_COPY}")
    connection.execute(f"DETACH {_COPY}")
    return counts


def _copy_table(warehouse: Warehouse, table: SourceTable) -> int:
    place = f"{_COPY}.{table.place}"
    with warehouse.reading(table):
        rows = warehouse.rows(f"CREATE TABLE {place} AS FROM {table.sql}")
    if table.comment is not None:
        warehouse.rows(f"COMMENT ON TABLE {place} IS {literal(table.comment)}")
    for column in table.columns:
        if column.comment is not None:
            name = f"{place}.{quote(column.name)}"
            warehouse.rows(f"COMMENT ON COLUMN {name} IS {literal(column.comment)}")
    return int(rows[0][0])


def _write_catalogue(connection: duckdb.DuckDBPyConnection, table: CatalogueTable) -> None:
    connection.register("foresql_rows", table.data)
    place = f"{_COPY}.{CATALOGUE}.{quote(table.name)}"
    connection.execute(f"CREATE TABLE {place} AS FROM foresql_rows")
    connection.unregister("foresql_rows")
    for statement in table.comment_statements(_COPY):
        connection.execute(statement)


def _write_macros(path: Path, macros: Mapping[ServedModel, Sequence[str]]) -> None:
    with interruptible(duckdb.connect(path)) as connection:
        for statements in macros.values():
            for statement in statements:
                connection.execute(statement)
        connection.execute("CHECKPOINT")


def _check(
    path: Path,
    plan: Plan,
    counts: Mapping[SourceTable, int],
    macros: Mapping[ServedModel, Sequence[str]],
) -> None:
    """Read the copy as a reader does: its rows, and what its macros answer."""
    with interruptible(duckdb.connect(path, read_only=True)) as connection:
        for table in plan.tables:
            found = connection.execute(f"SELECT count(*) FROM {table.place}").fetchall()[0][0]
            if found != counts[table]:
                message = f"The copy of {table.title} has {found:,} rows, not {counts[table]:,}."
                raise PublishingError(message)
        for served in macros:
            compiled = compile_model(served.opened.bundle.model, target_of("duckdb"), "given")
            prove(served, compiled, lambda rows, s=served, c=compiled: _ask(connection, s, c, rows))


def _ask(
    connection: duckdb.DuckDBPyConnection,
    served: ServedModel,
    compiled: Compiled,
    rows: pa.Table,
) -> list[tuple[Any, ...]]:
    kinds = [PREDICT, *([PROBA] if compiled.probabilities else [])]
    calls = ", ".join(f"{quote(served.name(kind))}(probes)" for kind in kinds)
    numbers = pa.array(range(len(rows)), pa.int64())
    connection.register("numbered", pa.table({"number": numbers, "probes": rows.to_struct_array()}))
    query = f"SELECT {calls} FROM numbered ORDER BY number"
    try:
        return connection.execute(query).fetchall()
    except duckdb.Error as error:
        raise EngineRefusalError(str(error)) from error
    finally:
        connection.unregister("numbered")
