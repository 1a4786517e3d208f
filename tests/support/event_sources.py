"""A source as a test reads it, behind positions that a sink would keep."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from children import PATIENCE

from foresql.streams.events.definition import (
    BatchSection,
    Definition,
    EventsSection,
    SinkSection,
    SourceSection,
)
from foresql.streams.events.records import Offset, Record, Source
from foresql.streams.events.sources import open_source


def definition(bus: str, stream: str, most: int = 4096, **source: Any) -> Definition:
    return Definition(
        name="w",
        query="SELECT 1",
        folder=Path(),
        source=SourceSection(bus=bus, stream=stream, **source),
        events=EventsSection(),
        batch=BatchSection(most=most),
        sink=SinkSection(to="duckdb:scores.duckdb"),
        window=None,
        alerts=None,
        metrics=None,
    )


class Reading:
    """A source, and the positions that it is begun behind: those that were committed."""

    def __init__(self, source: Source, positions: dict[str, Offset]) -> None:
        self.source = source
        self.positions = positions

    def until(self, is_done: Callable[[list[Record]], bool]) -> list[Record]:
        """Poll until enough came."""
        records: list[Record] = []
        end = time.monotonic() + PATIENCE
        while not is_done(records):
            assert time.monotonic() < end, f"only {len(records)} records came"
            records += self.source.poll(1000, 0.2)
        return records

    def read(self, count: int, most: int = 10_000) -> list[Record]:
        """Poll until so many came, and not one more; each time at most so many."""
        records: list[Record] = []
        end = time.monotonic() + PATIENCE
        while len(records) < count:
            assert time.monotonic() < end, f"only {len(records)} of {count} records came"
            records += self.source.poll(min(most, count - len(records)), 0.2)
        assert len(records) == count
        return records

    def commit(self, records: Sequence[Record]) -> None:
        for record in records:
            self.positions[record.partition] = record.offset


@contextmanager
def reading(made: Definition, positions: Mapping[str, Offset] | None = None) -> Iterator[Reading]:
    source = open_source(made)
    found = Reading(source, dict(positions or {}))
    source.open(lambda names: {n: found.positions[n] for n in names if n in found.positions})
    try:
        yield found
    finally:
        source.close()
