"""``foresql publish-serving``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..publishing import SCHEMES, Request, publish_duckdb, publish_postgres
from .options import SCREEN, explained, json_option, print_json, progress_bar, registry_option, say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.progress import Progress

    from ..publishing import Publication

_POSTGRES_ONLY = {"schema": "--schema", "keys": "--key", "grants": "--grant"}
_DUCKDB_ONLY = {"storage_version": "--storage-version"}


@click.command("publish-serving")
@click.option(
    "--database",
    required=True,
    type=click.Path(dir_okay=False),
    help="The warehouse that dbt writes.",
)
@click.option(
    "--to",
    required=True,
    metavar="FILE|URL",
    help="A DuckDB file, or postgresql://user@host/database; without a password.",
)
@click.option(
    "--tables",
    multiple=True,
    metavar="NAMES",
    help="Names or patterns, by commas; by default all but raw and staging ones.",
)
@click.option("--exclude", multiple=True, metavar="NAMES", help="What to leave out of them.")
@click.option(
    "--models",
    multiple=True,
    metavar="REFERENCES",
    help="Models to publish as functions; by default those whose predictions are published.",
)
@click.option("--no-models", is_flag=True, help="Publish no functions.")
@click.option(
    "--manifest",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="dbt's target/manifest.json, for keys and descriptions of tables.",
)
@click.option("--schema", help="Postgres: the schema of all tables and functions.")
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="TABLE=COLUMNS",
    help="Postgres: what tells a table's rows apart, so that only changed ones are written.",
)
@click.option(
    "--grant", "grants", multiple=True, metavar="ROLE", help="Postgres: a role that may read it."
)
@click.option(
    "--storage-version", metavar="VERSION", help="DuckDB: the oldest reader, such as v1.5.0."
)
@click.option("--mixed-versions", is_flag=True, help="Publish tables of versions that differ.")
@click.option("--overwrite", is_flag=True, help="Replace what this command did not publish.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=0,
    metavar="SECONDS",
    help="Wait for a dbt run or another publishing to end.",
)
@registry_option
@json_option
@explained
def publish_serving(
    database: str,
    to: str,
    tables: tuple[str, ...],
    exclude: tuple[str, ...],
    models: tuple[str, ...],
    no_models: bool,
    manifest: Path | None,
    mixed_versions: bool,
    overwrite: bool,
    wait: float,
    registry: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    r"""Publish tables, models and the catalogue to readers.

    Readers have what was published before, or all of the new: never a lock, never half.

    \b
    # After dbt, a read-only copy for BI tools:
    dbt build && foresql publish-serving --database warehouse.duckdb --to serving.duckdb
    # Some tables, and a model as a macro, SELECT predict_delay(f) FROM flight_features f:
    foresql publish-serving --database warehouse.duckdb --to serving.duckdb \
        --tables 'marts.*,delay_predictions' --models delay@champion
    # To Postgres, in one transaction; the password is in PGPASSWORD or ~/.pgpass:
    foresql publish-serving --database warehouse.duckdb --to postgresql://etl@db/bi \
        --schema analytics --key delay_predictions=flight_id --grant analysts
    """
    is_postgres = to.startswith(SCHEMES)
    _check_options(options, is_postgres=is_postgres)
    if no_models and models:
        message = "--no-models publishes no functions: leave it or --models out."
        raise click.UsageError(message)
    keys = dict(_key(text) for text in options["keys"])
    with progress_bar() as bar:
        request = Request(
            tables=_names(tables),
            exclude=_names(exclude),
            models=None if no_models else _names(models),
            manifest=manifest,
            registry=registry,
            mixed_versions=mixed_versions,
            wait=wait,
            progress=_shown(bar),
        )
        if is_postgres:
            published = publish_postgres(
                database,
                to,
                request,
                schema=options["schema"],
                keys=keys,
                grants=options["grants"],
                overwrite=overwrite,
            )
        else:
            storage = options["storage_version"]
            published = publish_duckdb(
                database, to, request, storage_version=storage, overwrite=overwrite
            )
    if as_json:
        print_json(published.to_json())
    else:
        _report(published)


def _check_options(options: dict[str, Any], *, is_postgres: bool) -> None:
    """Refuse what means nothing for the target."""
    for name, option in (_DUCKDB_ONLY if is_postgres else _POSTGRES_ONLY).items():
        if options[name]:
            where = "a DuckDB file" if is_postgres else "Postgres"
            message = f"{option} is for {where}: leave it out."
            raise click.UsageError(message)


def _names(texts: Sequence[str]) -> tuple[str, ...]:
    """Take lists apart, which commas separate."""
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


def _key(text: str) -> tuple[str, tuple[str, ...]]:
    table, separator, columns = text.partition("=")
    if not (separator and table and _names([columns])):
        message = f"--key {text!r} names no columns: --key delay_predictions=flight_id."
        raise click.UsageError(message)
    return table, _names([columns])


def _shown(bar: Progress) -> Callable[[str, int, int], None]:
    task = bar.add_task("Publishing", total=None)

    def show(title: str, done: int, total: int) -> None:
        bar.update(task, description=f"Publishing {title}", completed=done, total=total)

    return show


def _report(published: Publication) -> None:
    for table in published.tables:
        versions = f", by {table.versions}" if table.versions else ""
        say(f"{table.name}: {table.rows:,} rows, {table.rows_written:,} written{versions}")
    for function, title in published.functions.items():
        say(f"{function}(): {title}")
    for function, reason in published.omitted.items():
        SCREEN.print(f"No function {function}: {reason}", markup=False, soft_wrap=True)
    for problem in published.warnings:
        SCREEN.print(f"Mixed versions: {problem}", markup=False, soft_wrap=True)
    say(f"Published to {published.target}")
