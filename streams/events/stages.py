"""What a batch passes through besides the query: windows before it, alerts behind it.

Both keep state in tables of the sink. What they hold in memory of a partition is as of an offset: a
batch whose move does not begin there reads the tables again. So nobody needs to tell them that a
partition was taken away, or that a batch was not written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from .dead import SCORE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import timedelta

    import pyarrow as pa

    from .records import Forgotten, Move, Offset

    class Read(Protocol):
        """Reads rows of a table: ``Sink.read``."""

        def __call__(self, table: str, values: Sequence[str], column: str = ..., /) -> pa.Table:
            """Read those whose column, the partition unless said, is one of the values."""
            ...


class Query(NamedTuple):
    """A row-by-row query: its text, what it calls its table, and that table's columns."""

    text: str
    table: str
    columns: pa.Schema


class Refused(NamedTuple):
    """An event that is not scored, why, and at which step."""

    partition: str
    offset: Offset
    reason: str
    step: str = SCORE


class Kept(NamedTuple):
    """What goes to further tables of the sink with a batch: ``Outcome.tables``, ``forgotten``."""

    tables: Mapping[str, pa.Table]
    forgotten: Mapping[str, Forgotten]


class Alerted(NamedTuple):
    """What alerts make of a batch: what they keep, and events that have no part in them."""

    kept: Kept
    refused: Sequence[Refused]


class Taken(NamedTuple):
    """What windows make of a batch.

    Attributes
    ----------
    rows
        Events that are ready, with their features; they may be of earlier batches.
    refused
        Events that are late, or whose features cannot be computed; so may these.
    kept
        Their state.
    moves
        What must move with the batch, besides its partitions: the state of windows goes on without
        an offset when they are flushed.
    repeated
        How many events were left out, since they were published twice.
    """

    rows: pa.Table
    refused: Sequence[Refused]
    kept: Kept
    moves: Mapping[str, Move]
    repeated: int


class Windows(Protocol):
    """Windows over event time: hold events back until their windows are whole.

    Attributes
    ----------
    query
        The row-by-row part of the scoring query, over rows with features.
    tables
        The columns of the tables that they keep.
    claims
        Which of those have claims of keys, each of them once.
    lookback
        How far the features of an event reach behind its time.
    """

    query: Query
    tables: Mapping[str, pa.Schema]
    claims: tuple[str, ...]
    lookback: timedelta

    def open(self, read: Read) -> None:
        """Take what reads a table's rows of partitions, or of keys: ``Sink.read``."""
        ...

    def take(self, rows: pa.Table, moves: Mapping[str, Move]) -> Taken:
        """Take a batch: events with ``event_partition``, ``event_offset``, ``event_published``."""
        ...

    def advance(self, partitions: Sequence[str], *, flush: bool = False) -> Taken | None:
        """Take what is ready since nothing came to partitions for long; with ``flush``, all.

        None where that is nothing. It is written as a batch is, with no move but its own.
        """
        ...

    def drop(self) -> None:
        """Forget what is in memory, since it was not written: the tables are read again."""
        ...

    def close(self) -> None:
        """Let go of what they compute with."""
        ...


class Alerts(Protocol):
    """Alerts with hysteresis: opened and closed by scores, in order of event time.

    Attributes
    ----------
    tables
        The columns of the tables that they keep.
    claims
        Which of those have claims of keys, each of them once.
    """

    tables: Mapping[str, pa.Schema]
    claims: tuple[str, ...]

    def open(
        self,
        read: Read,
        write: Callable[[Kept], None],
    ) -> None:
        """Take ``Sink.read``, and what writes rows to tables on their own."""
        ...

    def take(self, predictions: pa.Table, moves: Mapping[str, Move]) -> Alerted:
        """Take a batch's predictions, and the moves of its partitions."""
        ...

    def publish(self, partitions: Sequence[str] = ()) -> None:
        """Publish what was committed and is not published yet, that of ``partitions`` too."""
        ...

    def drop(self) -> None:
        """Forget what is in memory, since it was not written: the tables are read again."""
        ...

    def close(self) -> None:
        """Disconnect."""
        ...
