"""The last screen: the figures of the run, and what to try next."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from .workspace import Workspace

__all__ = ["print_figures", "print_next_commands"]

QUERY = """\
SELECT f.dest, avg(predict_proba_delay(f)) AS late FROM flight_features f \
GROUP BY ALL ORDER BY late DESC LIMIT 10"""

NEXT_COMMANDS = {
    "Ask the model": f'foresql sql "{QUERY}" --database {{database}} --registry {{registry}}',
    "See what is published": "foresql models --registry {registry}",
    "Score a file": (
        "foresql score delay@champion {features} {folder}/scored.parquet --registry {registry}"
    ),
    "See it as a page": (
        "foresql report delay@champion --database {database} --registry {registry} "
        "--into {folder}/report.html"
    ),
}


def print_figures(console: Console, figures: dict[str, Any]) -> None:
    """Print the figures as one small table."""
    table = Table(title="Figures", title_justify="left", show_header=False, box=box.SIMPLE)
    table.add_column(style="dim")
    table.add_column()
    scoring = figures["scoring"]
    table.add_row(
        "scored by dbt",
        f"{scoring['rows']:,} flights in {scoring['seconds']:.1f} s, "
        f"{scoring['rows_per_second']:,} a second",
    )
    table.add_row("scored by dbt again", f"{scoring['rows_second_build']:,} flights")
    for model in figures["models"]:
        table.add_row(
            f"{model['alias']}, {model['kind']}",
            f"{model['reference']}, AUC {model['auc']:.4f}\n"
            f"certified on {model['certificate_rows']:,} rows, "
            f"largest difference {model['largest_difference']:g}",
        )
    table.add_row("whole demo", f"{figures['seconds']:.0f} s")
    console.print(table)


def print_next_commands(console: Console, workspace: Workspace) -> None:
    """Print commands that work as they are in the current folder."""
    paths = {
        "database": shorten(workspace.database),
        "features": shorten(workspace.features),
        "folder": shorten(workspace.folder),
        "registry": shorten(workspace.registry),
    }
    console.print(f"\nAll of it is in [bold]{paths['folder']}[/]. Next:")
    print_commands(console, NEXT_COMMANDS, paths)


def print_commands(
    console: Console, commands: Mapping[str, str], values: Mapping[str, object]
) -> None:
    """Print commands by their titles, with values in their places; an empty title is not shown."""
    for title, command in commands.items():
        if title:
            console.print(f"\n[dim]# {title}[/]")
        line = command.format(**values).replace("foresql", program(), 1)
        # Not wrapped: a line that is copied must still be one command.
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def program() -> str:
    """Name the command as it can be typed: by its path where it is not on the PATH."""
    called = Path(sys.argv[0])
    if called.name == "foresql" and shutil.which("foresql") is None:
        return shorten(called.absolute())
    return "foresql"


def shorten(path: Path) -> str:
    """Give the path from the current folder where it lies below it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
