"""One run of a project at a time.

Two locks: the process that schedules holds `run`, and dbt's own process holds `dbt`. The operating
system releases a lock when its process ends, however it ends; so where a scheduler was killed, dbt
still says that it is there until it has ended too.
"""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .errors import BusyError, ScheduleError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

__all__ = ["Holder", "hold", "wait_until_free"]

POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock."""

    schedule: str
    pid: int
    since: str
    host: str


@contextmanager
def hold(
    state: Path,
    lock: str,
    schedule: str,
    wait: float = 0,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Generator[None]:
    """Hold a lock of a project while the block runs.

    Parameters
    ----------
    state
        The project's folder for such things; made where it is missing.
    lock
        Which of its locks.
    schedule
        What the holder is called.
    wait
        Seconds to wait for another holder's end.
    is_stopped
        Asked while waiting; waiting ends when it says so.

    Raises
    ------
    BusyError
        Another process holds it; the message says which.
    """
    try:
        from filelock import FileLock, Timeout
    except ImportError as error:
        message = "filelock is not installed: pip install 'foresql[schedule]'"
        raise ScheduleError(message) from error
    make_state(state)
    held = FileLock(state / f"{lock}.lock")
    until = time.monotonic() + wait
    while True:
        try:
            held.acquire(timeout=0)
            break
        except Timeout:
            if time.monotonic() >= until or is_stopped():
                raise BusyError(describe(state, lock, wait)) from None
            time.sleep(POLL_SECONDS)
    about = state / f"{lock}.json"
    try:
        write_holder(about, schedule)
        yield
    finally:
        with suppress(OSError):
            about.unlink(missing_ok=True)
        held.release()


def wait_until_free(
    state: Path, lock: str, schedule: str, wait: float, is_stopped: Callable[[], bool]
) -> None:
    """Go on when nobody holds a lock."""
    with hold(state, lock, schedule, wait, is_stopped):
        pass


def make_state(state: Path) -> None:
    try:
        state.mkdir(exist_ok=True)
        ignore = state / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise ScheduleError(
            f"The lock and the logs of a project's runs are kept in {state}, which cannot be "
            f"written: {error.strerror}.\n  What to do: let this user write to {state.parent}."
        ) from error


def write_holder(about: Path, schedule: str) -> None:
    now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
    holder = Holder(schedule, os.getpid(), now, socket.gethostname())
    written = about.with_suffix(".new")
    written.write_text(json.dumps(asdict(holder)), encoding="utf-8")
    written.replace(about)


def read_holder(about: Path) -> Holder | None:
    """Read who holds a lock; a holder that has just begun has not written it yet."""
    try:
        return Holder(**json.loads(about.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def describe(state: Path, lock: str, wait: float) -> str:
    holder = read_holder(state / f"{lock}.json")
    who = "another process"
    if holder is not None:
        who = (
            f"the schedule {holder.schedule}, process {holder.pid} on {holder.host}, since "
            f"{holder.since}"
        )
    what = "A run is" if lock == "run" else "dbt, whose scheduler was killed, is still"
    waited = f" after {wait:g} seconds" if wait else ""
    return (
        f"{what} under way in {state.parent}{waited}: {who}.\n  What to do: nothing, if it may go "
        "on: the next run scores what is left. To wait for its end: --wait 10m. To stop it: end "
        "that process with SIGTERM, `kill PID`."
    )
