"""What the commands share that work in a DuckDB file."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from ..streams import open_to_write
from ..streams.opening import WAIT
from .options import OUTPUT, print_json, say

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    import duckdb

database_option = click.option(
    "--database",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The DuckDB file.",
)
wait_option = click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=WAIT,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait while another process has the file open.",
)


@contextmanager
def opened(database: Path, wait: float) -> Generator[duckdb.DuckDBPyConnection]:
    """Open a file for one command."""
    with open_to_write(database, wait=wait) as connection:
        yield connection


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print rows as a table of some columns, or all of them as JSON."""
    if as_json:
        print_json(list(rows))
        return
    if not rows:
        say("None.")
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*(Text("" if row[name] is None else str(row[name])) for name in columns))
    OUTPUT.print(table)
