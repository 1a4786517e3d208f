"""Score each row once, where remembering costs less than scoring again.

DuckDB calls a function again for every place in the plan that needs its result. Two functions of
one model in a SELECT are two calls with the same rows. A filter on a prediction and the column
itself are two calls, the second on the rows that passed; it comes soon after the first, on the same
thread, with rows in the same order.

So each thread keeps its last call, and gives the same answer to the same bits: a comparison of
memory, which ends at the first column of new rows. Finding the rows that passed takes more: a
fingerprint of each row's decoded values, and a comparison of all values before a find is trusted.
A forest in the native kernel is scored again in less time. So the first batches are timed, and a
model goes on remembering rows if that takes little beside its scoring. A model gives the same
answer to the same values, so nothing is ever stale.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import nullcontext
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..ir import steps as s
from ..kernels import Scores
from ..kernels.arrow import bits_of

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from ..kernels import Scorer

MEMORY_BYTES = 16 * 2**20
"""What one thread remembers of one model, at most, but for its very last batch."""

WORTH = 8.0
"""Rows are remembered where scoring them takes at least so many times as long."""

TRIAL_BATCHES, TRIAL_ROWS = 8, 1024
"""So many batches, of at least so many rows, are timed before that is decided."""

# Fowler, Noll and Vo's prime; the shift brings a double's high bits, where it differs, down.
_MULTIPLIER = np.uint64(1099511628211)
_SHIFT = np.uint64(29)


class OnceScorer:
    """A scorer that remembers. Threads may share it: each has its own memory."""

    def __init__(self, scorer: Scorer) -> None:
        """Wrap a scorer; ``rows_scored`` counts the rows that its kernel really ran on."""
        self.scorer = scorer
        self.rows_scored = 0
        self._trial = _Trial(scorer)
        # DuckDB's threads are not Python's: thread-local storage would be empty at every call.
        self._memories: dict[int, _Memory] = {}
        self._last: dict[int, _Call] = {}
        self._count = threading.Lock()
        # Short calls of numpy from two threads take longer than one after the other: at each, the
        # threads wait for the interpreter's lock. Native code, and libraries, let go of it.
        is_numpy = scorer.program is None and not _is_whole(scorer)
        self._turn = threading.Lock() if is_numpy else nullcontext()

    @property
    def remembers_rows(self) -> bool:
        """Whether rows are remembered; the first batches decide."""
        return self._trial.pays is not False

    def score(self, rows: pa.StructArray) -> Scores:
        """Give the answers that this thread remembers, or score the batch."""
        thread = threading.get_ident()
        last = self._last.get(thread)
        if last is not None and last.is_of(rows):
            return last.scores
        with self._turn:
            scores = self._recall_or_score(rows) if self.remembers_rows else self._scored(rows)
        self._last[thread] = _Call(rows, scores)
        return scores

    def _scored(self, rows: pa.StructArray) -> Scores:
        scores = self.scorer.score(rows)
        with self._count:
            self.rows_scored += len(rows)
        return scores

    def _recall_or_score(self, rows: pa.StructArray) -> Scores:
        memory = self._memories.setdefault(threading.get_ident(), _Memory())
        started = perf_counter()
        columns = bits_of(self.scorer.decoder.decode(rows))
        prints = _fingerprints(columns)
        scores = memory.recall(columns, prints)
        if scores is not None:
            return scores
        looked = perf_counter()
        scores = self._scored(rows)
        done = perf_counter()
        memory.remember(_Batch(columns, prints, scores))
        if self._trial.pays is None:
            self._trial.add(len(rows), done - looked, perf_counter() - done + looked - started)
        if not self.remembers_rows:
            self._memories.clear()
        return scores


def _is_whole(scorer: Scorer) -> bool:
    return any(isinstance(step, s.Whole) for step in scorer.model.steps)


class _Trial:
    """Times the first batches: ``pays`` is None until they decide whether to remember rows.

    The fastest of them count, for a busy machine makes others slow. A model that is kept whole
    always pays: its library may give a row other last bits in a batch of another length.
    """

    def __init__(self, scorer: Scorer) -> None:
        self.pays: bool | None = True if _is_whole(scorer) else None
        self._times: list[tuple[float, float]] = []

    def add(self, rows: int, scoring: float, remembering: float) -> None:
        """Take the seconds of one batch."""
        if rows < TRIAL_ROWS:
            return
        self._times.append((scoring / rows, remembering / rows))
        if len(self._times) >= TRIAL_BATCHES:
            least_scoring, least_remembering = map(min, zip(*self._times, strict=True))
            self.pays = least_scoring >= WORTH * least_remembering


class _Call(NamedTuple):
    """The last call of one thread."""

    rows: pa.StructArray
    scores: Scores

    def is_of(self, rows: pa.StructArray) -> bool:
        """Tell whether these are the same rows, bit by bit, in memory of the same layout."""
        mine, theirs = self.rows, rows
        if len(mine) != len(theirs) or mine.offset != theirs.offset or mine.type != theirs.type:
            return False
        pairs = zip(mine.buffers(), theirs.buffers(), strict=True)
        if not all(a is b if a is None or b is None else a.equals(b) for a, b in pairs):
            return False
        # Equal memory is read alike only from equal positions on.
        fields = range(mine.type.num_fields)
        return all(mine.field(index).offset == theirs.field(index).offset for index in fields)


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
