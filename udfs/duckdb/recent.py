"""Score each row once, however often a query asks.

DuckDB calls a function again for every place in the plan that needs its result: a filter on a
prediction and the column itself are two calls, the second on the rows that passed. The second call
comes soon after the first, on the same thread, with rows in the same order. So each thread
remembers the batches that it scored last. A row is found by a fingerprint of its decoded values,
and all values are compared before the find is trusted. A model gives the same answer to the same
values, so nothing is ever stale.
"""

from __future__ import annotations

import threading
from collections import deque
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ...kernels import Scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...kernels import Frame, Scorer

MEMORY_BYTES = 16 * 2**20
"""What one thread remembers of one model, at most, but for its very last batch."""


# Fowler, Noll and Vo's prime; the shift brings a double's high bits, where it differs, down.
_MULTIPLIER = np.uint64(1099511628211)
_SHIFT = np.uint64(29)


class OnceScorer:
    """A scorer that remembers. Threads may share it: each has its own memory."""

    def __init__(self, scorer: Scorer) -> None:
        """Wrap a scorer; ``rows_scored`` counts the rows that its kernel really ran on."""
        self.scorer = scorer
        self.rows_scored = 0
        # DuckDB's threads are not Python's: thread-local storage would be empty at every call.
        self._memories: dict[int, _Memory] = {}
        self._count = threading.Lock()

    def score(self, frame: Frame) -> Scores:
        """Give the answers that this thread remembers, or score the batch."""
        memory = self._memories.setdefault(threading.get_ident(), _Memory())
        columns = frame.bits()
        prints = _fingerprints(columns)
        scores = memory.recall(columns, prints)
        if scores is None:
            scores = self.scorer.score_frame(frame)
            memory.remember(_Batch(columns, prints, scores))
            with self._count:
                self.rows_scored += frame.rows
        return scores


def _fingerprints(columns: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """Mix each row into one number. Any mixing is right, for every find is checked."""
    prints = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        prints *= _MULTIPLIER
        prints ^= column
        prints ^= prints >> _SHIFT
    return prints


class _Batch:
    """One scored batch."""

    def __init__(
        self, columns: list[NDArray[np.uint64]], prints: NDArray[np.uint64], scores: Scores
    ) -> None:
        self.columns = columns
        self.prints = prints
        self.scores = scores
        answers = (scores.prediction, scores.probabilities, scores.margins)
        self.bytes = sum(array.nbytes for array in (*columns, prints, *answers))

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """The batch's rows by fingerprint: only a batch that is asked again is ever sorted."""
        return np.argsort(self.prints)

    def leading(
        self, columns: list[NDArray[np.uint64]], prints: NDArray[np.uint64], start: int
    ) -> NDArray[np.intp]:
        """Find as many of the rows as follow each other in this batch, from ``start`` on."""
        prints = prints[start : start + len(self.prints)]
        place = np.searchsorted(self.prints, prints, sorter=self.order)
        place = self.order[np.minimum(place, len(self.order) - 1)]
        same = np.ones(len(place), np.bool_)
        for mine, theirs in zip(self.columns, columns, strict=True):
            same &= mine[place] == theirs[start : start + len(place)]
        return place if same.all() else place[: int(np.argmin(same))]


class _Memory:
    """The last batches of one thread, oldest first."""

    def __init__(self) -> None:
        self._batches: deque[_Batch] = deque()
        self._bytes = 0

    def remember(self, batch: _Batch) -> None:
        """Keep a batch, and drop the oldest ones where they grow too many."""
        if not len(batch.prints):
            return
        self._batches.append(batch)
        self._bytes += batch.bytes
        while self._bytes > MEMORY_BYTES and len(self._batches) > 1:
            self._bytes -= self._batches.popleft().bytes

    def recall(
        self, columns: list[NDArray[np.uint64]], prints: NDArray[np.uint64]
    ) -> Scores | None:
        """Give the answers if every row is in the batches, in their order; else None."""
        found: list[tuple[_Batch, NDArray[np.intp]]] = []
        done = 0
        for batch in self._batches if len(prints) else ():
            # Most batches are new: their first row is nowhere, and this line is all they cost.
            if not (batch.prints == prints[done]).any():
                continue
            places = batch.leading(columns, prints, done)
            if len(places):
                found.append((batch, places))
                done += len(places)
            if done == len(prints):
                return _joined(found)
        return None


def _joined(found: list[tuple[_Batch, NDArray[np.intp]]]) -> Scores:
    """Take the found rows of all batches."""
    return Scores(
        np.concatenate([batch.scores.prediction[places] for batch, places in found]),
        np.concatenate([batch.scores.probabilities[places] for batch, places in found]),
        np.concatenate([batch.scores.margins[places] for batch, places in found]),
    )
