"""A service and its timer for systemd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .asked import cron_of

if TYPE_CHECKING:
    from ..schedule import Schedule

__all__ = ["write_systemd"]

SERVICE = """\
# foresql: the schedule {name}. For a user: ~/.config/systemd/user/{unit}.service, then
#   systemctl --user daemon-reload && systemctl --user enable --now {unit}.timer
#   loginctl enable-linger    (so that it runs while nobody is logged in)
[Unit]
Description={description}

[Service]
Type=oneshot
# The variables that profiles.yml asks for, NAME=value in lines; only the owner may read the file.
EnvironmentFile=-%h/.config/foresql/{name}.env
ExecStart={command}
# 75: another run is under way. 143: it was stopped, and ended dbt.
SuccessExitStatus=75 143
# foresql alone is told to stop: it interrupts dbt and waits for it.
KillMode=mixed
TimeoutStopSec=120
"""
TIMER = """\
# foresql: the time of the schedule {name}, beside {unit}.service.
[Unit]
Description={description}

[Timer]
OnCalendar={calendar}
AccuracySec=1s
# A time that passed while the machine was off is made up for by one run.
Persistent=true

[Install]
WantedBy=timers.target
"""


def write_systemd(schedule: Schedule, program: list[str]) -> dict[str, str]:
    """Write a schedule for systemd: the text of each file, by name.

    Parameters
    ----------
    schedule
        What to run, and when.
    program
        The absolute command that starts foresql.
    """
    unit = f"foresql-{schedule.name}"
    words = {
        "name": schedule.name,
        "unit": unit,
        "description": f"foresql schedule {schedule.name}",
        "command": " ".join(map(quote, schedule.once(program))),
        "calendar": cron_of(schedule).calendar(schedule.timezone),
    }
    return {f"{unit}.service": SERVICE.format(**words), f"{unit}.timer": TIMER.format(**words)}


def quote(word: str) -> str:
    """Write an argument for ExecStart: % begins a specifier there, and $ a variable."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
