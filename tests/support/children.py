"""Processes that tests start, and that none waits for without an end."""

import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

PATIENCE = 180.0
"""For how many seconds a test waits for a process."""


@contextmanager
def deadline(process: subprocess.Popen) -> Generator[None]:
    """Kill a process that is waited for too long: who reads from it, or waits for it, goes on."""
    timer = threading.Timer(PATIENCE, process.kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def child(command: Any, **options: Any) -> Generator[subprocess.Popen]:
    """Start a process as ``Popen`` does, and kill it when the block fails, or takes too long."""
    process = subprocess.Popen(command, **options)
    with deadline(process), process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
