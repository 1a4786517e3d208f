"""``foresql schedule history``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ForesqlError
from ..scheduling.history import history_of_database, history_of_project
from ..scheduling.schedule import NAME, find_project
from .options import OUTPUT, explained, json_option, print_json
from .schedule_options import profiles_option, project_option, target_option

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["history"]

STYLES = {"success": "green", "error": "red", "interrupted": "red", "running": "yellow"}


@click.command("history")
@click.option(
    "--database",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A DuckDB file, read without dbt.",
)
@project_option
@target_option
@profiles_option
@click.option("--name", help="Only this schedule's runs.")
@click.option(
    "--limit", type=click.IntRange(1), default=20, show_default=True, help="How many runs."
)
@click.option(
    "--schema", default="foresql", show_default=True, help="The run log's, of --database."
)
@json_option
@explained
def history(
    database: Path | None,
    project: Path,
    target: str | None,
    profiles_dir: Path | None,
    name: str | None,
    limit: int,
    schema: str,
    as_json: bool,
) -> None:
    r"""Show the last runs of a project, scheduled or not, from its run log.

    A DuckDB file is read at once. Without --database dbt's own connection is used, which works on
    each of its targets and takes dbt's start.

    \b
    foresql schedule history --database shop.duckdb
    foresql schedule history --project dbt_project --target snowflake --name hourly --json
    """
    if name is not None and not NAME.fullmatch(name):
        message = f"{name!r} is no name of a schedule."
        raise ForesqlError(message)
    if database is not None:
        runs = history_of_database(database, limit, name, schema)
    else:
        folder = find_project(project)
        profiles = None if profiles_dir is None else profiles_dir.resolve()
        runs = history_of_project(folder, limit, name, target, profiles)
    if as_json:
        print_json(runs)
    else:
        print_runs(runs)


def print_runs(runs: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("started (UTC)", "status", "seconds", "scored", "versions", "trigger", "message"):
        table.add_column(title, justify="right" if title in {"seconds", "scored"} else "left")
    for run in runs:
        status = str(run["status"])
        trigger = run["schedule"] or run["trigger"]
        attempt = run["attempt"] or 1
        table.add_row(
            say_time(run["started_at"]),
            Text(status, STYLES.get(status, "")),
            "" if run["seconds"] is None else f"{run['seconds']:.1f}",
            "" if run["rows_scored"] is None else f"{run['rows_scored']:,}",
            Text(run["versions"] or ""),
            Text(f"{trigger}, attempt {attempt}" if attempt > 1 else str(trigger)),
            Text(run["message"] or "", overflow="ellipsis", no_wrap=True),
        )
    OUTPUT.print(table)


def say_time(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
