"""What a schedule runs, and when: options of all commands of ``foresql schedule``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..scheduling.cron import Cron, next_runs, parse_cron, read_timezone
from ..scheduling.schedule import Schedule, find_project, parse_seconds, project_name

if TYPE_CHECKING:
    from .options import Command

__all__ = [
    "profiles_option",
    "project_option",
    "read_schedule",
    "schedule_options",
    "target_option",
    "upcoming",
]

project_option = click.option(
    "--project",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="The dbt project's folder; this folder by default.",
)
profiles_option = click.option(
    "--profiles-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of profiles.yml, where it is not the project's or ~/.dbt.",
)
target_option = click.option("--target", help="dbt's target; the profile's own by default.")

OPTIONS = (
    project_option,
    click.option("--name", help="What the schedule is called; as the project by default."),
    click.option(
        "--select", multiple=True, help="What dbt builds, such as tag:predictions; all by default."
    ),
    click.option("--exclude", multiple=True, help="What dbt leaves out."),
    click.option("--cron", metavar="EXPRESSION", help="When: '5 * * * *' is five past every hour."),
    click.option("--timezone", metavar="ZONE", help="Of the times, such as Europe/Berlin."),
    click.option(
        "--command",
        "dbt_command",
        type=click.Choice(["build", "run"]),
        default="build",
        show_default=True,
        help="dbt's command.",
    ),
    target_option,
    profiles_option,
    click.option(
        "--retries",
        type=click.IntRange(0, 100),
        default=0,
        show_default=True,
        help="How often a failed run is tried again, where that can help.",
    ),
    click.option(
        "--retry-delay", default="1m", show_default=True, help="How long to wait before that."
    ),
    click.option("--timeout", help="How long one attempt may take, such as 2h."),
    click.option("--wait", help="How long to wait for another run's end, such as 10m."),
    click.option(
        "--then",
        multiple=True,
        metavar="COMMAND",
        help="Runs after success, in the project's folder; no shell reads it.",
    ),
    click.argument("dbt_options", nargs=-1, type=click.UNPROCESSED),
)


def schedule_options(command: Command) -> Command:
    """Add the options that say what a schedule runs, and when."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def read_schedule(asked: dict[str, Any]) -> Schedule:
    """Make the schedule that was asked for, and check what it says."""
    project = find_project(asked["project"])
    cron: Cron | None = None if asked["cron"] is None else parse_cron(asked["cron"])
    zone = None if asked["timezone"] is None else read_timezone(asked["timezone"])
    if cron is not None:
        next_runs(cron, zone, 1)
    profiles: Path | None = asked["profiles_dir"]
    return Schedule(
        project=project,
        name=asked["name"] or project_name(project),
        cron=cron,
        timezone=asked["timezone"],
        command=asked["dbt_command"],
        select=asked["select"],
        exclude=asked["exclude"],
        target=asked["target"],
        profiles=None if profiles is None else profiles.resolve(),
        dbt_options=asked["dbt_options"],
        retries=asked["retries"],
        retry_seconds=parse_seconds(asked["retry_delay"]),
        timeout=None if asked["timeout"] is None else parse_seconds(asked["timeout"]),
        wait=0 if asked["wait"] is None else parse_seconds(asked["wait"]),
        then=asked["then"],
    )


def upcoming(schedule: Schedule) -> list[str]:
    """Say when a schedule runs next."""
    if schedule.cron is None:
        return []
    zone = None if schedule.timezone is None else read_timezone(schedule.timezone)
    return [time.isoformat(sep=" ", timespec="minutes") for time in next_runs(schedule.cron, zone)]
