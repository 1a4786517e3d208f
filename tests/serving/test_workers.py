"""The scoring threads: they end before the process does."""

import asyncio
import threading
from contextlib import suppress

from foresql.serving import workers


def abandoned(seconds):
    """Leave a task under way, as clients do who go; it takes so long. Give what it has done."""
    entered, may_go_on, done = threading.Event(), threading.Event(), []

    def task():
        entered.set()
        may_go_on.wait()
        done.append(True)

    async def leave(scoring):
        asked = asyncio.create_task(scoring.run(task))
        await asyncio.to_thread(entered.wait)
        asked.cancel()
        with suppress(asyncio.CancelledError):
            await asked

    scoring = workers.Workers(1, 4)
    scoring.start()
    asyncio.run(leave(scoring))
    timer = threading.Timer(seconds, may_go_on.set)
    timer.start()
    scoring.stop()
    ended = [*done]
    timer.join()
    return ended


def test_what_is_under_way_is_waited_for():
    """Else what is in DuckDB's code when Python ends would abort the process."""
    assert abandoned(0.2) == [True]


def test_what_does_not_end_is_given_up(monkeypatch):
    monkeypatch.setattr(workers, "END_SECONDS", 0.05)
    assert abandoned(2.0) == []
