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
from ....scoring.changing_rows import OF_AN_EVENT, reason_of
from ..claims import Claims, elsewhere
from ..dead import KEY, LATE, TIME
from ..definition import OFFSET, PARTITION
from ..records import Move
from ..stages import Query, Refused, Taken
from .features import Features
from .memory import NEVER, times_of
from .stack import IDENTITY, ROW
from .state import EPOCH, MICROSECOND, WindowState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..definition import Definition
    from ..records import Offset
    from ..stages import Read
    from .memory import Memory, Whole
    from .query import WindowQuery

_FIRST = (datetime(1, 1, 3, tzinfo=UTC).replace(tzinfo=None) - EPOCH) // MICROSECOND
_LAST = (datetime(9999, 12, 30, tzinfo=UTC).replace(tzinfo=None) - EPOCH) // MICROSECOND
_DIGITS = 20


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
        self._time, self._key = column, window.key
        self._lateness = window.lateness // MICROSECOND
        self.lookback = query.lookback
        self._lookback = query.lookback // MICROSECOND
        self._idle = None if window.idle is None else window.idle.total_seconds()
        self._events = events
        self._features = Features(query, events)
        self._state = WindowState(definition, events, query.lookback)
        self._offset_type = offset_type
        self._read: Read | None = None
        self._memories: dict[str, Memory] = {}
        self._offsets: dict[str, Offset] = {}
        self._touched: dict[str, float] = {}
        self._claims = Claims(f"foresql.{definition.name}_window_keys", window.key)
        identity = [events.field(name) for name in IDENTITY]
        self.query = Query(query.scoring, query.table, pa.schema([*query.schema, *identity]))
        self.tables: Mapping[str, pa.Schema] = {**self._state.tables, **self._claims.tables}
        self.claims = tuple(self._claims.tables)

    def open(self, read: Read) -> None:
        """Take what reads a table's rows of partitions, or of keys."""
        self._read = read
        self._claims.open(read)

    def drop(self) -> None:
        """Forget what is in memory, since it was not written: the tables are read again."""
        self._memories.clear()
        self._offsets.clear()
        self._claims.drop()

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
            rows_of_it = own.select(self._events.names).cast(self._events)
            part = self._arrived(partition, memory, rows_of_it)
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
        memory = self._state.load(self._read, partition)
        self._claims.claim(partition, memory.keys)
        return memory

    def _arrived(self, partition: str, memory: Memory, rows: pa.Table) -> _Part:
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
        rows = self._own(partition, rows.filter(pa.array(fine)), part)
        times = times_of(rows, self._time)
        arrived = memory.arrive(rows, self._lateness, self._lookback)
        for place, mark in arrived.late:
            behind = timedelta(microseconds=mark - int(times[place]))
            reason = f"{self._time} is {behind} before the watermark: its windows are scored"
            part.refuse(rows, place, reason, LATE)
        part.taken = rows.take(pa.array(arrived.taken))
        part.repeated = arrived.repeated
        return part

    def _own(self, partition: str, rows: pa.Table, part: _Part) -> pa.Table:
        """Leave out events whose key belongs to another partition: no window has all of those."""
        keys = list(zip(*(rows.column(name).to_pylist() for name in self._key), strict=True))
        others = self._claims.claim(partition, dict.fromkeys(keys))
        if not others:
            return rows
        for place, key in enumerate(keys):
            if key in others:
                part.refuse(rows, place, elsewhere(others[key]), KEY)
        return rows.filter(pa.array([key not in others for key in keys]))

    def _finished(self, partition: str, memory: Memory, part: _Part) -> _Part:
        """Score what is ready, forget what is needed no more, and write down the state."""
        ready = memory.between(part.start, memory.watermark)
        part.rows = self._ready(memory, ready, part)
        before = memory.version
        memory.version = 0 if before is None else before + 1
        forgets = memory.watermark > NEVER and memory.forget(memory.watermark - self._lookback)
        part.partition, part.forgets = partition, memory.kept_from if forgets else None
        part.move = Move(self._as_offset(before), self._offset(memory.version))
        part.mark = self._state.mark(partition, memory)
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
        kept = [part.taken for part in parts if part.taken is not None]
        forgets = {part.partition: part.forgets for part in parts if part.forgets is not None}
        rows = [part.rows for part in parts if part.rows is not None]
        state = self._state.kept(kept, [part.mark for part in parts], forgets)
        return Taken(
            rows=pa.concat_tables([self.query.columns.empty_table(), *rows]),
            refused=[each for part in parts for each in part.refused],
            kept=state._replace(tables={**state.tables, **self._claims.rows()}),
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
