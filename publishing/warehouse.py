"""The warehouse that is published from: a DuckDB file, read in one snapshot."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from ..errors import PublishingError
from ..udfs.duckdb import interruptible
from ..udfs.duckdb.file import connect_file
from ..udfs.duckdb.holder import Holder, find_holder
from ..udfs.duckdb.macros import quote

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

CATALOGUE = "foresql"
"""The schema of foresql's own tables."""
_PAUSE = 0.2


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column as DuckDB describes it."""

    name: str
    type: str
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table or view of the warehouse; ``key`` are the columns of its primary key, if any."""

    schema: str
    name: str
    columns: tuple[SourceColumn, ...]
    comment: str | None = None
    is_view: bool = False
    key: tuple[str, ...] = ()
    catalog: str = ""

    @property
    def title(self) -> str:
        """How people call it."""
        return self.name if self.schema == "main" else f"{self.schema}.{self.name}"

    @property
    def sql(self) -> str:
        """How a query of the warehouse calls it: a schema may have the name of the file."""
        return f"{quote(self.catalog)}.{self.place}"

    @property
    def place(self) -> str:
        """Its schema and name, quoted."""
        return f"{quote(self.schema)}.{quote(self.name)}"

    def column(self, name: str) -> SourceColumn | None:
        """Find a column as SQL does, whatever its case."""
        return next((c for c in self.columns if c.name.casefold() == name.casefold()), None)


@dataclass(frozen=True, slots=True, eq=False)
class Warehouse:
    """A warehouse that is open for reading, in a transaction of its own."""

    connection: duckdb.DuckDBPyConnection
    path: Path

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Give all rows of a query."""
        return self.connection.execute(query, list(parameters)).fetchall()

    def count(self, table: SourceTable) -> int:
        """Count a table's rows."""
        return int(self.rows(f"SELECT count(*) FROM {table.sql}")[0][0])

    def tables(self) -> list[SourceTable]:
        """List tables and views, by schema and name."""
        catalog = str(self.rows("SELECT current_database()")[0][0])
        columns: dict[tuple[str, str], list[SourceColumn]] = {}
        for schema, table, *column in self.rows(_COLUMNS):
            columns.setdefault((schema, table), []).append(SourceColumn(*column))
        keys = {(schema, table): tuple(names) for schema, table, names in self.rows(_KEYS)}
        return [
            SourceTable(
                schema,
                name,
                tuple(columns.get((schema, name), ())),
                comment,
                is_view,
                keys.get((schema, name), ()),
                catalog,
            )
            for schema, name, comment, is_view in self.rows(_TABLES)
        ]

    @contextmanager
    def reading(self, table: SourceTable) -> Generator[None]:
        """Name the table where its rows cannot be read.

        Raises
        ------
        PublishingError
            If DuckDB ends a query of the block.
        """
        try:
            yield
        except duckdb.Error as error:
            message = (
                f"The rows of {table.title} cannot be read: {str(error).splitlines()[0]}\n"
                f"  What to do: mend its query; or leave it out: --exclude {table.title}."
            )
            raise PublishingError(message) from error

    def bound(self, view: SourceTable) -> SourceTable:
        """Give a view with the columns that it has today.

        Raises
        ------
        PublishingError
            If its query cannot be read outside of the process that made it.
        """
        try:
            described = self.rows(f"DESCRIBE SELECT * FROM {view.sql}")
        except duckdb.Error as error:
            message = (
                f"The view {view.title} cannot be read: {str(error).splitlines()[0]}\n"
                "  What to do: a function of dbt's process is known in no other, so let dbt make a "
                f"table of it (materialized='table'); or leave it out: --exclude {view.title}."
            )
            raise PublishingError(message) from error
        comments = {column.name: column.comment for column in view.columns}
        columns = tuple(SourceColumn(r[0], r[1], comments.get(r[0])) for r in described)
        return replace(view, columns=columns)


_TABLES = """
SELECT schema_name, name, comment, is_view FROM (
    SELECT schema_name, table_name AS name, comment, false AS is_view
    FROM duckdb_tables() WHERE database_name = current_database() AND NOT internal
    UNION ALL
    SELECT schema_name, view_name, comment, true
    FROM duckdb_views() WHERE database_name = current_database() AND NOT internal
) ORDER BY schema_name, name
"""
_COLUMNS = """
SELECT schema_name, table_name, column_name, data_type, comment FROM duckdb_columns()
WHERE database_name = current_database() AND NOT internal
ORDER BY schema_name, table_name, column_index
"""
_KEYS = """
SELECT schema_name, table_name, constraint_column_names FROM duckdb_constraints()
WHERE database_name = current_database() AND constraint_type = 'PRIMARY KEY'
"""


@contextmanager
def open_warehouse(path: Path, wait: float = 0) -> Generator[Warehouse]:
    """Open a warehouse for reading; all that is read of it is one snapshot.

    Parameters
    ----------
    path
        The DuckDB file.
    wait
        Seconds to wait while another process writes to it.

    Raises
    ------
    PublishingError
        If there is no such file, another process holds it, or it is no DuckDB file.
    """
    if not path.exists():
        message = f"There is no warehouse {path}. Name the DuckDB file that dbt writes: --database."
        raise PublishingError(message)
    connection = _connect(path, time.monotonic() + wait)
    try:
        # As text, a time with a zone is what this says; and rows keep their order.
        connection.execute("SET TimeZone = 'UTC'")
        connection.begin()
        yield Warehouse(connection, path)
    finally:
        connection.close()


def _connect(path: Path, until: float) -> duckdb.DuckDBPyConnection:
    while True:
        try:
            return interruptible(connect_file(path, read_only=True))
        except duckdb.IOException as error:
            holder = find_holder(error)
            if holder is None:
                message = f"{path} cannot be read: {error}"
                raise PublishingError(message) from error
            if time.monotonic() >= until:
                raise _locked(path, holder) from error
        except duckdb.Error as error:
            message = f"{path} cannot be read: {error}"
            raise PublishingError(message) from error
        time.sleep(_PAUSE)


def _locked(path: Path, holder: Holder) -> PublishingError:
    return PublishingError(
        f"{path} is being written: process {holder.pid} ({Path(holder.program).name}) holds it.\n"
        "  What to do: publish when the dbt run has ended (dbt build && foresql publish-serving), "
        "or let this command wait: --wait 600."
    )
