"""The thread in which a version answers rows that another one has answered already."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from ...kernels import Scores
from ..bounded_queue import BoundedQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..answers import Answers
    from ..features import Features
    from ..models import ServedModel

QUEUED_ROWS = 50_000
QUEUED_BYTES = 64 * 2**20
LOOK_SECONDS = 0.05
_BATCH_ROWS = 1_024
_LOG = logging.getLogger("foresql.serving")


class Job(NamedTuple):
    """Rows of a request, as the shadow reads them."""

    request_id: str
    served: ServedModel
    places: Sequence[int]
    keys: Sequence[str | None]
    features: Features
    weight: int

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.places)


class Shadow:
    """Scores behind the requests. What it does not get to is dropped, and counted."""

    def __init__(self, answered: Callable[[Job, Answers], None]) -> None:
        """Begin with nothing; ``answered`` is told in the thread what came of each job."""
        self.queue: BoundedQueue[Job] = BoundedQueue(QUEUED_ROWS, QUEUED_BYTES)
        self.answered_rows: dict[tuple[str, int], int] = {}
        self.failed_rows: dict[tuple[str, int], int] = {}
        self._answered = answered
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="foresql-shadow", daemon=True)
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Score what is queued, as far as some seconds reach."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(seconds)
            self._thread = None

    def _run(self) -> None:
        while not self._end.wait(LOOK_SECONDS):
            self._score_queued()
        self._score_queued()

    def _score_queued(self) -> None:
        while jobs := self.queue.take(_BATCH_ROWS):
            by_version: dict[str, list[Job]] = {}
            for job in jobs:
                by_version.setdefault(job.served.reference, []).append(job)
            try:
                for mine in by_version.values():
                    self._score(mine)
            finally:
                self.queue.release(jobs)

    def _score(self, jobs: list[Job]) -> None:
        """Score jobs of one version as one batch, or one by one where a row is refused."""
        served = jobs[0].served
        try:
            batches = [job.features.batch() for job in jobs]
            scores = served.scorer.score(pa.Table.from_batches(batches))
        except Exception as error:  # noqa: BLE001 - whatever a shadow does, the others go on
            if len(jobs) > 1:
                for job in jobs:
                    self._score([job])
            else:
                self._fail(jobs[0], error)
            return
        start = 0
        for job in jobs:
            rows = slice(start, start + job.rows)
            start = rows.stop
            own = Scores(scores.prediction[rows], scores.probabilities[rows], scores.margins[rows])
            self._answered(job, served.answering.of_scores(own))
            _count(self.answered_rows, job)

    def _fail(self, job: Job, error: Exception) -> None:
        served = job.served
        if (served.name, served.version) not in self.failed_rows:
            # Not what it says: that may hold a value of the row.
            _LOG.error("%s fails in the shadow: %s.", served.reference, type(error).__name__)
        _count(self.failed_rows, job)


def _count(counts: dict[tuple[str, int], int], job: Job) -> None:
    key = job.served.name, job.served.version
    counts[key] = counts.get(key, 0) + job.rows
