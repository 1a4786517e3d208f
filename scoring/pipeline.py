"""Run work on several threads, and give its results in the order of the input."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from concurrent.futures import Future

Part = TypeVar("Part")
Result = TypeVar("Result")

_AHEAD = 2
"""So many parts wait beside those that are worked on: memory does not grow with the input."""


def cores() -> int:
    """Count the cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def in_order(
    parts: Iterator[Part], work: Callable[[Part], list[Result]], threads: int
) -> Generator[Result]:
    """Work on the parts, and give their results one by one.

    The parts are drawn by the caller's thread, a few ahead. An error is raised where its part's
    results would stand; work that has not begun is then dropped.
    """
    waiting: deque[Future[list[Result]]] = deque()
    with ThreadPoolExecutor(threads, "foresql") as pool:
        try:
            for part in parts:
                waiting.append(pool.submit(work, part))
                if len(waiting) >= threads + _AHEAD:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
