"""A child process whose lines are read, which can be stopped, and which may take only so long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import ScheduleError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = ["DBT", "Ended", "run_process"]

# Of this Python, wherever a shell would find another dbt.
DBT = (sys.executable, "-c", "from dbt.cli.main import cli; cli()")

GRACE_SECONDS = 30
POLL_SECONDS = 0.1
KEPT_LINES = 400
IS_POSIX = os.name == "posix"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child process ended."""

    code: int
    lines: tuple[str, ...]
    """The last lines that it printed."""
    timed_out: bool


def run_process(  # noqa: PLR0913 - the first two say what, the others how
    command: Sequence[str],
    folder: Path,
    *,
    environment: Mapping[str, str],
    echo: Callable[[str], None],
    stop: threading.Event,
    timeout: float | None = None,
) -> Ended:
    """Run a command to its end.

    Parameters
    ----------
    command
        A list of arguments; no shell reads it.
    folder
        Where it runs.
    environment
        All its variables.
    echo
        Given each line that it prints.
    stop
        When it is set, the command is interrupted as by Ctrl-C, and waited for.
    timeout
        Seconds, after which it is interrupted.

    Raises
    ------
    ScheduleError
        The command cannot be started.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - a list of arguments, given by the user
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # A group of its own: Ctrl-C reaches it once, from here.
            start_new_session=True,
        )
    except OSError as error:
        raise ScheduleError(f"{command[0]} cannot be started: {error.strerror}.") from error
    lines: deque[str] = deque(maxlen=KEPT_LINES)
    reader = threading.Thread(target=read_lines, args=(process, lines, echo), daemon=True)
    reader.start()
    try:
        timed_out = wait_for(process, stop, timeout)
    finally:
        end(process)
        reader.join(GRACE_SECONDS)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
    return Ended(process.returncode, tuple(lines), timed_out)


def read_lines(
    process: subprocess.Popen[str], lines: deque[str], echo: Callable[[str], None]
) -> None:
    for line in process.stdout or ():
        lines.append(line.rstrip("\n"))
        echo(lines[-1])


def wait_for(process: subprocess.Popen[str], stop: threading.Event, timeout: float | None) -> bool:
    """Wait for the end, or for what makes it end; say whether it was the time."""
    until = None if timeout is None else time.monotonic() + timeout
    while process.poll() is None:
        if stop.wait(POLL_SECONDS):
            return False
        if until is not None and time.monotonic() >= until:
            return True
    return False


def end(process: subprocess.Popen[str]) -> None:
    """Interrupt a process that still runs, so that it can cancel its queries; then kill it."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT if IS_POSIX else signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    if process.poll() is None:
        with suppress(ProcessLookupError):
            if sys.platform == "win32":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
