"""What a decoder gives, and the format that a worker reads events by."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import pyarrow as pa

from ....errors import StreamError
from ..dead import DECODE, SIZE, TIME
from ..records import Dead

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..definition import EventsSection
    from ..records import Record

_MOST_AT_ONCE = 1 << 25
"""How many bytes are decoded together: Arrow's texts of one column end at 2 GiB."""


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
    rows: pa.StructArray, refused: Mapping[int, str], places: Sequence[int], bad: Mapping[int, str]
) -> Read:
    """Leave out rows that were refused after they were decoded."""
    batch = pa.RecordBatch.from_struct_array(rows)
    if not refused:
        return Read(batch, places, bad)
    kept = [row for row in range(len(rows)) if row not in refused]
    reasons = {places[row]: reason for row, reason in refused.items()}
    return Read(
        batch.take(pa.array(kept, pa.int64())), [places[row] for row in kept], {**bad, **reasons}
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
        if events.time and not pa.types.is_timestamp(self.schema.field(events.time).type):
            message = f"[events] time: {events.time!r} must be TIMESTAMP or TIMESTAMPTZ."
            raise StreamError(message)

    def decode(self, records: Sequence[Record]) -> Decoded:
        """Give each record as a row, or as a dead letter."""
        dead: dict[int, tuple[str, str]] = {}
        most = self._events.most_bytes
        places: list[int] = []
        batches: list[pa.RecordBatch] = []
        for part in _parts(records):
            fitting = [place for place in part if len(records[place].payload) <= most]
            if len(fitting) < len(part):
                dead |= {
                    place: (SIZE, f"It has {len(records[place].payload)} bytes, beyond {most}.")
                    for place in part
                    if len(records[place].payload) > most
                }
            read = self._decoder.read([records[place].payload for place in fitting])
            dead |= {fitting[place]: (DECODE, reason) for place, reason in read.bad.items()}
            batches.append(read.rows)
            places += [fitting[place] for place in read.places]
        rows = pa.Table.from_batches(batches, self.schema)
        rows, places = self._checked(rows, places, records, dead)
        letters = [Dead(records[place], *dead[place]) for place in sorted(dead)]
        return Decoded(rows, places, letters)

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
        for name in self._events.id:
            late |= dict.fromkeys(
                _nulls(rows, name), (DECODE, f"{name} is null, and it is the id.")
            )
        if time:
            late |= dict.fromkeys(_nulls(rows, time), (TIME, f"{time} is null."))
        if time and self._events.future is not None:
            late |= dict.fromkeys(
                self._from_future(rows, places, records),
                (TIME, f"{time} is more than {self._events.future} after it was published."),
            )
        if not late:
            return rows, places
        dead |= {places[row]: ended for row, ended in late.items()}
        kept = [row for row in range(rows.num_rows) if row not in late]
        return rows.take(pa.array(kept, pa.int64())), [places[row] for row in kept]

    def _from_future(
        self, rows: pa.Table, places: Sequence[int], records: Sequence[Record]
    ) -> Iterator[int]:
        future = self._events.future
        if future is None or self._events.time is None:
            return
        margin = round(future.total_seconds() * 1e6)
        times = rows[self._events.time].cast(pa.int64()).to_pylist()
        for row, (place, time) in enumerate(zip(places, times, strict=True)):
            if time is not None and time > round(records[place].published * 1e6) + margin:
                yield row


def _nulls(rows: pa.Table, name: str) -> list[int]:
    column = rows[name]
    if not column.null_count:
        return []
    return [row for row, is_null in enumerate(column.is_null().to_pylist()) if is_null]


def _parts(records: Sequence[Record]) -> Iterator[Sequence[int]]:
    """Cut records into ranges that are decoded at once."""
    start = size = 0
    for place, record in enumerate(records):
        if size and size + len(record.payload) > _MOST_AT_ONCE:
            yield range(start, place)
            start, size = place, 0
        size += len(record.payload)
    if start < len(records):
        yield range(start, len(records))
