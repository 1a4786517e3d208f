"""``foresql doctor``: what can only be known in an account, tried there."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from ..deploy.snowflake.doctor import (
    CHECKS,
    MINUTES,
    Outcome,
    Report,
    Violation,
    chosen,
    examine,
    warehouse_of,
)
from ..errors import ForesqlError
from ..udfs.snowflake.names import stored_name
from .accounts import ENGINES, Location, account_options
from .options import EXIT_FAILED, SCREEN, explained, json_option, print_json, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..deploy.snowflake.doctor import Check, Result
    from ..deploy.snowflake.session import Session

_STYLES = {Outcome.PASSED: "green", Outcome.FAILED: "bold red", Outcome.NOT_TRIED: "yellow"}


@click.command()
@click.argument("engine", type=ENGINES)
@click.option("--only", multiple=True, metavar="CHECK", help="A check, with those it builds on.")
@click.option(
    "--scratch-in",
    metavar="DATABASE",
    help="Where the scratch schema is made; by default in the database.",
)
@click.option("--yes", is_flag=True, help="Do not ask before it begins.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report to a file, as Markdown.",
)
@account_options
@json_option
@explained
def doctor(
    engine: str,  # noqa: ARG001 - there is one engine
    only: tuple[str, ...],
    scratch_in: str | None,
    yes: bool,
    output: Path | None,
    location: Location,
    as_json: bool,
) -> None:
    r"""Try in an account what cannot be known without one.

    Everything happens in a schema of its own, which is dropped again. What the role may not do is
    reported as not tried, never as passed. The exit code is 1 when a check fails.

    \b
    foresql doctor snowflake
    foresql doctor snowflake --connection work --role FORESQL_DEPLOYER -o report.md
    foresql doctor snowflake --only exp --only ln --json
    """
    checks = chosen(only)
    settings = location.settings
    place = settings.database if scratch_in is None else stored_name(scratch_in)
    # The role whose rights are tried is the connection's, unless one is named.
    given = settings.deployer if location.role is not None else None
    open_session = partial(location.connect, settings, given)
    session = open_session()
    try:
        _ask(session, checks, place, yes=yes)
        report = examine(
            session, settings, database=place, checks=checks, connect=open_session, watch=_show
        )
    finally:
        session.close()
    _publish(report, output, as_json=as_json)
    if report.failed:
        sys.exit(EXIT_FAILED)


def _ask(session: Session, checks: Sequence[Check], database: str, *, yes: bool) -> None:
    """Say what it costs, and ask where somebody sits there."""
    minutes = MINUTES if len(checks) == len(CHECKS) else 1
    try:
        warehouse = f"the warehouse {warehouse_of(session)}"
    except Violation as problem:
        warehouse = f"a warehouse, though {problem},"
    SCREEN.print(
        f"{len(checks)} checks run in a scratch schema of {database}, which is dropped again. "
        f"They take {warehouse} about {minutes} min; the smallest size is enough.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    if not yes and sys.stdin.isatty():
        click.confirm("Go on?", abort=True, err=True)


def _show(result: Result) -> None:
    line = Text(f"{result.outcome:9} ", style=_STYLES[result.outcome])
    line.append(f"{result.check.name}: {result.found}", style="default")
    SCREEN.print(line, soft_wrap=True)


def _publish(report: Report, output: Path | None, *, as_json: bool) -> None:
    if output is not None:
        try:
            output.write_text(report.markdown(), "utf-8")
        except OSError as error:
            message = f"{output} cannot be written: {error.strerror}."
            raise ForesqlError(message) from error
    if as_json:
        print_json(report.plain())
    elif output is None:
        click.echo(report.markdown(), nl=False)
    else:
        say(f"{report.summary}. The report is in {output}.")
