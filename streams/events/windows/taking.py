"""Events held back until their windows are whole; each is scored once, by event time.

A partition's watermark is the greatest event time in it, less the lateness. Events before it are
ready: none that comes later may change their windows. An event that comes before the watermark is
late, and a dead letter. What is ready or late depends on the order in the partition alone, not on
batches. The state is in the sink, and moves in the transaction of the batch.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ....errors import StreamError
from ..computing import OF_AN_EVENT, reason_of
from ..dead import LATE, TIME
from ..definition import OFFSET, PARTITION
from ..records import Forgotten, Move
from ..stages import Kept, Query, Refused, Taken
from .features import Features
from .memory import NEVER, Memory, times_of
from .stack import IDENTITY, ROW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..definition import Definition
    from ..records import Offset
    from .memory import Whole
    from .query import WindowQuery

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime(1, 1, 3, tzinfo=UTC).replace(tzinfo=None) - _EPOCH) // _MICROSECOND
_LAST = (datetime(9999, 12, 30, tzinfo=UTC).replace(tzinfo=None) - _EPOCH) // _MICROSECOND
_DIGITS = 20
_VERSION = "version"


class EventWindows:
    """Windows over event time: see :class:`~foresql.streams.events.stages.Windows`."""

    def __init__(
        self, definition: Definition, query: WindowQuery, events: pa.Schema, offset_type: str
    ) -> None:
        """Plan the features."""
        window, column = definition.window, definition.events.time
        if window is None or column is None:
            message = f"The worker {definition.name} has no [window]."
            raise StreamError(message)
        self._time, self._key, self._id = column, window.key, definition.events.id
        self._lateness = window.lateness // _MICROSECOND
        self.lookback = query.lookback
        self._lookback = query.lookback // _MICROSECOND
        self._idle = None if window.idle is None else window.idle.total_seconds()
        self._events = events
        self._features = Features(query, events)
        self._states = f"foresql.{definition.name}_window_events"
        self._marks = f"foresql.{definition.name}_window_marks"
        self._offset_type = offset_type
        self._read: Callable[[str, Sequence[str]], pa.Table] | None = None
        self._memories: dict[str, Memory] = {}
        self._offsets: dict[str, Offset] = {}
        self._touched: dict[str, float] = {}
        self._owners: dict[tuple[object, ...], str] = {}
        identity = [events.field(name) for name in IDENTITY]
        self.query = Query(query.scoring, query.table, pa.schema([*query.schema, *identity]))
        self.tables: Mapping[str, pa.Schema] = {self._states: events, self._marks: _MARKS}

    def open(self, read: Callable[[str, Sequence[str]], pa.Table]) -> None:
        """Take what reads a table's rows of partitions."""
        self._read = read

    def drop(self) -> None:
        """Forget what is in memory, since it was not written: the tables are read again."""
        self._memories.clear()
        self._offsets.clear()
        self._owners.clear()

    def close(self) -> None:
        """Close the connection of the features."""
        self._features.close()

    def take(self, rows: pa.Table, moves: Mapping[str, Move]) -> Taken:
        """Take a batch of events, in the order of offsets within each partition."""
        parts: list[_Part] = []
        for partition, move in moves.items():
            if self._offsets.get(partition) != move.before:
                self._memories.pop(partition, None)
            memory = self._memory(partition)
            self._offsets[partition] = move.after
            self._touched[partition] = time.monotonic()
            own = rows.filter(pc.equal(rows.column(PARTITION), partition))
            part = self._arrived(memory, own.select(self._events.names).cast(self._events))
            self._check_keys(partition, memory)
            parts.append(self._finished(partition, memory, part))
        return self._joined(parts)

    def advance(self, partitions: Sequence[str], *, flush: bool = False) -> Taken | None:
        """Take what is ready since nothing came to partitions for long; with ``flush``, all."""
        if not flush and self._idle is None:
            return None
        parts: list[_Part] = []
        for partition in partitions:
            memory = self._memory(partition)
            quiet = time.monotonic() - self._touched.setdefault(partition, time.monotonic())
            is_done = memory.greatest == NEVER or memory.watermark > memory.greatest
            if is_done or not (flush or quiet >= (self._idle or 0)):
                continue
            start = memory.watermark
            memory.advance()
            parts.append(self._finished(partition, memory, _Part(start=start)))
        return self._joined(parts) if parts else None

    def _memory(self, partition: str) -> Memory:
        """Give a partition's events; those that the sink has where it is new, or was dropped."""
        if partition not in self._memories:
            self._memories[partition] = self._load(partition)
        return self._memories[partition]

    def _load(self, partition: str) -> Memory:
        if self._read is None:
            message = "The windows are not open."
            raise StreamError(message)
        # The version is read first: where another worker writes in between, this one's is too old,
        # and its batch is not written.
        marks = self._read(self._marks, [partition]).sort_by(_VERSION).to_pylist()
        rows = self._read(self._states, [partition]).select(self._events.names)
        rows = rows.cast(self._events)
        memory = Memory(rows.sort_by(OFFSET), self._time, self._key, self._id)
        if marks:
            mark = marks[-1]
            self._check_time(partition, mark["time"])
            memory.version = mark[_VERSION]
            memory.watermark, memory.greatest = mark["watermark"], mark["greatest"]
            memory.kept_from = mark["kept_from"]
            self._check_kept(partition, memory)
        return memory

    def _check_time(self, partition: str, time: str) -> None:
        """Refuse to go on by another time than the one by which events were forgotten."""
        if time != self._time:
            message = (
                f"Events of partition {partition} were kept and scored by {time}, and [events] "
                f"time is {self._time}.\n  What to do: give the worker another name and start at "
                "the earliest event, or go back to that time."
            )
            raise StreamError(message)

    def _check_kept(self, partition: str, memory: Memory) -> None:
        """Refuse to go on with a longer lookback than what was kept."""
        if memory.kept_from is not None and memory.watermark - self._lookback < memory.kept_from:
            message = (
                f"The windows look back {timedelta(microseconds=self._lookback)}, and of partition "
                f"{partition} events before {_datetime(memory.kept_from)} were forgotten by an "
                "earlier query.\n  What to do: give the worker another name and start at the "
                "earliest event, or go back to the shorter windows."
            )
            raise StreamError(message)

    def _arrived(self, memory: Memory, rows: pa.Table) -> _Part:
        """Judge events, and put those that are fine into memory."""
        part = _Part(start=memory.watermark)
        times = times_of(rows, self._time)
        timeless = (times < _FIRST) | (times > _LAST)
        for place in np.flatnonzero(timeless):
            reason = f"{self._time} is NULL, or no time of the years 1 to 9999"
            part.refuse(rows, int(place), reason, TIME)
        rows = rows.filter(pa.array(~timeless))
        failed = self._features.refused(rows)
        for place, reason in failed:
            part.refuse(rows, place, reason)
        fine = np.ones(rows.num_rows, dtype=bool)
        fine[[place for place, _ in failed]] = False
        rows = rows.filter(pa.array(fine))
        times = times_of(rows, self._time)
        arrived = memory.arrive(rows, self._lateness, self._lookback)
        for place, mark in arrived.late:
            behind = timedelta(microseconds=mark - int(times[place]))
            reason = f"{self._time} is {behind} before the watermark: its windows are scored"
            part.refuse(rows, place, reason, LATE)
        part.taken = rows.take(pa.array(arrived.taken))
        part.repeated = arrived.repeated
        return part

    def _check_keys(self, partition: str, memory: Memory) -> None:
        """Refuse a key whose events are in two partitions, as far as this worker has them."""
        for key in memory.newest_keys():
            other = self._memories.get(self._owners.setdefault(key, partition))
            if other is None or other is memory or not other.has(key):
                self._owners[key] = partition
                continue
            named = ", ".join(f"{n} {v!r}" for n, v in zip(self._key, key, strict=True))
            message = (
                f"Events of {named} come in the partitions {self._owners[key]} and {partition}, so "
                "no window has all of them.\n  What to do: publish all events of a key to one "
                f"partition, or add {PARTITION} to [window] key and PARTITION BY."
            )
            raise StreamError(message)

    def _finished(self, partition: str, memory: Memory, part: _Part) -> _Part:
        """Score what is ready, forget what is needed no more, and write down the state."""
        ready = memory.between(part.start, memory.watermark)
        part.rows = self._ready(memory, ready, part)
        before = memory.version
        memory.version = 0 if before is None else before + 1
        forgets = memory.watermark > NEVER and memory.forget(memory.watermark - self._lookback)
        part.partition, part.forgets = partition, memory.kept_from if forgets else None
        part.move = Move(self._as_offset(before), self._offset(memory.version))
        part.mark = {
            PARTITION: partition,
            _VERSION: memory.version,
            "watermark": memory.watermark,
            "greatest": memory.greatest,
            "kept_from": memory.kept_from,
            "time": self._time,
        }
        return part

    def _as_offset(self, version: int | None) -> Offset | None:
        return None if version is None else self._offset(version)

    def _offset(self, version: int) -> Offset:
        """Write a version as the bus writes offsets: as texts where those are, of one length."""
        return version if self._offset_type == "BIGINT" else f"{version:0{_DIGITS}d}"

    def _ready(self, memory: Memory, places: Whole, part: _Part) -> pa.Table:
        """Compute the features of events; one that fails costs no other its prediction."""
        found: list[pa.Table] = []
        waiting = [places] if len(places) else []
        while waiting:
            now = waiting.pop()
            needed = memory.slice(now, self._lookback, ROW)
            try:
                features = self._features.compute(needed)
            except OF_AN_EVENT as error:
                if len(now) > 1:
                    middle = len(now) // 2
                    waiting += [now[middle:], now[:middle]]
                else:
                    part.refuse(needed.asked, 0, reason_of(error))
                continue
            found.append(self._placed(features, needed.asked))
        return pa.concat_tables(found) if found else self.query.columns.empty_table()

    def _placed(self, features: pa.Table, events: pa.Table) -> pa.Table:
        """Say whose features they are; WHERE may have left out some."""
        whose = events.take(features.column(ROW))
        columns = [
            (whose if name in IDENTITY else features).column(name)
            for name in self.query.columns.names
        ]
        return pa.Table.from_arrays(columns, schema=self.query.columns)

    def _joined(self, parts: Sequence[_Part]) -> Taken:
        """Put what partitions gave together."""
        versions = {part.partition: part.mark[_VERSION] for part in parts}
        forgotten = {self._marks: Forgotten(_VERSION, versions)}
        bounds = {
            part.partition: _datetime(part.forgets) for part in parts if part.forgets is not None
        }
        if bounds:
            forgotten[self._states] = Forgotten(self._time, bounds)
        kept = [part.taken for part in parts if part.taken is not None]
        tables = {
            self._states: pa.concat_tables([self._events.empty_table(), *kept]),
            self._marks: pa.Table.from_pylist([part.mark for part in parts], schema=_MARKS),
        }
        rows = [part.rows for part in parts if part.rows is not None]
        return Taken(
            rows=pa.concat_tables([self.query.columns.empty_table(), *rows]),
            refused=[each for part in parts for each in part.refused],
            kept=Kept(tables, forgotten),
            moves={f"{part.partition} windows": part.move for part in parts},
            repeated=sum(part.repeated for part in parts),
        )


class _Part:
    """What a batch is to one partition."""

    def __init__(self, *, start: int) -> None:
        self.start = start
        self.partition = ""
        self.taken: pa.Table | None = None
        self.rows: pa.Table | None = None
        self.refused: list[Refused] = []
        self.repeated = 0
        self.forgets: int | None = None
        self.move = Move(None, 0)
        self.mark: dict[str, object] = {}

    def refuse(self, rows: pa.Table, place: int, reason: str, *step: str) -> None:
        """Note an event that ends here."""
        row = rows.slice(place, 1)
        self.refused.append(
            Refused(row.column(PARTITION)[0].as_py(), row.column(OFFSET)[0].as_py(), reason, *step)
        )


_MARKS = pa.schema(
    [
        pa.field(PARTITION, pa.string(), nullable=False),
        pa.field(_VERSION, pa.int64(), nullable=False),
        pa.field("watermark", pa.int64(), nullable=False),
        pa.field("greatest", pa.int64(), nullable=False),
        pa.field("kept_from", pa.int64()),
        pa.field("time", pa.string(), nullable=False),
    ]
)


def _datetime(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
