"""A batch: records on their way to predictions, dead letters and moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from .dead import SINK, TIMESTAMP, dead_table, offset_arrow_type
from .definition import OFFSET, PARTITION, PUBLISHED
from .records import Dead, Move, Outcome, Record
from .stages import Kept, Refused, Taken

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .assembling import Parts
    from .records import Offset, Sink

_MICROSECONDS = 1e6


class Batch(NamedTuple):
    """What is written at once, and what is counted of it.

    Attributes
    ----------
    outcome
        What goes to the sink.
    published
        When the bus took each of its events, in seconds since the epoch.
    steps
        At which step each dead letter ended.
    versions
        By which versions it was scored, as in ``delay:3``.
    repeated
        How many events windows left out, since they were published twice.
    """

    outcome: Outcome
    published: np.ndarray
    steps: Sequence[str]
    versions: tuple[str, ...]
    repeated: int = 0


def make_batch(records: Sequence[Record], parts: Parts) -> Batch:
    """Decode and score records, and say how far they move their partitions."""
    records, moves, events = follow(records)
    decoded = parts.format.decode(records)
    rows = _with_place(decoded.rows, records, decoded.places, parts.source.offset_type)
    found = _Found(records, list(decoded.dead))
    marks = parts.source.marks()
    if parts.windows is None:
        return _finish(Taken(rows, (), Kept({}, {}), marks, 0), found, moves, events, parts)
    rows, unfit = _fitting(rows, parts.sink)  # the sink keeps what windows need
    taken = parts.windows.take(rows, moves)
    taken = taken._replace(refused=[*taken.refused, *unfit], moves={**taken.moves, **marks})
    return _finish(taken, found, moves, events, parts)


def make_advance(parts: Parts, partitions: Sequence[str], *, flush: bool = False) -> Batch | None:
    """Score what windows have ready though nothing came, or with ``flush`` all that they hold."""
    if parts.windows is None:
        return None
    taken = parts.windows.advance(partitions, flush=flush)
    return None if taken is None else _finish(taken, _Found([], []), {}, {}, parts)


def make_kept(kept: Kept, parts: Parts) -> Outcome:
    """Make rows of further tables something to write on its own, which moves nothing."""
    return Outcome(
        moves={},
        events={},
        predictions=parts.scoring.schema.empty_table(),
        dead=dead_table([], parts.source.offset_type),
        tables=kept.tables,
        forgotten=kept.forgotten,
    )


def _finish(
    taken: Taken,
    found: _Found,
    moves: Mapping[str, Move],
    events: Mapping[str, int],
    parts: Parts,
) -> Batch:
    """Score what is ready, and put together what is written."""
    kept = taken.kept
    predictions, refused = parts.scoring.score(taken.rows)
    predictions, unfit = _fitting(predictions, parts.sink)
    dead = [*found.dead, *found.refuse([*taken.refused, *refused, *unfit])]
    if parts.alerts is not None:
        more, unordered = parts.alerts.take(predictions, moves)
        dead += found.refuse(unordered)
        kept = Kept({**kept.tables, **more.tables}, {**kept.forgotten, **more.forgotten})
    outcome = Outcome(
        moves={**moves, **taken.moves},
        events=events,
        predictions=predictions,
        dead=dead_table(dead, parts.source.offset_type),
        tables=kept.tables,
        forgotten=kept.forgotten,
    )
    return Batch(
        outcome,
        np.array([record.published for record in found.records]),
        [each.step for each in dead],
        parts.scoring.pinned.references,
        taken.repeated,
    )


def _fitting(rows: pa.Table, sink: Sink) -> tuple[pa.Table, list[Refused]]:
    """Leave out rows that the sink cannot hold."""
    unfit = sink.unfit(rows)
    if not unfit:
        return rows, []
    found = rows.select([PARTITION, OFFSET]).take(pa.array(unfit, pa.int64()))
    refused = [
        Refused(partition, offset, reason, SINK)
        for (partition, offset), reason in zip(
            zip(*(column.to_pylist() for column in found.columns), strict=True),
            unfit.values(),
            strict=True,
        )
    ]
    fits = np.ones(rows.num_rows, dtype=bool)
    fits[list(unfit)] = False
    return rows.filter(pa.array(fits)), refused


def follow(
    records: Sequence[Record],
) -> tuple[Sequence[Record], dict[str, Move], dict[str, int]]:
    """Say how far records move their partitions, and how many there are of each.

    Where a partition was begun anew between two of its records, the ones before are left out.
    """
    begins: dict[str, int] = {}
    lasts: dict[str, Offset] = {}
    counts: dict[str, int] = {}
    again: dict[str, int] = {}
    for place, (partition, offset, _, _, before) in enumerate(records):
        if partition not in lasts:
            begins[partition], counts[partition] = place, 0
        elif lasts[partition] != before:
            begins[partition], counts[partition] = place, 0
            again[partition] = place
        lasts[partition] = offset
        counts[partition] += 1
    moves = {name: Move(records[place].before, lasts[name]) for name, place in begins.items()}
    if again:
        records = [
            record
            for place, record in enumerate(records)
            if place >= again.get(record.partition, 0)
        ]
    return records, moves, counts


def place_fields(offset_type: str) -> list[pa.Field]:
    """Give the columns that say where an event stands."""
    return [
        pa.field(PARTITION, pa.string()),
        pa.field(OFFSET, offset_arrow_type(offset_type)),
        pa.field(PUBLISHED, TIMESTAMP),
    ]


def _with_place(
    rows: pa.Table, records: Sequence[Record], places: Sequence[int], offset_type: str
) -> pa.Table:
    """Add where each event stands."""
    if len(places) < len(records):
        records = [records[place] for place in places]
    published = np.array([record.published for record in records], dtype=np.float64)
    values = (
        [record.partition for record in records],
        [record.offset for record in records],
        np.rint(published * _MICROSECONDS).astype(np.int64),
    )
    fields = place_fields(offset_type)
    columns = [pa.array(each, field.type) for each, field in zip(values, fields, strict=True)]
    return pa.Table.from_arrays(
        [*rows.columns, *columns], schema=pa.schema([*rows.schema, *fields])
    )


class _Found:
    """The records of a batch, and those that are dead letters already.

    Windows may give an event whose record was in an earlier batch: its bytes are on the bus alone.
    """

    def __init__(self, records: Sequence[Record], dead: list[Dead]) -> None:
        self.records, self.dead = records, dead
        self._found: dict[tuple[str, Offset], Record] | None = None

    def refuse(self, refused: Iterable[Refused]) -> list[Dead]:
        """Make dead letters of events."""
        return [Dead(self._find(each), each.step, each.reason) for each in refused]

    def _find(self, refused: Refused) -> Record:
        if self._found is None:
            self._found = {(each.partition, each.offset): each for each in self.records}
        place = refused.partition, refused.offset
        return self._found.get(place) or Record(*place, 0.0, b"", None)
