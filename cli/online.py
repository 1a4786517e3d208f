"""``foresql online``: snapshots of feature views."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from ..online import complete_rows, find_view, open_online, parse_key
from .options import (
    EXIT_FAILED,
    OUTPUT,
    explained,
    json_option,
    print_json,
    say,
    unwrapped,
)

if TYPE_CHECKING:
    from ..online import OnlineStore


@click.group()
@unwrapped
def online() -> None:
    r"""Look at the snapshots that foresql materialize writes. All commands take --json.

    \b
    foresql online show online/
    foresql online get online/ carrier_stats AA
    """


@online.command("show")
@click.argument("location", metavar="FOLDER|URL")
@json_option
@explained
def show(location: str, as_json: bool) -> None:
    r"""List the snapshots of a folder or a Redis server, with their age, and check them.

    Ends with code 1 where one cannot be read.

    \b
    foresql online show online/
    foresql online show redis://cache:6379/0 --json
    """
    with open_online(location) as store:
        problems = dict(store.problems)
        if as_json:
            print_json({"views": _described(store), "problems": problems})
        else:
            _print(store, problems)
    if problems:
        sys.exit(EXIT_FAILED)


@online.command("get")
@click.argument("location", metavar="FOLDER|URL")
@click.argument("view")
@click.argument("key", nargs=-1, required=True)
@json_option
@explained
def get(location: str, view: str, key: tuple[str, ...], as_json: bool) -> None:
    r"""Look one entity up: KEY has a value for each of the view's key columns, in their order.

    \b
    foresql online get online/ carrier_stats AA
    foresql online get online/ route_stats JFK LAX --json
    """
    with open_online(location) as store:
        found = find_view(store, view)
        [row] = complete_rows(found, [parse_key(found.view, key)])
        values = dict(zip(found.view.columns, row, strict=True))
        as_of = found.view.as_of
    if as_json:
        print_json({"as_of": as_of, "row": values})
        return
    table = Table("column", "value")
    for name, value in values.items():
        table.add_row(Text(name), Text("NULL" if value is None else str(value)))
    OUTPUT.print(table)


def _described(store: OnlineStore) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    return [
        {
            "view": name,
            "rows": online.rows,
            "as_of": online.view.as_of,
            "age_seconds": round((now - online.view.as_of).total_seconds(), 1),
            "keys": online.view.keys,
            "columns": dict(online.view.columns),
            "missing": online.view.missing.kind,
        }
        for name, online in store.views.items()
    ]


def _print(store: OnlineStore, problems: dict[str, str]) -> None:
    table = Table("view", "rows", "age", "as of (UTC)", "key", "missing")
    for each in _described(store):
        cells = (
            each["view"],
            f"{each['rows']:,}",
            _age(each["age_seconds"]),
            f"{each['as_of']:%Y-%m-%d %H:%M:%S}",
            ", ".join(each["keys"]),
            each["missing"],
        )
        table.add_row(*map(Text, cells))
    if table.row_count:
        OUTPUT.print(table)
    elif not problems:
        say(f"There is no snapshot in {store.location}.")
    for problem in problems.values():
        click.echo(f"Problem: {problem}", err=True)


def _age(seconds: float) -> str:
    """Say an age in its largest unit."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"
