"""The threads that score what would hold up the event loop, and whether they still do."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from .http import Refusal, busy

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

STALLED_SECONDS = 60.0
"""A thread that is busy with one thing for so long is not expected to come back."""

END_SECONDS = 5.0
"""How long what is under way may go on after the end was asked for."""


class Workers:
    """A fixed number of threads and one bounded queue. Belongs to one event loop."""

    def __init__(self, count: int, queued: int) -> None:
        """Prepare the threads; :meth:`start` starts them."""
        self._queued = queued
        self._tasks: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = (
            SimpleQueue()
        )
        self._threads = [_Worker(self._tasks, number) for number in range(count)]
        self.waiting = 0

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let the threads end when they are done with what was given to them, and wait for it.

        What its client left behind may be under way still, and Python aborts where it ends while a
        thread is in DuckDB's code.
        """
        for _ in self._threads:
            self._tasks.put(None)
        end = time.monotonic() + END_SECONDS
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, end - time.monotonic()))

    @property
    def problem(self) -> str | None:
        """Say why the threads cannot be relied upon, or None."""
        if not all(thread.is_alive() for thread in self._threads):
            return "a scoring thread is not running"
        if any(thread.busy_seconds() > STALLED_SECONDS for thread in self._threads):
            return "a scoring thread does not come back"
        return None

    async def run(self, task: Callable[[], Result]) -> Result:
        """Run a function in a thread, and give or raise what it does.

        Raises
        ------
        Refusal
            If too many wait already (429), or no thread is there to run it (503).
        """
        if self.waiting >= self._queued:
            raise busy("The scoring threads are busy, and their queue is full.")
        if not any(thread.is_alive() for thread in self._threads):
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "No scoring thread is running.")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.waiting += 1
        self._tasks.put((task, future))
        try:
            return await future
        finally:
            self.waiting -= 1


class _Worker(threading.Thread):
    def __init__(self, tasks: SimpleQueue[Any], number: int) -> None:
        super().__init__(name=f"foresql-scoring-{number}", daemon=True)
        self._tasks = tasks
        self._since: float | None = None

    def busy_seconds(self) -> float:
        """Tell how long the thread has been busy with what it does now."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def run(self) -> None:
        """Take tasks until there is None."""
        while (item := self._tasks.get()) is not None:
            self._since = time.monotonic()
            self._do(*item)
            self._since = None
            del item  # the rows of the last task are not kept until the next one comes

    @staticmethod
    def _do(task: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        result, error = None, None
        try:
            result = task()
        except Exception as raised:  # noqa: BLE001 - it is raised again where it is awaited
            error = raised
        with suppress(RuntimeError):  # the loop was closed in the meantime
            future.get_loop().call_soon_threadsafe(_settle, future, result, error)


def _settle(future: asyncio.Future[Any], result: object, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
