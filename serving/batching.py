"""Micro-batching without a timer: what waits when a thread is free is scored as one batch.

The first request of a turn of the event loop asks to be called at the end of it, and takes all that
came in that turn. While a batch is scored, others wait and become the next one. So a lone request
never waits for company, and under load batches grow by themselves.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from ..kernels import Scores
from .http import busy

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..kernels import Scorer
    from .features import Features
    from .settings import Limits
    from .workers import Workers

Outcome = Scores | Exception


class _Job(NamedTuple):
    features: Features
    future: asyncio.Future[Scores]


class Batcher:
    """The queue of one model; one batch of it is under way at a time."""

    def __init__(
        self, scorer: Scorer, workers: Workers, limits: Limits, observe: Callable[[int], None]
    ) -> None:
        """Begin with an empty queue; ``observe`` is told the rows of each batch."""
        self._scorer = scorer
        self._workers = workers
        self._limits = limits
        self._observe = observe
        self._jobs: deque[_Job] = deque()
        self._running: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._jobs)

    async def score(self, features: Features) -> Scores:
        """Score rows together with those of other requests.

        Raises
        ------
        Refusal
            If the queue is full.
        ForesqlError
            If a row of this request is refused; other requests do not notice.
        """
        if len(self._jobs) >= self._limits.queued:
            raise busy("The model's queue is full.")
        job = _Job(features, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())
        return await job.future

    async def _run(self) -> None:
        """Score until nobody waits. A new task runs after what is ready in this turn."""
        try:
            while self._jobs:
                jobs = self._taken()
                outcomes: list[Outcome]
                try:
                    outcomes = await self._workers.run(lambda jobs=jobs: self._scored(jobs))
                except Exception as error:  # noqa: BLE001 - those who wait must be told
                    outcomes = [error] * len(jobs)
                for job, outcome in zip(jobs, outcomes, strict=True):
                    _settle(job.future, outcome)
        finally:
            self._running = None

    def _taken(self) -> list[_Job]:
        """Take the first job, and those after it that fit into one batch."""
        jobs = [self._jobs.popleft()]
        rows = jobs[0].features.rows
        while self._jobs and rows + self._jobs[0].features.rows <= self._limits.batch_rows:
            jobs.append(self._jobs.popleft())
            rows += jobs[-1].features.rows
        self._observe(rows)
        return jobs

    def _scored(self, jobs: list[_Job]) -> list[Outcome]:
        """Score in a thread: all as one batch, or one by one where a row is refused."""
        if len(jobs) == 1:
            return [self._alone(jobs[0])]
        try:
            batches = [job.features.batch() for job in jobs]
            scores = self._scorer.score(pa.Table.from_batches(batches))
        except Exception:  # noqa: BLE001 - whose row it was is found out job by job
            return [self._alone(job) for job in jobs]
        outcomes: list[Outcome] = []
        start = 0
        for job in jobs:
            rows = slice(start, start + job.features.rows)
            outcomes.append(
                Scores(scores.prediction[rows], scores.probabilities[rows], scores.margins[rows])
            )
            start = rows.stop
        return outcomes

    def _alone(self, job: _Job) -> Outcome:
        try:
            return self._scorer.score(job.features.batch())
        except Exception as error:  # noqa: BLE001 - it is raised again where this job is awaited
            return error


def _settle(future: asyncio.Future[Scores], outcome: Outcome) -> None:
    if future.done():
        return
    if isinstance(outcome, Scores):
        future.set_result(outcome)
    else:
        future.set_exception(outcome)
