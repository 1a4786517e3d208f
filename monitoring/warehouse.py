"""The database that is looked at: opened read-only, its tables and their columns."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from ..registry.references import suggest
from ..udfs.duckdb import interruptible
from ..udfs.duckdb.file import connect_file
from ..udfs.duckdb.holder import find_holder
from ..udfs.duckdb.macros import literal, quote
from .errors import MonitoringError
from .prediction_log import connect_log

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

_COLUMNS = """
    SELECT table_schema, table_name, list(struct_pack(n := column_name, t := data_type)
           ORDER BY ordinal_position)
    FROM information_schema.columns
    WHERE table_catalog = current_database()
    GROUP BY table_schema, table_name
    ORDER BY table_schema <> 'main', table_schema, table_name
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view; ``columns`` maps its columns to their SQL types."""

    schema: str
    name: str
    columns: Mapping[str, str] = field(compare=False)

    @property
    def sql(self) -> str:
        """Its quoted name."""
        return f"{quote(self.schema)}.{quote(self.name)}"

    def __str__(self) -> str:
        return self.name if self.schema == "main" else f"{self.schema}.{self.name}"

    def column(self, name: str) -> str:
        """Find a column by its name in SQL, where case does not count.

        Raises
        ------
        MonitoringError
            If there is none.
        """
        found = self.find(name)
        if found is None:
            raise MonitoringError(f"{self} has no column {name!r}. {suggest(name, self.columns)}")
        return found

    def find(self, name: str) -> str | None:
        """Find a column by its name in SQL, or None."""
        return next((each for each in self.columns if each.casefold() == name.casefold()), None)


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A DuckDB file that is read, never written."""

    connection: duckdb.DuckDBPyConnection
    path: Path
    tables: tuple[Table, ...]

    def find(self, name: str) -> Table | None:
        """Find a table by ``name`` or ``schema.name``, or None."""
        for wanted in (name.casefold(), name.replace('"', "").casefold()):
            for table in self.tables:
                if wanted in {table.name.casefold(), f"{table.schema}.{table.name}".casefold()}:
                    return table
        return None

    def table(self, name: str) -> Table:
        """Find a table by ``name`` or ``schema.name``.

        Raises
        ------
        MonitoringError
            If there is none.
        """
        found = self.find(name)
        if found is None:
            known = suggest(name, [str(table) for table in self.tables])
            raise MonitoringError(f"There is no table {name!r} in {self.path}. {known}")
        return found


@contextmanager
def open_warehouse(path: str | Path) -> Generator[Warehouse]:
    """Open a DuckDB file read-only, or the folder of a prediction log.

    What a query cannot hold in memory goes to a temporary folder.

    Raises
    ------
    MonitoringError
        If it is not there, or another process writes to it: the message says which.
    """
    file = Path(path)
    if not file.exists():
        raise MonitoringError(f"There is no database file {file}.")
    with tempfile.TemporaryDirectory() as folder, _connect(file) as connection:
        connection.execute(f"SET temp_directory = {literal(folder)}; SET TimeZone = 'UTC'")
        tables = tuple(
            Table(schema, name, {each["n"]: each["t"] for each in columns})
            for schema, name, columns in connection.execute(_COLUMNS).fetchall()
        )
        try:
            yield Warehouse(connection, file, tables)
        except duckdb.Error as error:
            raise MonitoringError(f"A query of the report failed: {error}") from error


def _connect(file: Path) -> duckdb.DuckDBPyConnection:
    if file.is_dir():
        return interruptible(connect_log(file))
    try:
        return interruptible(connect_file(file, read_only=True))
    except duckdb.Error as error:
        holder = find_holder(error)
        if holder is None:
            raise MonitoringError(f"The database {file} cannot be opened: {error}") from error
        raise MonitoringError(
            f"The database {file} is written to by process {holder.pid} ({holder.program}).\n"
            "  What to do: wait until it is done, or report from a copy that is read by all: "
            "foresql publish-serving makes one."
        ) from error


def rows_of(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    """Give a query's rows, each by the names of its columns."""
    found = connection.execute(query)
    names = [each[0] for each in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
