"""The state of windows in the sink: the events of the lookback, and a mark for each partition."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from ....errors import StreamError
from ..definition import OFFSET, PARTITION
from ..records import Forgotten
from ..stages import Kept
from .memory import Memory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..definition import Definition
    from ..stages import Read

EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
MICROSECOND = timedelta(microseconds=1)
VERSION = "version"
"""The column that counts the batches that a partition's state has been through."""
_TIME = "time"


class WindowState:
    """The tables of a worker's windows: what they are called, read and written."""

    def __init__(self, definition: Definition, events: pa.Schema, lookback: timedelta) -> None:
        """Name them."""
        self._time, self._id = definition.events.time or "", definition.events.id
        self._key = definition.window.key if definition.window else ()
        self._events, self._lookback = events, lookback // MICROSECOND
        self._states = f"foresql.{definition.name}_window_events"
        self._marks = f"foresql.{definition.name}_window_marks"
        self.tables: Mapping[str, pa.Schema] = {self._states: events, self._marks: _MARKS}

    def load(self, read: Read, partition: str) -> Memory:
        """Give a partition's events as the sink has them.

        Raises
        ------
        StreamError
            If they were kept by another definition, which may have forgotten what is needed.
        """
        # The version is read first: where another worker writes in between, this one's is too old,
        # and its batch is not written.
        marks = read(self._marks, [partition]).sort_by(VERSION).to_pylist()
        rows = read(self._states, [partition]).select(self._events.names)
        rows = rows.cast(self._events)
        memory = Memory(rows.sort_by(OFFSET), self._time, self._key, self._id)
        if marks:
            mark = marks[-1]
            self._check_time(partition, mark[_TIME])
            memory.version = mark[VERSION]
            memory.watermark, memory.greatest = mark["watermark"], mark["greatest"]
            memory.kept_from = mark["kept_from"]
            self._check_kept(partition, memory)
        return memory

    def mark(self, partition: str, memory: Memory) -> dict[str, object]:
        """Write down where a partition's windows are."""
        return {
            PARTITION: partition,
            VERSION: memory.version,
            "watermark": memory.watermark,
            "greatest": memory.greatest,
            "kept_from": memory.kept_from,
            _TIME: self._time,
        }

    def kept(
        self,
        events: Sequence[pa.Table],
        marks: Sequence[Mapping[str, object]],
        forgets: Mapping[str, int],
    ) -> Kept:
        """Say what the sink takes and forgets: new events, marks, and before when events leave."""
        versions = {str(mark[PARTITION]): mark[VERSION] for mark in marks}
        forgotten = {self._marks: Forgotten(VERSION, versions)}
        if forgets:
            bounds = {name: _datetime(before) for name, before in forgets.items()}
            forgotten[self._states] = Forgotten(self._time, bounds)
        tables = {
            self._states: pa.concat_tables([self._events.empty_table(), *events]),
            self._marks: pa.Table.from_pylist(list(marks), schema=_MARKS),
        }
        return Kept(tables, forgotten)

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


_MARKS = pa.schema(
    [
        pa.field(PARTITION, pa.string(), nullable=False),
        pa.field(VERSION, pa.int64(), nullable=False),
        pa.field("watermark", pa.int64(), nullable=False),
        pa.field("greatest", pa.int64(), nullable=False),
        pa.field("kept_from", pa.int64()),
        pa.field(_TIME, pa.string(), nullable=False),
    ]
)


def _datetime(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)
