"""``foresql materialize``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from ..errors import ForesqlError
from ..online import Definition, Wanted, read_definition
from ..online import materialize as run
from .options import (
    EXIT_FAILED,
    OUTPUT,
    SCREEN,
    explained,
    json_option,
    print_json,
    progress_bar,
    registry_option,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.progress import Progress

    from ..online import Materialized

_TOML = ".toml"


@click.command()
@click.argument("view", metavar="VIEW|FILE.toml")
@click.option("--key", metavar="COLUMNS", help="What tells the view's rows apart, by commas.")
@click.option(
    "--database",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The DuckDB file that dbt writes; it is opened read-only.",
)
@click.option(
    "--into",
    metavar="FOLDER|URL",
    help="Where snapshots are kept: a folder, or redis://host:6379/0?prefix=shop.",
)
@click.option("--query", metavar="SQL", help="Read this query, and call it VIEW.")
@click.option("--name", help="How scoring queries call the view, if not VIEW.")
@click.option(
    "--missing",
    type=click.Choice(["error", "null"]),
    help="What an entity without a row means: an error, or NULL as of a LEFT JOIN.",
)
@click.option(
    "--default",
    "defaults",
    multiple=True,
    metavar="COLUMN=VALUE",
    help="What an entity without a row has; columns without a default have NULL.",
)
@click.option("--allow-empty", is_flag=True, help="Replace a snapshot by one without any row.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=0,
    metavar="SECONDS",
    help="Wait for a dbt run or another materialize to end.",
)
@registry_option
@json_option
@explained
def materialize(
    view: str,
    database: Path | None,
    into: str | None,
    allow_empty: bool,
    wait: float,
    registry: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    r"""Write feature views into snapshots, from which a service looks rows up by key.

    VIEW is a table or view of the database, such as a dbt model. A TOML file names several. A
    snapshot is swapped in whole: readers have the one before, or all of the new.

    Redis needs the extra: pip install 'foresql[redis]'. Its password is in FORESQL_REDIS_PASSWORD.

    \b
    foresql materialize carrier_stats --key carrier --database warehouse.duckdb --into online/
    foresql materialize route_stats --key origin,dest --database warehouse.duckdb \
        --into online/ --default flights=0
    foresql materialize airports --key code --query "FROM 'airports.parquet'" --into online/
    foresql materialize features.toml --into redis://cache:6379/0
    """
    wanted = _definition(view, options)
    target = into or wanted.into
    if target is None:
        message = "Say where snapshots are kept: --into online/"
        raise click.UsageError(message)
    with progress_bar() as bar:
        done = run(
            wanted.views,
            target,
            database=database or wanted.database,
            registry=registry,
            wait=wait,
            allow_empty=allow_empty,
            progress=_shown(bar),
        )
    if as_json:
        print_json({"into": target, "views": [_as_dict(each) for each in done]})
    else:
        _print(done)
    if any(each.problem for each in done):
        sys.exit(EXIT_FAILED)


def _definition(view: str, options: dict[str, Any]) -> Definition:
    if view.endswith(_TOML):
        given = [f"--{name.rstrip('s')}" for name, value in options.items() if value]
        if given:
            message = f"{given[0]} goes with one view: write it into {view}."
            raise click.UsageError(message)
        return read_definition(Path(view))
    if not options["key"]:
        message = "Say what tells the view's rows apart: --key COLUMN"
        raise click.UsageError(message)
    defaults = dict(_default(text) for text in options["defaults"])
    if defaults and options["missing"]:
        message = "--missing and --default say different things: leave one out."
        raise click.UsageError(message)
    wanted = Wanted(
        name=options["name"] or view,
        keys=tuple(name.strip() for name in options["key"].split(",") if name.strip()),
        relation=None if options["query"] else view,
        query=options["query"],
        missing="defaults" if defaults else options["missing"] or "error",
        defaults=defaults,
    )
    return Definition((wanted,), None, None)


def _default(text: str) -> tuple[str, str]:
    column, equals, value = text.partition("=")
    if not equals or not column:
        message = f"--default {text!r} is not COLUMN=VALUE, such as flights=0."
        raise ForesqlError(message)
    return column, value


def _shown(bar: Progress) -> Callable[[str, int], None]:
    tasks: dict[str, Any] = {}

    def show(name: str, rows: int) -> None:
        if name not in tasks:
            tasks[name] = bar.add_task(name, total=None)
        bar.update(tasks[name], completed=rows)

    return show


def _as_dict(done: Materialized) -> dict[str, Any]:
    if done.manifest is None:
        return {"view": done.name, "problem": done.problem}
    manifest = done.manifest
    return {
        "view": done.name,
        "rows": manifest.rows,
        "as_of": manifest.view.as_of,
        "keys": manifest.view.keys,
        "columns": dict(manifest.view.columns),
        "missing": manifest.view.missing.kind,
        "bytes": manifest.size,
        "sha256": manifest.sha256,
        "seconds": round(done.seconds, 3),
    }


def _print(done: Sequence[Materialized]) -> None:
    table = Table("view", "rows", "as of (UTC)", "MiB", "seconds")
    for each in done:
        if each.manifest is not None:
            manifest = each.manifest
            cells = (
                each.name,
                f"{manifest.rows:,}",
                f"{manifest.view.as_of:%Y-%m-%d %H:%M:%S}",
                f"{manifest.size / 2**20:.1f}",
                f"{each.seconds:.1f}",
            )
            table.add_row(*map(Text, cells))
    if table.row_count:
        OUTPUT.print(table)
    for each in done:
        if each.problem is not None:
            SCREEN.print(f"[bold red]{each.name} stays as it was[/]: ", end="")
            SCREEN.print(each.problem, markup=False, highlight=False, soft_wrap=True)
