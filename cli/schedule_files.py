"""``foresql schedule cron|systemd|github|airflow|dagster``: files for other schedulers."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..scheduling.files import (
    write_airflow,
    write_cron,
    write_dagster,
    write_file,
    write_github,
    write_systemd,
)
from ..scheduling.schedule import foresql_command
from .options import SCREEN, explained, json_option, print_json, say
from .schedule_options import read_schedule, schedule_options, upcoming

if TYPE_CHECKING:
    from ..scheduling.schedule import Schedule
    from .options import Command

__all__ = ["airflow", "cron", "dagster", "github", "systemd"]

into_option = click.option(
    "--into",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file; the screen by default.",
)
overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Replace a file that this command did not write."
)


def file_options(command: Command) -> Command:
    """Add the options of a command that writes one file."""
    return schedule_options(into_option(overwrite_option(json_option(explained(command)))))


@click.command("cron")
@file_options
def cron(*, into: Path | None, overwrite: bool, as_json: bool, **asked: Any) -> None:
    r"""Write a line for `crontab -e`.

    \b
    foresql schedule cron --project dbt_project --select tag:predictions --cron "5 * * * *"
    """
    schedule = read_timed(asked)
    deliver(schedule, write_cron(schedule, foresql_command()), into, overwrite, as_json)


@click.command("systemd")
@schedule_options
@click.option(
    "--into",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="The folder of both files; the screen by default.",
)
@overwrite_option
@json_option
@explained
def systemd(*, into: Path | None, overwrite: bool, as_json: bool, **asked: Any) -> None:
    r"""Write a service and its timer for systemd.

    \b
    foresql schedule systemd --cron "5 * * * *" --into ~/.config/systemd/user
    """
    schedule = read_timed(asked)
    files = write_systemd(schedule, foresql_command())
    if into is not None:
        for name, text in files.items():
            write_file(into / name, text, overwrite=overwrite)
    if as_json:
        print_json({"files": files, "into": into and str(into), "next_runs": upcoming(schedule)})
        return
    if into is None:
        for text in files.values():
            click.echo(text)
    else:
        say(f"Wrote {', '.join(str(into / name) for name in files)}.")
    tell_upcoming(schedule)


@click.command("github")
@file_options
def github(*, into: Path | None, overwrite: bool, as_json: bool, **asked: Any) -> None:
    r"""Write a workflow for GitHub Actions.

    \b
    foresql schedule github --cron "5 6 * * *" --into .github/workflows/predictions.yml
    """
    schedule = read_timed(asked, "UTC")
    deliver(schedule, write_github(schedule, version("foresql")), into, overwrite, as_json)


@click.command("airflow")
@file_options
def airflow(*, into: Path | None, overwrite: bool, as_json: bool, **asked: Any) -> None:
    r"""Write a DAG for Airflow 3.

    \b
    foresql schedule airflow --cron "5 6 * * *" --into dags/predictions.py
    """
    schedule = read_timed(asked, "UTC")
    deliver(schedule, write_airflow(schedule, foresql_command()), into, overwrite, as_json)


@click.command("dagster")
@file_options
def dagster(*, into: Path | None, overwrite: bool, as_json: bool, **asked: Any) -> None:
    r"""Write definitions for Dagster.

    \b
    foresql schedule dagster --cron "5 6 * * *" --into definitions.py
    """
    schedule = read_timed(asked, "UTC")
    deliver(schedule, write_dagster(schedule, foresql_command()), into, overwrite, as_json)


def read_timed(asked: dict[str, Any], timezone: str | None = None) -> Schedule:
    """Read a schedule whose time others watch; `timezone` is theirs, where it names none."""
    if asked["cron"] is None:
        message = "Missing option '--cron'."
        raise click.UsageError(message)
    return read_schedule(asked | {"timezone": asked["timezone"] or timezone})


def deliver(
    schedule: Schedule, text: str, into: Path | None, overwrite: bool, as_json: bool
) -> None:
    """Write the file, or print it."""
    if into is not None:
        write_file(into, text, overwrite=overwrite)
    if as_json:
        print_json({"text": text, "into": into and str(into), "next_runs": upcoming(schedule)})
        return
    if into is None:
        click.echo(text, nl=False)
    else:
        say(f"Wrote {into}.")
    tell_upcoming(schedule)


def tell_upcoming(schedule: Schedule) -> None:
    """Say when it runs next, beside the file: on stderr."""
    SCREEN.print(f"Next runs: {', '.join(upcoming(schedule))}", highlight=False, soft_wrap=True)
