"""One thread that looks at the registry and at the keys now and then, off the request path."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Watcher(threading.Thread):
    """Calls each function, waits, and begins again. The functions handle their own errors."""

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
                look()

    def stop(self) -> None:
        """End after the look that is under way."""
        self._end.set()
