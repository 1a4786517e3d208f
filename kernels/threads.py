"""Run parts of a batch on several threads; what they run must not hold the interpreter's lock."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

from ..errors import ForesqlError

if TYPE_CHECKING:
    from collections.abc import Callable

SETTING = "FORESQL_THREADS"
"""Environment: how many threads score a large batch; one by default, as engines have their own."""

BLOCK_ROWS = 512
"""Threads get whole blocks of the native kernel, which costs as much for a part of one."""

_LEAST_ROWS = 2048
"""Fewer rows a thread are not worth handing over: that takes some 30 microseconds."""

_PARTS_EACH = 4


def thread_count(wanted: int | None) -> int:
    """Give the number of threads that is asked for, else that of the environment, else 1.

    Raises
    ------
    ForesqlError
        If it is no positive number.
    """
    text = os.environ.get(SETTING, "1") if wanted is None else str(wanted)
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        where = SETTING if wanted is None else "threads"
        message = f"{where}={text!r} is not a number of threads; give 1 or more."
        raise ForesqlError(message)
    return int(text)


def run_in_parts(run: Callable[[slice], None], rows: int, threads: int) -> None:
    """Call ``run`` once for each part of the rows, at the same time; this thread takes its share.

    There are more parts than threads, and each takes the next one when it is done: so a thread on a
    busy core does less.
    """
    workers = max(1, min(threads, rows // _LEAST_ROWS))
    parts = _parts(rows, workers)

    def work() -> None:
        while (part := _taken(parts)) is not None:
            run(part)

    waiting = [_pool(threads).submit(work) for _ in range(workers - 1)]
    work()
    for share in waiting:
        share.result()


def _taken(parts: deque[slice]) -> slice | None:
    """Take a part, or None after the last: to look first would leave time for another thread."""
    try:
        return parts.popleft()
    except IndexError:
        return None


def _parts(rows: int, workers: int) -> deque[slice]:
    """Cut rows in whole blocks; a single worker takes them as one."""
    if workers == 1:
        return deque([slice(0, rows)])
    blocks = max(_LEAST_ROWS, rows // (workers * _PARTS_EACH)) // BLOCK_ROWS
    size = blocks * BLOCK_ROWS
    return deque(slice(start, min(start + size, rows)) for start in range(0, rows, size))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="foresql")


# A forked process has none of its parent's threads, so it needs pools of its own.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
