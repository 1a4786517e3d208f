"""A partition's events that windows still need: those of the lookback, and those to be scored."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy.typing as npt

    Whole = npt.NDArray[np.int64]

NEVER = -(2**62)
"""Before all times that an event may have, in microseconds."""
_MOST_CHUNKS = 64
_LEAST_FORGOTTEN = 1000
_PART_FORGOTTEN = 4
"""Events are forgotten when they are a quarter of those that are kept: each costs one copy."""


class Arrived(NamedTuple):
    """What became of events that came: the places of those taken, the late ones, the repeated."""

    taken: Whole
    late: list[tuple[int, int]]
    repeated: int


class Slice(NamedTuple):
    """Events that some need, those themselves, and how many pairs of both have one key."""

    rows: pa.Table
    asked: pa.Table
    pairs: int


class Memory:
    """The events of one partition, in the order of their offsets.

    Attributes
    ----------
    watermark
        Events before it are scored, and ones that come now are late; in microseconds.
    greatest
        The greatest event time so far.
    kept_from
        Events before it were forgotten; None where all are there.
    version
        How many batches its state has been through; None before the first.
    """

    def __init__(self, rows: pa.Table, time: str, key: Sequence[str], id_: Sequence[str]) -> None:
        """Take the events that the sink has kept."""
        self.watermark, self.greatest = NEVER, NEVER
        self.kept_from: int | None = None
        self.version: int | None = None
        self._time, self._key, self._id = time, list(key), list(id_)
        self._rows = rows
        self._times = times_of(rows, time)
        self._keys: dict[tuple[object, ...], int] = {}
        self._codes = self._code(rows)
        self._ids: dict[tuple[object, ...], int] = {}
        if self._id:
            self._ids.update(zip(self._ids_of(rows), self._times.tolist(), strict=True))

    @property
    def keys(self) -> Collection[tuple[object, ...]]:
        """The keys whose events are kept."""
        return self._keys.keys()

    def arrive(self, rows: pa.Table, lateness: int, lookback: int) -> Arrived:
        """Take events in the order of offsets, and move the watermark; each is judged on its own.

        So what is late does not depend on how the events were cut into batches.
        """
        times = times_of(rows, self._time)
        if self._id:
            arrived = self._judge_each(rows, times, lateness, lookback)
        else:
            arrived = self._judge_all(times, lateness)
        self._append(rows.take(pa.array(arrived.taken)), times[arrived.taken])
        return arrived

    def advance(self) -> None:
        """Move the watermark behind the last event."""
        self.watermark = max(self.watermark, self.greatest + 1)

    def between(self, start: int, end: int) -> Whole:
        """Give the places of events from a time to before another, by time and offset."""
        places = np.flatnonzero((self._times >= start) & (self._times < end))
        return places[np.argsort(self._times[places], kind="stable")]

    def slice(self, places: Whole, lookback: int, row: str) -> Slice:
        """Give the events that the windows of some need: their keys', of their times.

        The column ``row`` counts those events themselves, in the order of ``places``; the others
        have negative numbers.
        """
        first = np.full(len(self._keys), -NEVER, dtype=np.int64)
        last = np.full(len(self._keys), NEVER, dtype=np.int64)
        codes, times = self._codes[places], self._times[places]
        np.minimum.at(first, codes, times - lookback)
        np.maximum.at(last, codes, times)
        needed = (self._times >= first[self._codes]) & (self._times <= last[self._codes])
        rows = -1 - np.arange(len(self._times))
        rows[places] = np.arange(len(places))
        found = self._rows.filter(pa.array(needed))
        numbers = rows[needed]
        own = np.flatnonzero(numbers >= 0)
        asked = found.filter(pa.array(numbers >= 0)).take(pa.array(np.argsort(numbers[own])))
        pairs = np.bincount(codes, minlength=len(self._keys)) @ np.bincount(
            self._codes[needed], minlength=len(self._keys)
        )
        return Slice(found.append_column(row, pa.array(numbers)), asked, int(pairs))

    def forget(self, before: int) -> bool:
        """Leave out events before a time where those are many, and say whether it did."""
        kept = self._times >= before
        gone = len(kept) - int(kept.sum())
        if gone < _LEAST_FORGOTTEN or gone * _PART_FORGOTTEN < len(kept):
            return False
        self._rows = self._rows.filter(pa.array(kept)).combine_chunks()
        self._times = self._times[kept]
        self._keys = {}
        self._codes = self._code(self._rows)
        self._ids = {key: time for key, time in self._ids.items() if time >= before}
        self.kept_from = before
        return True

    def _append(self, rows: pa.Table, times: Whole) -> None:
        self._rows = pa.concat_tables([self._rows, rows])
        if self._rows.column(0).num_chunks > _MOST_CHUNKS:
            self._rows = self._rows.combine_chunks()
        self._times = np.concatenate([self._times, times])
        self._codes = np.concatenate([self._codes, self._code(rows)])

    def _judge_all(self, times: Whole, lateness: int) -> Arrived:
        reached = np.maximum.accumulate(np.concatenate([[self.greatest], times]))
        marks = np.maximum(reached - lateness, self.watermark)
        is_late = times < marks[:-1]
        late = [(int(place), int(marks[place])) for place in np.flatnonzero(is_late)]
        self.greatest, self.watermark = int(reached[-1]), int(marks[-1])
        return Arrived(np.flatnonzero(~is_late), late, 0)

    def _judge_each(self, rows: pa.Table, times: Whole, lateness: int, lookback: int) -> Arrived:
        taken: list[int] = []
        late: list[tuple[int, int]] = []
        ids = self._ids_of(rows)
        for place, (id_, time) in enumerate(zip(ids, times.tolist(), strict=True)):
            # Which ones are known must not depend on when others were forgotten.
            known = self._ids.get(id_, NEVER) if None not in id_ else NEVER
            if known >= max(self.watermark - lookback, NEVER + 1):
                continue
            if time < self.watermark:
                late.append((place, self.watermark))
                continue
            self._ids[id_] = time
            taken.append(place)
            self.greatest = max(self.greatest, time)
            self.watermark = max(self.watermark, self.greatest - lateness)
        repeated = len(ids) - len(taken) - len(late)
        return Arrived(np.array(taken, dtype=np.int64), late, repeated)

    def _code(self, rows: pa.Table) -> Whole:
        """Give each event the number of its key."""
        known = self._keys
        values = zip(*(rows.column(name).to_pylist() for name in self._key), strict=True)
        return np.array([known.setdefault(each, len(known)) for each in values], dtype=np.int64)

    def _ids_of(self, rows: pa.Table) -> list[tuple[object, ...]]:
        return list(zip(*(rows.column(name).to_pylist() for name in self._id), strict=True))


def times_of(rows: pa.Table, time: str) -> Whole:
    """Give event times in microseconds; NULL is before all."""
    found = pc.fill_null(rows.column(time).cast(pa.int64()), NEVER)
    return np.asarray(found.combine_chunks().to_numpy(zero_copy_only=False), dtype=np.int64)
