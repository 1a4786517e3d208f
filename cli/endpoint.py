"""``foresql endpoint``, and the options of ``foresql serve`` that name endpoints."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import EndpointError, ForesqlError
from ..registry import default_path
from .options import (
    EXIT_FAILED,
    Command,
    explained,
    json_option,
    print_json,
    registry_option,
    say,
    unwrapped,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..serving import Endpoints

_FOLDER = click.Path(file_okay=False, path_type=Path)
_OPTIONS = (
    click.option(
        "--dbt",
        type=_FOLDER,
        metavar="PROJECT",
        help="A dbt project that was compiled, some of whose models are endpoints.",
    ),
    click.option("--dbt-models", metavar="NAMES", help="Which of them, by commas."),
    click.option(
        "--online", metavar="LOCATION", help="Where feature views are: a folder, or redis://…"
    ),
    click.option(
        "--database",
        type=click.Path(dir_okay=False, path_type=Path),
        help="The warehouse's file, which says the types of requests' columns.",
    ),
)
_endpoints_option = click.option(
    "--endpoints", type=_FOLDER, metavar="FOLDER", help="Serve each NAME.sql in it as NAME."
)


def endpoint_options(command: Command) -> Command:
    """Give a command the options that name endpoints, as one argument ``endpoints``."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        names = ("endpoints", "dbt", "dbt_models", "online", "database")
        found = {name: options.pop(name) for name in names}
        return command(*arguments, endpoints=_read(found), **options)

    for option in (*reversed(_OPTIONS), _endpoints_option):
        run = option(run)
    return run  # type: ignore[return-value]


def _read(found: Mapping[str, Any]) -> Endpoints | None:
    names = tuple(name for name in (found["dbt_models"] or "").split(",") if name)
    if bool(names) != (found["dbt"] is not None):
        message = "--dbt PROJECT and --dbt-models NAMES go together."
        raise EndpointError(message)
    if found["endpoints"] is None and found["dbt"] is None:
        if found["online"] is not None or found["database"] is not None:
            message = "--online and --database go with --endpoints FOLDER, or with --dbt."
            raise EndpointError(message)
        return None
    try:
        from ..serving import Endpoints
    except ImportError as error:
        message = f"{error.name} is not installed: pip install 'foresql[serving]'"
        raise ForesqlError(message) from error
    return Endpoints(found["endpoints"], found["dbt"], names, found["online"], found["database"])


@click.group()
@unwrapped
def endpoint() -> None:
    r"""Scoring queries that are served by name.

    \b
    foresql endpoint check serving/ --online online --database flights.duckdb
    foresql endpoint check serving/ --json
    foresql serve --endpoints serving/ --online online --database flights.duckdb
    """


@endpoint.command("check")
@click.argument("folder", type=_FOLDER, required=False)
@registry_option
@json_option
@explained
def check(folder: Path | None, registry: str | None, as_json: bool, **options: Any) -> None:
    """Say what each endpoint is: its route, columns, models and feature views; 1 if one is refused.

    Nothing is served. FOLDER has a NAME.sql for each.
    """
    wanted = _read({**options, "endpoints": folder})
    if wanted is None:
        message = "Name the endpoints: a folder, or --dbt PROJECT --dbt-models NAMES."
        raise EndpointError(message)
    from ..serving.endpoints.opening import around_of, source_of
    from ..serving.endpoints.report import check_endpoints

    around = around_of(wanted, Path(registry) if registry else default_path())
    try:
        found = list(check_endpoints(source_of(wanted), around))
    finally:
        if around.store is not None:
            around.store.close()
    if as_json:
        print_json(found)
    else:
        for each in found:
            _print(each)
        if not found:
            say("None.")
    if any(each["problem"] for each in found):
        sys.exit(EXIT_FAILED)


for _option in reversed(_OPTIONS):
    check = _option(check)


def _print(described: Mapping[str, Any]) -> None:
    say(described["name"])
    if described["problem"]:
        say(f"  refused: {described['problem']}")
        return
    why = f": {described['why_duckdb']}" if described["why_duckdb"] else ""
    say(f"  route    {described['route']}{why}")
    say(f"  request  {described['request']}: {_listed(described['columns'])}")
    say(f"  answers  {_listed(described['outputs'])}")
    say(f"  models   {', '.join(described['models']) or 'none'}")
    for name, view in described["views"].items():
        keys = ", ".join(view["key"])
        say(f"  view     {name} by {keys}, as of {view['as_of']}; missing: {view['missing']}")


def _listed(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {type_}" for name, type_ in columns.items())
