"""What a decoder gives, and the format that a worker reads events by."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ....errors import StreamError
from ..dead import DECODE, SIZE, TIME
from ..records import Dead

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import timedelta

    from ..definition import EventsSection
    from ..records import Record

_MOST_AT_ONCE = 1 << 23
"""How many bytes are decoded together: as objects of Python they take many times that."""

_LONGEST_ID = 2000
"""Bytes of the texts of an id: an index of Postgres takes 2,704 in all, and one of DuckDB 8,192."""


class Read(NamedTuple):
    """Decoded payloads: rows, which payload each is, and why others are none."""

    rows: pa.RecordBatch
    places: Sequence[int]
    bad: Mapping[int, str]


class Decoded(NamedTuple):
    """Decoded records: rows, which record each is, and those that are dead letters."""

    rows: pa.Table
    places: list[int]
    dead: list[Dead]


class Decoder(Protocol):
    """What a format does with payloads."""

    schema: pa.Schema

    def read(self, payloads: Sequence[bytes]) -> Read:
        """Decode payloads; each becomes a row or is bad."""
        ...


def keep(
    rows: pa.RecordBatch, refused: Mapping[int, str], places: Sequence[int], bad: Mapping[int, str]
) -> Read:
    """Leave out rows that were refused after they were decoded."""
    if not refused:
        return Read(rows, places, bad)
    kept = [row for row in range(rows.num_rows) if row not in refused]
    reasons = {places[row]: reason for row, reason in refused.items()}
    return Read(
        rows.take(pa.array(kept, pa.int64())), [places[row] for row in kept], {**bad, **reasons}
    )


class Format:
    """How the events of a definition are read."""

    def __init__(self, events: EventsSection, decoder: Decoder) -> None:
        """Check the definition against the columns that there are.

        Raises
        ------
        StreamError
            If it names a column that is none, or one for the event's time that is no time.
        """
        self.schema = decoder.schema
        self._events = events
        self._decoder = decoder
        for key, names in (("id", events.id), ("time", (events.time,) if events.time else ())):
            for name in names:
                if name not in self.schema.names:
                    message = (
                        f"[events] {key}: {name!r} is no column; there are {self.schema.names}."
                    )
                    raise StreamError(message)
        for name in events.id:
            if pa.types.is_nested(self.schema.field(name).type):
                message = (
                    f"[events] id: {name!r} must be one value: an index has no lists, structs."
                )
                raise StreamError(message)
        if events.time and not pa.types.is_timestamp(self.schema.field(events.time).type):
            message = f"[events] time: {events.time!r} must be TIMESTAMP or TIMESTAMPTZ."
            raise StreamError(message)

    def decode(self, records: Sequence[Record]) -> Decoded:
        """Give each record as a row, or as a dead letter."""
        dead: dict[int, tuple[str, str]] = {}
        payloads = [record.payload or b"" for record in records]
        sizes = [len(payload) for payload in payloads]
        fitting = self._fitting(sizes, dead)
        if not all(sizes):  # an empty message of Protobuf is one, and a tombstone is none
            gone = [place for place, record in enumerate(records) if record.payload is None]
            dead |= dict.fromkeys(gone, (DECODE, "It has no value: a tombstone."))
            fitting = [place for place in fitting if place not in dead]
        places: list[int] = []
        batches: list[pa.RecordBatch] = []
        for part in _parts(sizes, fitting):
            read = self._decoder.read([payloads[place] for place in part])
            dead |= {part[place]: (DECODE, reason) for place, reason in read.bad.items()}
            batches.append(read.rows)
            places += [part[place] for place in read.places]
        rows = pa.Table.from_batches(batches, self.schema)
        rows, places = self._checked(rows, places, records, dead)
        letters = [Dead(records[place], *dead[place]) for place in sorted(dead)]
        return Decoded(rows, places, letters)

    def _fitting(self, sizes: Sequence[int], dead: dict[int, tuple[str, str]]) -> Sequence[int]:
        """Leave out what is too large."""
        most = self._events.most_bytes
        if max(sizes, default=0) <= most:
            return range(len(sizes))
        dead |= {
            place: (SIZE, f"It has more than {most} bytes.")
            for place, size in enumerate(sizes)
            if size > most
        }
        return [place for place, size in enumerate(sizes) if size <= most]

    def _checked(
        self,
        rows: pa.Table,
        places: list[int],
        records: Sequence[Record],
        dead: dict[int, tuple[str, str]],
    ) -> tuple[pa.Table, list[int]]:
        """Leave out events without an id or a time, and those from the future."""
        late = dict[int, tuple[str, str]]()
        time = self._events.time
        late |= dict.fromkeys(
            _long_ids(rows, self._events.id),
            (DECODE, f"its id has more than {_LONGEST_ID:,} bytes."),
        )
        for name in self._events.id:
            late |= dict.fromkeys(
                _nulls(rows, name), (DECODE, f"{name} is null, and it is the id.")
            )
        if time:
            late |= dict.fromkeys(_nulls(rows, time), (TIME, f"{time} is null."))
        future = self._events.future
        if time and future is not None:
            late |= dict.fromkeys(
                self._from_future(rows, places, records, future),
                (TIME, f"{time} is more than {future} after it was published."),
            )
        if not late:
            return rows, places
        dead |= {places[row]: ended for row, ended in late.items()}
        kept = [row for row in range(rows.num_rows) if row not in late]
        return rows.take(pa.array(kept, pa.int64())), [places[row] for row in kept]

    def _from_future(
        self, rows: pa.Table, places: Sequence[int], records: Sequence[Record], future: timedelta
    ) -> list[int]:
        """Find the events whose time is further beyond that of the bus than it may be."""
        times = rows[self._events.time].cast(pa.int64()).fill_null(0).to_numpy()
        published = np.array([records[place].published for place in places], np.float64)
        latest = np.rint(published * 1e6) + future.total_seconds() * 1e6
        is_null = rows[self._events.time].is_null().to_numpy()
        return np.flatnonzero((times > latest) & ~is_null).tolist()


def _long_ids(rows: pa.Table, names: Sequence[str]) -> list[int]:
    """Find the events whose id no index takes."""
    sizes = np.zeros(rows.num_rows, dtype=np.int64)
    for name in names:
        if pa.types.is_string(rows[name].type) or pa.types.is_binary(rows[name].type):
            sizes += pc.fill_null(pc.binary_length(rows[name]), 0).to_numpy()
    return np.flatnonzero(sizes > _LONGEST_ID).tolist()


def _nulls(rows: pa.Table, name: str) -> list[int]:
    column = rows[name]
    if not column.null_count:
        return []
    return [row for row, is_null in enumerate(column.is_null().to_pylist()) if is_null]


def _parts(sizes: Sequence[int], places: Sequence[int]) -> Iterator[Sequence[int]]:
    """Cut records into parts that are decoded at once."""
    start, taken = 0, 0
    if sum(sizes) > _MOST_AT_ONCE:
        for end, size in enumerate(accumulate(sizes[place] for place in places), 1):
            if size - taken >= _MOST_AT_ONCE:
                yield places[start:end]
                start, taken = end, size
    if start < len(places):
        yield places[start:]
