"""The process that runs a schedule when its time comes."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .cron import read_timezone
from .errors import ScheduleError
from .logs import LOG
from .run import ExitCode, run_schedule

if TYPE_CHECKING:
    from apscheduler.triggers.base import BaseTrigger

    from .schedule import Schedule

__all__ = ["keep_running"]


def keep_running(
    schedule: Schedule, stop: threading.Event, trigger: BaseTrigger | None = None
) -> ExitCode:
    """Run a schedule each time, until the process is told to stop.

    A time that comes while a run is under way is left out; times that were missed, as while the
    machine slept, are made up for by one run.

    Parameters
    ----------
    schedule
        What to run, and when.
    stop
        When it is set, a run under way is interrupted and waited for.
    trigger
        When to run, in place of the schedule's cron expression.

    Raises
    ------
    ScheduleError
        The schedule says nothing of when.
    """
    from apscheduler.events import (
        EVENT_JOB_MAX_INSTANCES,
        EVENT_JOB_MISSED,
        EVENT_SCHEDULER_STARTED,
    )
    from apscheduler.schedulers.blocking import BlockingScheduler

    if trigger is None:
        if schedule.cron is None:
            message = "Without --cron there is no time to run at: name one, or run --once."
            raise ScheduleError(message)
        zone = None if schedule.timezone is None else read_timezone(schedule.timezone)
        trigger = schedule.cron.trigger(zone)
    scheduler = BlockingScheduler(timezone=getattr(trigger, "timezone", None))

    def run() -> None:
        try:
            code = run_schedule(schedule, stop)
        except Exception:  # noqa: BLE001 - logged; the process goes on, the next time may go well
            LOG.exception("%s: failed", schedule.name)
            code = ExitCode.FAILED
        told = {ExitCode.DONE: "done", ExitCode.BUSY: "left out"}.get(code, "failed")
        time = trigger.get_next_fire_time(None, datetime.now(UTC))
        if time is not None and not stop.is_set():
            LOG.info("%s: %s; next run %s", schedule.name, told, say_time(time))

    def tell_skipped(_event: Any) -> None:
        LOG.warning("%s: its time came while it still ran: left out", schedule.name)

    scheduler.add_listener(tell_skipped, EVENT_JOB_MAX_INSTANCES | EVENT_JOB_MISSED)
    scheduler.add_job(
        run, trigger, id=schedule.name, coalesce=True, max_instances=1, misfire_grace_time=None
    )
    stopper = threading.Thread(target=shut_down, args=(scheduler, stop), daemon=True)
    # What has not started cannot be shut down, and a signal may have come already.
    scheduler.add_listener(lambda _event: stopper.start(), EVENT_SCHEDULER_STARTED)
    LOG.info("%s: waiting in process %d", schedule.name, os.getpid())
    scheduler.start()
    return ExitCode.TERMINATED


def shut_down(scheduler: Any, stop: threading.Event) -> None:
    """Wait for the signal, then for the run that it interrupts, then let the process end."""
    stop.wait()
    scheduler.shutdown(wait=True)


def say_time(time: datetime) -> str:
    return time.isoformat(sep=" ", timespec="seconds")
