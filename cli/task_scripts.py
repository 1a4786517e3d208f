"""``foresql task compile``: a task of a DuckDB file as the script of a Snowflake account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..deploy.snowflake.asked import Asked
from ..deploy.snowflake.incremental import plan_incremental
from ..streams.relation import find_relation
from ..streams.stream import APPEND_ONLY, find_stream
from ..streams.task import find_task
from .accounts import ENGINES, Location, output_option, write_script
from .database import database_option, opened, wait_option
from .options import explained, json_option, registry_option

if TYPE_CHECKING:
    from pathlib import Path


@click.command("compile")
@click.argument("name")
@click.option("--to", required=True, type=ENGINES, help="For which engine.")
@click.option(
    "--source", metavar="TABLE", help="The rows in Snowflake; the query's own table by default."
)
@click.option(
    "--into", metavar="TABLE", help="The predictions in Snowflake; the task's own by default."
)
@click.option(
    "--set",
    "names",
    multiple=True,
    metavar="WHAT=NAME",
    help="Another name for models, serving, stage, history, caller or operator.",
)
@output_option
@database_option
@wait_option
@registry_option
@json_option
@explained
def compile_task(
    name: str,
    to: str,  # noqa: ARG001 - there is one engine
    source: str | None,
    into: str | None,
    names: tuple[str, ...],
    output: Path | None,
    database: Path,
    wait: float,
    registry: str | None,
    as_json: bool,
) -> None:
    r"""Write a task's stream, task and MERGE for Snowflake, from its definition in DuckDB.

    The script is the one of foresql task snowflake --do create: query, key and mode are the same.

    \b
    foresql task compile scoring --to snowflake --database warehouse.duckdb -o task.sql
    """
    with opened(database, wait) as connection:
        task = find_task(connection, name)
        stream = find_stream(connection, task.stream)
        table = find_relation(connection, stream.table)
    asked = Asked(
        query=task.query,
        into=into or task.target.name,
        key=task.target_key,
        source=source,
        append_only=stream.mode == APPEND_ONLY,
        view=table is not None and not table.is_table,
    )
    plan = plan_incremental(asked.upkeep(Location(names=tuple(names)).settings, registry))
    write_script(plan, output, as_json=as_json)
