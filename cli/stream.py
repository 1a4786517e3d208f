"""``foresql stream``: the changes of a DuckDB table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..streams import create_stream, drop_stream, list_streams, show_stream
from .database import database_option, opened, print_rows, wait_option
from .options import explained, json_option, print_json, say, unwrapped

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
@unwrapped
def stream() -> None:
    r"""Find what changes in a DuckDB table, with the words of Snowflake's streams.

    A stream is a view with the changes since its offset. The offset moves with the transaction that
    consumed them: of a task (foresql task), or of streams.consume in Python. All commands but drop
    take --json.

    \b
    foresql stream create flight_changes --on flight_features --key flight_id \
      --database warehouse.duckdb
    foresql sql "SELECT * FROM flight_changes" --database warehouse.duckdb
    """


@stream.command("create")
@click.argument("name")
@click.option("--on", required=True, metavar="TABLE", help="The table or view.")
@click.option(
    "--key",
    multiple=True,
    required=True,
    metavar="COLUMN",
    help="A column that tells rows apart; several make one key.",
)
@click.option("--append-only", is_flag=True, help="New rows alone: the table only grows.")
@click.option(
    "--watermark",
    metavar="COLUMN",
    help="For --append-only: a column that grows with each row, instead of the rows' order.",
)
@click.option("--show-initial-rows", is_flag=True, help="Begin with all rows that are there.")
@click.option(
    "--replace", is_flag=True, help="Replace a stream of this name; its changes are lost."
)
@database_option
@wait_option
@json_option
@explained
def create(
    name: str,
    on: str,
    key: tuple[str, ...],
    append_only: bool,
    watermark: str | None,
    show_initial_rows: bool,
    replace: bool,
    database: Path,
    wait: float,
    as_json: bool,
) -> None:
    r"""Make a stream on a table or view: a view of this name has the changes from now on.

    \b
    foresql stream create flight_changes --on flight_features --key flight_id \
      --database warehouse.duckdb
    foresql stream create new_events --on events --key id --append-only --database warehouse.duckdb
    """
    with opened(database, wait) as connection:
        made = create_stream(
            connection,
            name,
            on=on,
            key=key,
            append_only=append_only,
            watermark=watermark,
            show_initial_rows=show_initial_rows,
            replace=replace,
        )
        if as_json:
            print_json(show_stream(connection, name))
            return
    say(f"Made the stream {made.name} on {made.table} by {', '.join(made.key)}: {made.mode}.")


@stream.command("list")
@database_option
@wait_option
@json_option
@explained
def list_(database: Path, wait: float, as_json: bool) -> None:
    r"""List the streams of a database, and say which are stale.

    \b
    foresql stream list --database warehouse.duckdb
    """
    with opened(database, wait) as connection:
        rows = list_streams(connection)
    shown = ("name", "table_name", "mode", "stale", "invalid_reason", "offset_moved_on")
    print_rows(rows, shown, as_json=as_json)


@stream.command("show")
@click.argument("name")
@database_option
@wait_option
@json_option
@explained
def show(name: str, database: Path, wait: float, as_json: bool) -> None:
    r"""Show a stream, and count the changes that it has.

    \b
    foresql stream show flight_changes --database warehouse.duckdb
    """
    with opened(database, wait) as connection:
        found = show_stream(connection, name)
    if as_json:
        print_json(found)
        return
    for what, value in found.items():
        say(f"{what}: {_text(value)}")


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {what}" for what, count in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "-" if value is None else str(value)


@stream.command("drop")
@click.argument("name")
@database_option
@wait_option
@explained
def drop(name: str, database: Path, wait: float) -> None:
    r"""Drop a stream and the rows that it keeps.

    \b
    foresql stream drop flight_changes --database warehouse.duckdb
    """
    with opened(database, wait) as connection:
        drop_stream(connection, name)
    say(f"Dropped the stream {name}.")
