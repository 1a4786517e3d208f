"""One run of a schedule: the lock, dbt, further attempts, and what follows."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from .dbt_process import run_process
from .errors import BusyError
from .failures import Failure, explain
from .locks import hold, wait_until_free
from .logs import LOG, log_to_file
from .schedule import foresql_command, split_command

if TYPE_CHECKING:
    import threading

    from .dbt_process import Ended
    from .schedule import Schedule

__all__ = ["ExitCode", "run_schedule"]

CHILD = Path(__file__).with_name("dbt_child.py")


class ExitCode(IntEnum):
    """How a run ended."""

    DONE = 0
    FAILED = 1
    BUSY = 75
    """EX_TEMPFAIL of sysexits.h: try again later."""
    TIMED_OUT = 124
    """As of timeout(1)."""
    TERMINATED = 143


def run_schedule(schedule: Schedule, stop: threading.Event) -> ExitCode:
    """Run a schedule once, under the project's lock.

    Parameters
    ----------
    schedule
        What to run.
    stop
        When it is set, dbt is interrupted and waited for.
    """
    until = monotonic() + schedule.wait
    try:
        with hold(schedule.state, "run", schedule.name, schedule.wait, stop.is_set):
            left = max(until - monotonic(), 0)
            wait_until_free(schedule.state, "dbt", schedule.name, left, stop.is_set)
            with log_to_file(schedule):
                return run_attempts(schedule, stop)
    except BusyError as error:
        if stop.is_set():
            return ExitCode.TERMINATED
        LOG.warning("%s: %s", schedule.name, error)
        return ExitCode.BUSY


def run_attempts(schedule: Schedule, stop: threading.Event) -> ExitCode:
    """Run dbt until it succeeds, cannot, or has been tried often enough.

    The same command runs again, and not `dbt retry`: that one needs the results of a run that got
    as far as its models, and takes its inputs as they were. What was scored is not scored again.
    """
    attempts = schedule.retries + 1
    for attempt in range(1, attempts + 1):
        LOG.info(
            "%s: dbt %s, attempt %d of %d",
            schedule.name,
            " ".join(schedule.dbt_arguments()[:3]),
            attempt,
            attempts,
        )
        began, started = datetime.now(UTC), monotonic()
        ended = run_dbt(schedule, attempt, stop)
        seconds = monotonic() - started
        if ended.code == 0:
            LOG.info("%s: done in %.1f s", schedule.name, seconds)
            return run_followers(schedule, stop)
        if stop.is_set():
            LOG.warning("%s: stopped after %.1f s; dbt was interrupted", schedule.name, seconds)
            return ExitCode.TERMINATED
        failure = explain(ended, schedule.project, began)
        tell(schedule, failure, attempt, attempts)
        if failure.is_final or attempt == attempts:
            return ExitCode.TIMED_OUT if ended.timed_out else ExitCode.FAILED
        if stop.wait(schedule.retry_seconds):
            return ExitCode.TERMINATED
    raise AssertionError(attempts)


def tell(schedule: Schedule, failure: Failure, attempt: int, attempts: int) -> None:
    if failure.is_final and attempt < attempts:
        then = "Trying again cannot help."
    elif attempt < attempts:
        then = f"Trying again in {schedule.retry_seconds:g} s."
    else:
        then = "It is not tried again."
    LOG.error("%s: failed. %s\n%s", schedule.name, failure.message, then)


def run_dbt(schedule: Schedule, attempt: int, stop: threading.Event) -> Ended:
    child = [sys.executable, "-P", str(CHILD)]
    return run_process(
        [*child, str(schedule.state), schedule.name, *schedule.dbt_arguments()],
        schedule.project,
        environment=environment(schedule) | {"FORESQL_ATTEMPT": str(attempt)},
        echo=lambda line: LOG.info("| %s", line),
        stop=stop,
        timeout=schedule.timeout,
    )


def environment(schedule: Schedule) -> dict[str, str]:
    """Give dbt what this process has, and whose run it is: the run log asks for it."""
    return os.environ | {"FORESQL_SCHEDULE": schedule.name, "PYTHONUNBUFFERED": "1"}


def run_followers(schedule: Schedule, stop: threading.Event) -> ExitCode:
    """Run the commands that follow success; none runs after one that failed."""
    for text in schedule.then:
        words = split_command(text)
        if words[0] == "foresql":
            words[:1] = foresql_command()
        LOG.info("%s: then %s", schedule.name, Path(words[0]).name)
        ended = run_process(
            words,
            schedule.project,
            environment=environment(schedule),
            echo=lambda line: LOG.info("| %s", line),
            stop=stop,
            timeout=schedule.timeout,
        )
        if ended.code != 0:
            if stop.is_set():
                return ExitCode.TERMINATED
            LOG.error(
                "%s: dbt succeeded, and what follows failed with the exit code %d: %s",
                schedule.name,
                ended.code,
                Path(words[0]).name,
            )
            return ExitCode.TIMED_OUT if ended.timed_out else ExitCode.FAILED
    return ExitCode.DONE
