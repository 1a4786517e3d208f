"""``foresql schedule run``."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import click

from ..errors import ForesqlError
from .options import explained
from .schedule_options import read_schedule, schedule_options, upcoming
from .terminating import stopping

if TYPE_CHECKING:
    from ..scheduling.run import ExitCode
    from ..scheduling.schedule import Schedule

__all__ = ["run"]


@click.command("run")
@schedule_options
@click.option("--once", is_flag=True, help="Run now, and end.")
@click.option("--quiet", is_flag=True, help="Print only what went wrong, to stderr.")
@explained
def run(*, once: bool, quiet: bool, **asked: Any) -> None:
    r"""Run a dbt project when its time comes, until the process is told to stop.

    Options of dbt itself follow after --.

    With --once the exit code is 0 done, 1 failed, 75 another run is under way, 124 timed out, 143
    terminated. Files of other schedulers call it so.

    \b
    foresql schedule run --select tag:predictions --cron "5 * * * *"
    foresql schedule run --once --select tag:predictions --retries 3 --retry-delay 2m
    foresql schedule run --once --wait 10m --then "foresql publish-serving …" -- --full-refresh
    """
    schedule = read_schedule(asked)
    if not once and schedule.cron is None:
        message = "Say when it runs, --cron '5 * * * *', or --once."
        raise click.UsageError(message)
    sys.exit(start(schedule, once=once, quiet=quiet))


def start(schedule: Schedule, *, once: bool, quiet: bool) -> ExitCode:
    try:
        from ..scheduling.clock import keep_running
        from ..scheduling.logs import LOG, log_to_screen
        from ..scheduling.run import run_schedule
    except ImportError as error:
        message = f"{error.name} is not installed: pip install 'foresql[schedule]'"
        raise ForesqlError(message) from error

    stop = threading.Event()
    with log_to_screen(quiet=quiet), stopping(stop):
        if once:
            return run_schedule(schedule, stop)
        for time in upcoming(schedule):
            LOG.info("%s: next run %s", schedule.name, time)
        return keep_running(schedule, stop)
