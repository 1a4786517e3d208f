"""A crontab's lines."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ..errors import ScheduleError
from .asked import cron_of

if TYPE_CHECKING:
    from ..schedule import Schedule

__all__ = ["write_cron"]


def write_cron(schedule: Schedule, program: list[str]) -> str:
    """Write a schedule for ``crontab -e``.

    Parameters
    ----------
    schedule
        What to run, and when, in the machine's time zone.
    program
        The absolute command that starts foresql.

    Raises
    ------
    ScheduleError
        The schedule names a time zone: cron has none.
    """
    cron = cron_of(schedule)
    if schedule.timezone is not None:
        raise ScheduleError(
            "cron runs by the machine's time zone, and implementations differ in what else they "
            f"know.\n  What to do: write the times in that zone, without --timezone "
            f"{schedule.timezone}; or take `foresql schedule systemd`."
        )
    # cron reads % as a line's end, wherever it stands, and takes the backslash away.
    command = shlex.join(schedule.once(program, "--quiet")).replace("%", r"\%")
    return (
        f"# foresql: the schedule {schedule.name}. Add it with `crontab -e`. cron sets few\n"
        "# variables: write those that profiles.yml asks for above this line, NAME=value.\n"
        f"{cron} {command}\n"
    )
