"""What the published tables say about themselves: versions, functions, publications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..registry import catalogue_tables
from ..registry.catalogue_columns import COLUMNS
from ..udfs.duckdb.macros import literal, quote
from .warehouse import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ..registry import Catalog
    from .models import Carried, ServedModel
    from .warehouse import SourceTable, Warehouse

PUBLICATIONS, FUNCTIONS = "publications", "functions"

_OWN_COLUMNS: Mapping[str, Mapping[str, str]] = {
    PUBLICATIONS: {
        "schema_name": "the schema of a published table",
        "table_name": "its name",
        "published_at": "when it was published, in UTC",
        "row_count": "how many rows were published",
        "model_versions": "the versions that made its predictions, such as delay:3, by commas",
        "run_id": "the dbt run that it was published from",
        "source": "the name of the warehouse's file",
    },
    FUNCTIONS: {
        "schema_name": "the schema of the functions",
        "function_name": "the predicting function; the others are named after it",
        "model_name": "the model behind it",
        "model_version": "the version that answers",
        "sha256": "the hash of that version's bundle",
    },
}
_KEYS: Mapping[str, tuple[str, ...]] = {
    "models": ("model_name", "model_version"),
    "model_columns": ("model_name", "model_version", "position"),
    "runs": ("run_id",),
    "run_tables": ("run_id", "node"),
    PUBLICATIONS: ("schema_name", "table_name"),
    FUNCTIONS: ("schema_name", "function_name"),
}
_COMMENTS: Mapping[str, str] = {
    "models": "The versions of all models, from the registry.",
    "model_columns": "What each version reads and answers.",
    "runs": "The runs of dbt.",
    "run_tables": "What each run of dbt scored.",
    PUBLICATIONS: "What was published, when, from which run, with which versions.",
    FUNCTIONS: "Which version answers in each function.",
}


@dataclass(frozen=True, slots=True, eq=False)
class CatalogueTable:
    """A table of the schema ``foresql``, its key, and what its columns mean."""

    name: str
    data: pa.Table
    comments: Mapping[str, str]

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that tell its rows apart; none where some are there twice."""
        columns = _KEYS[self.name]
        if not set(columns) <= set(self.data.column_names):
            return ()
        keys = self.data.select(columns)
        is_whole = not any(column.null_count for column in keys.columns)
        rows = keys.group_by(list(columns)).aggregate([]).num_rows
        return columns if is_whole and rows == len(keys) else ()

    @property
    def comment(self) -> str:
        """Say what it is."""
        return _COMMENTS[self.name]

    def comment_statements(self, catalog: str) -> list[str]:
        """Write the comments, as DuckDB takes them."""
        place = f"{catalog}.{CATALOGUE}.{quote(self.name)}"
        return [
            f"COMMENT ON TABLE {place} IS {literal(self.comment)}",
            *(
                f"COMMENT ON COLUMN {place}.{quote(column)} IS {literal(text)}"
                for column, text in self.comments.items()
                if column in self.data.column_names
            ),
        ]


def build_catalogue(
    warehouse: Warehouse, catalog: Catalog | None, logs: Sequence[SourceTable]
) -> list[CatalogueTable]:
    """Give versions and columns from the registry, and the rest from the warehouse."""
    tables = []
    if catalog is not None:
        for name, data in catalogue_tables(catalog).items():
            tables.append(CatalogueTable(name, data, {c: text for c, _, text in COLUMNS[name]}))
    for log in logs:
        data = warehouse.connection.sql(f"FROM {log.sql}").to_arrow_table()
        comments = {column.name: column.comment for column in log.columns if column.comment}
        tables.append(CatalogueTable(log.name, data, comments))
    return tables


def functions_table(served: Sequence[ServedModel], schema: str) -> CatalogueTable:
    """List which version answers in each function."""
    rows = [
        {
            "schema_name": schema,
            "function_name": each.function,
            "model_name": each.opened.name,
            "model_version": each.opened.version,
            "sha256": each.opened.bundle.digest,
        }
        for each in served
    ]
    kinds = {"model_version": pa.int64()}
    fields = pa.schema([(n, kinds.get(n, pa.string())) for n in _OWN_COLUMNS[FUNCTIONS]])
    data = pa.Table.from_pylist(rows, schema=fields)
    return CatalogueTable(FUNCTIONS, data, _OWN_COLUMNS[FUNCTIONS])


def publications_table(
    rows: Sequence[tuple[str, SourceTable, int]],
    carried: Carried,
    *,
    run_id: str | None,
    source: str,
    now: datetime,
) -> CatalogueTable:
    """List what is published: a row a table, with its schema there, and how many rows it has."""
    listed: list[dict[str, Any]] = [
        {
            "schema_name": schema,
            "table_name": table.name,
            "published_at": now.replace(tzinfo=None),
            "row_count": count,
            "model_versions": versions_of(carried, table),
            "run_id": run_id,
            "source": source,
        }
        for schema, table, count in rows
    ]
    kinds = {"published_at": pa.timestamp("us"), "row_count": pa.int64()}
    fields = pa.schema([(n, kinds.get(n, pa.string())) for n in _OWN_COLUMNS[PUBLICATIONS]])
    data = pa.Table.from_pylist(listed, schema=fields)
    return CatalogueTable(PUBLICATIONS, data, _OWN_COLUMNS[PUBLICATIONS])


def versions_of(carried: Carried, table: SourceTable) -> str | None:
    """Name the versions that made a table's rows; None for a table without predictions."""
    keys = carried.get(table.title)
    return (
        None if keys is None else ", ".join(f"{name}:{version}" for name, version in sorted(keys))
    )


def last_run(warehouse: Warehouse, logs: Sequence[SourceTable]) -> str | None:
    """Give the last run of dbt that the log knows to have ended; None without a log."""
    runs = next((log for log in logs if log.name == "runs"), None)
    if runs is None:
        return None
    found = warehouse.rows(
        f"SELECT run_id FROM {runs.sql} WHERE finished_at IS NOT NULL "
        "ORDER BY finished_at DESC, run_id LIMIT 1"
    )
    return str(found[0][0]) if found else None
