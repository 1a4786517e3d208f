"""When rows were scored: the run log, or what the predictions themselves say of their runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..udfs.duckdb.macros import literal
from .warehouse import rows_of

if TYPE_CHECKING:
    from .discovery import Sources
    from .warehouse import Table, Warehouse

SHOWN_RUNS = 15
_RUN = ("run_id", "started_at", "status")
_TABLE = ("run_id", "model_name", "model_version", "rows_scored")


@dataclass(frozen=True, slots=True)
class History:
    """The latest runs, the newest first; ``source`` says where they are read from."""

    source: str
    runs: list[dict[str, Any]]


def read_history(warehouse: Warehouse, sources: Sources, name: str) -> History:
    """Read the latest runs that scored a model's rows."""
    runs, tables = warehouse.find("foresql.runs"), warehouse.find("foresql.run_tables")
    if runs is not None and tables is not None and _has(runs, _RUN) and _has(tables, _TABLE):
        found = _logged(warehouse, runs, tables, sources, name)
        if found:
            return History(f"the run log, {runs} and {tables}", found)
    return History(f"{sources.predictions}", _stored(warehouse, sources, name))


def _has(table: Table, columns: tuple[str, ...]) -> bool:
    return all(table.find(column) for column in columns)


def _logged(
    warehouse: Warehouse, runs: Table, tables: Table, sources: Sources, name: str
) -> list[dict[str, Any]]:
    def column(table: Table, alias: str, wanted: str) -> str:
        return f"{alias}.{wanted}" if table.find(wanted) else f"NULL AS {wanted}"

    relation = sources.predictions.name
    mine = f"t.model_name = {literal(name)}"
    if tables.find("relation"):
        ending = "replace(split_part(t.relation, '.', -1), '\"', '')"
        mine += f" AND {ending} = {literal(relation)}"
    selected = ", ".join(
        [
            *("r.run_id", "r.started_at", "t.model_version", "t.rows_scored"),
            column(tables, "t", "rows_total"),
            *(column(runs, "r", each) for each in ("seconds", "status", "trigger", "message")),
        ]
    )
    return rows_of(
        warehouse.connection,
        f"SELECT {selected} FROM {tables.sql} AS t JOIN {runs.sql} AS r ON t.run_id = r.run_id "
        f"WHERE {mine} ORDER BY r.started_at DESC, r.run_id LIMIT {SHOWN_RUNS}",
    )


def _stored(warehouse: Warehouse, sources: Sources, name: str) -> list[dict[str, Any]]:
    """Read what is left of each run: rows that a later one scored again count there."""
    table = sources.predictions
    if table.find("scored_at") is None:
        return []
    group = "run_id" if table.find("run_id") else "NULL"
    version = "max(model_version)" if table.find("model_version") else "NULL"
    return rows_of(
        warehouse.connection,
        f"SELECT CAST({group} AS VARCHAR) AS run_id, CAST(scored_at AS TIMESTAMP) AS started_at, "
        f"{version} AS model_version, count(*) AS rows_scored FROM {table.sql} "
        f"WHERE {sources.of_model(name)} "
        "GROUP BY 1, 2 ORDER BY started_at DESC, run_id "
        f"LIMIT {SHOWN_RUNS}",
    )
