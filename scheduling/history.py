"""Past runs, from the run log in the warehouse."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..udfs.duckdb.file import connect_file
from ..udfs.duckdb.holder import find_holder
from ..udfs.duckdb.macros import quote
from .dbt_process import DBT
from .errors import ScheduleError
from .failures import describe_lock, one_line

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["COLUMNS", "history_of_database", "history_of_project"]

COLUMNS = (
    "run_id",
    "started_at",
    "finished_at",
    "seconds",
    "status",
    "command",
    "target",
    "selection",
    "trigger",
    "schedule",
    "attempt",
    "rows_scored",
    "versions",
    "nodes_failed",
    "message",
)
NONE_YET = (
    "No run is logged there yet.\n  What to do: install the dbt package and run dbt build: "
    "docs/scheduling.md."
)


def history_of_database(
    database: Path, limit: int, schedule: str | None = None, schema: str = "foresql"
) -> list[dict[str, Any]]:
    """Read the last runs from a DuckDB file, which is opened for reading.

    Parameters
    ----------
    database
        The file.
    limit
        How many runs, the last first.
    schedule
        Only this schedule's.
    schema
        Where the run log lies: the dbt variable `foresql_schema`.

    Raises
    ------
    ScheduleError
        There is no such file, no run log in it, or a process that writes to it.
    """
    import duckdb

    if not database.is_file():
        raise ScheduleError(f"There is no file {database}.\n  What to do: name another database.")
    relation = f"{quote(schema)}.runs"
    where = "" if schedule is None else "WHERE schedule = $schedule "
    query = (
        f"SELECT {', '.join(map(quote, COLUMNS))} FROM {relation} {where}"  # noqa: S608 - quoted
        f"ORDER BY started_at DESC LIMIT {int(limit)}"
    )
    try:
        with connect_file(database, read_only=True) as connection:
            rows = connection.execute(
                query, {} if schedule is None else {"schedule": schedule}
            ).fetchall()
    except duckdb.CatalogException as error:
        raise ScheduleError(NONE_YET) from error
    except duckdb.IOException as error:
        locked = find_holder(error)
        raise ScheduleError(describe_lock(locked) if locked else str(error)) from error
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def history_of_project(
    project: Path,
    limit: int,
    schedule: str | None = None,
    target: str | None = None,
    profiles: Path | None = None,
) -> list[dict[str, Any]]:
    """Read the last runs as dbt's own target has them, on any database, by `dbt show`.

    Raises
    ------
    ScheduleError
        dbt failed; the message says what it said.
    """
    columns = ", ".join(f"{{{{ foresql.column('{name}') }}}}" for name in COLUMNS)
    where = ""
    if schedule is not None:
        # The name of a schedule has no character that SQL or Jinja would read.
        where = f"where {{{{ foresql.column('schedule') }}}} = '{schedule}'"
    query = (
        f"select {columns} from {{{{ foresql.relation('runs') }}}} {where} "  # noqa: S608 - Jinja quotes
        f"order by {{{{ foresql.column('started_at') }}}} desc limit {int(limit)}"
    )
    options = ["--quiet", "--output", "json", "--limit", "-1", "--project-dir", str(project)]
    options += ["--target", target] if target is not None else []
    options += ["--profiles-dir", str(profiles)] if profiles is not None else []
    done = subprocess.run(  # noqa: S603 - this interpreter, a list of arguments
        [*DBT, "show", "--inline", query, *options, "--no-use-colors"],
        cwd=project,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    start = done.stdout.find("{")
    if done.returncode or start < 0:
        raise ScheduleError(explain_show(done.stdout + done.stderr))
    shown = json.loads(done.stdout[start:])["show"]
    return [{name: read_value(name, row) for name in COLUMNS} for row in map(lowered, shown)]


def lowered(row: dict[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in row.items()}


def read_value(name: str, row: dict[str, Any]) -> Any:
    value = row.get(name)
    if name.endswith("_at") and isinstance(value, str):
        return datetime.fromisoformat(value)
    if name in {"attempt", "rows_scored", "nodes_failed"} and value is not None:
        return int(value)
    return value


def explain_show(printed: str) -> str:
    if locked := find_holder(printed):
        return describe_lock(locked)
    if "does not exist" in printed and "runs" in printed:
        return NONE_YET
    if "'foresql' is undefined" in printed:
        return (
            "This dbt project has no package foresql.\n  What to do: add it to packages.yml and "
            "run dbt deps: docs/dbt.md. A DuckDB file can be read without it: --database FILE."
        )
    return f"dbt show failed: {one_line(printed)}"
