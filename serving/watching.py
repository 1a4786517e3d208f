"""Threads that look at the registry, the keys and more now and then, off the request path."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


PATIENCE = 5.0
"""Seconds that a look may go on after the end was asked for."""

_LOG = logging.getLogger("foresql.serving")


def stamp(path: Path) -> tuple[int, int, int]:
    """Give what differs where a file has changed; zeros where there is none."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0, 0
    return status.st_mtime_ns, status.st_size, status.st_ino


class Watcher(threading.Thread):
    """Calls each function, waits, and begins again.

    The functions handle the errors that they know; any other one ends that look, not the thread,
    without which moved aliases and withdrawn keys would be seen no more.
    """

    def __init__(self, seconds: float, *looks: Callable[[], None]) -> None:
        """Prepare the thread."""
        super().__init__(name="foresql-watching", daemon=True)
        self._seconds = seconds
        self._looks = looks
        self._end = threading.Event()

    def run(self) -> None:
        """Look until :meth:`stop`."""
        while not self._end.wait(self._seconds):
            for look in self._looks:
                try:
                    look()
                except Exception:  # noqa: BLE001 - the thread goes on, and the log has the reason
                    _LOG.exception(
                        "A look at the registry, the keys, the endpoints or the logs failed."
                    )

    def stop(self) -> None:
        """End, and wait for the look that is under way.

        Python aborts where it ends while a thread is in DuckDB's code.
        """
        self._end.set()
        if self.is_alive():
            self.join(PATIENCE)
