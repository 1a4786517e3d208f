"""Run parts of a batch on several threads; what they run must not hold the interpreter's lock."""

from __future__ import annotations

import os
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
    """Call ``run`` once for each part of the rows, at the same time; one call is made here."""
    parts = max(1, min(threads, rows // _LEAST_ROWS))
    size = -(-rows // (parts * BLOCK_ROWS)) * BLOCK_ROWS
    starts = range(size, rows, size) if parts > 1 else ()
    waiting = [_pool(threads).submit(run, slice(i, min(i + size, rows))) for i in starts]
    run(slice(0, min(size, rows)))
    for part in waiting:
        part.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="foresql")


# A forked process has none of its parent's threads, so it needs pools of its own.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
