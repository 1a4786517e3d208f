"""What goes through a worker, and what buses and sinks must do.

Exactly once rests on one rule: a sink takes scores together with the offsets that they move, and
only where nobody moved those offsets before. Two workers that hold the same partition by mistake
both work, and one of them writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from ...errors import StreamError
from .definition import PARTITION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa


class MovedError(StreamError):
    """Somebody else moved a partition since its position was read: nothing was written."""


Offset: TypeAlias = "int | str"
"""Where a record stands in its partition: later ones compare greater. Texts have one length."""


class Record(NamedTuple):
    """One message of a bus.

    Attributes
    ----------
    partition, offset
        Where it stands.
    published
        When the bus took it, in seconds since the epoch, by the bus's clock.
    payload
        Its bytes; None where the bus tells an event without a value from an empty one.
    before
        The offset of the record that the source gave before it in its partition; for the first one
        behind a position, that position, and None where there was none. So the records themselves
        say what a batch follows, whatever was assigned, taken away or begun anew meanwhile.
    """

    partition: str
    offset: Offset
    published: float
    payload: bytes | None
    before: Offset | None


class Dead(NamedTuple):
    """A record that is not scored: at which step it ended, and why, without bytes of it.

    Steps are ``size``, ``decode``, ``time``, ``key``, ``late``, ``score``, ``sink`` and ``alert``.
    """

    record: Record
    step: str
    reason: str


class Move(NamedTuple):
    """How far a batch moves a partition: from the last record done before it, to its own."""

    before: Offset | None
    after: Offset


class Lag(NamedTuple):
    """What waits in a partition behind its position; None where the bus does not say it.

    Attributes
    ----------
    events
        How many records.
    seconds
        How long the first one has waited.
    """

    events: int | None
    seconds: float | None


class Source(Protocol):
    """A bus, as one worker sees it.

    Attributes
    ----------
    name
        What its positions are kept under: ``Definition.source_name``.
    offset_type
        The SQL type of its offsets: ``BIGINT`` or ``VARCHAR``.
    """

    name: str
    offset_type: str

    def open(self, positions: Callable[[Sequence[str]], Mapping[str, Offset]]) -> None:
        """Connect, and begin behind the positions, which are asked for whenever partitions come.

        ``positions`` gives the last offset that is done of each partition that has one.
        """
        ...

    def poll(self, most: int, wait: float) -> list[Record]:
        """Give at most so many records, each partition's in the order of offsets.

        Waits up to ``wait`` seconds for the first one. Where the bus is away it goes on trying,
        and gives none.
        """
        ...

    def owns(self, partition: str) -> bool:
        """Whether the worker still has a partition; records of others need not be scored."""
        ...

    def seek(self, partition: str) -> None:
        """Begin a partition anew, behind its position: what was polled of it is not done."""
        ...

    def done(self, positions: Mapping[str, Offset]) -> None:
        """Hear what was committed, so that the bus's own tools show it. Nothing rests on it."""
        ...

    def marks(self) -> Mapping[str, Move]:
        """Give what is to move with the next batch besides partitions: what is kept of the bus.

        It is given once, and anew when a partition is begun anew.
        """
        ...

    def lag(self) -> Mapping[str, int]:
        """Say how many records wait in each partition that the worker has, as far as is known."""
        ...

    def others(self) -> Mapping[str, int]:
        """Say of each partition that the worker does not have whether something waits: 1, or 0.

        That is what the bus has behind the sink's position, whoever has the partition, if anyone;
        1 also where the bus does not answer.
        """
        ...

    def close(self) -> None:
        """Give the partitions back, and disconnect."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a batch becomes, all of it or nothing.

    Attributes
    ----------
    moves
        The partitions that it moves.
    events
        How many events each partition gave: those scored, left out by WHERE, and dead.
    predictions
        The query's outputs, ``event_partition``, ``event_offset`` and the columns that say by which
        models: ``streams.task.STAMPS``.
    dead
        What could not be read or scored, with the columns of ``dead.dead_schema``.
    tables
        Rows for further tables, by name: what windows keep, alerts.
    forgotten
        Conditions on those tables: rows of a key before a time that are needed no more.
    """

    moves: Mapping[str, Move]
    events: Mapping[str, int]
    predictions: pa.Table
    dead: pa.Table
    tables: Mapping[str, pa.Table]
    forgotten: Mapping[str, Forgotten]


class Forgotten(NamedTuple):
    """Which rows of a table leave: those of a partition whose column is below a bound."""

    column: str
    before: Mapping[str, object]


class Sink(Protocol):
    """Where predictions go.

    Attributes
    ----------
    exactly_once
        Whether scores and offsets are one transaction; else a crash may write a batch twice.
    """

    exactly_once: bool

    def open(self, shape: Shape) -> None:
        """Connect, and make the tables that are not there.

        Raises
        ------
        StreamError
            If a table of that name has other columns.
        """
        ...

    def positions(self, partitions: Sequence[str]) -> Mapping[str, Offset]:
        """Give the last offset that is done of each partition that has one."""
        ...

    def read(self, table: str, values: Sequence[str], column: str = PARTITION, /) -> pa.Table:
        """Give the rows of one of the further tables whose column is one of some values."""
        ...

    def unfit(self, rows: pa.Table) -> Mapping[int, str]:
        """Say which rows have a value that it cannot hold, and why: these are not written."""
        ...

    def write(self, outcome: Outcome) -> int:
        """Write a batch and its moves in one transaction, waiting where another holds the sink.

        Returns
        -------
        int
            How many predictions were left out, since one of their event is there already.

        Raises
        ------
        MovedError
            If somebody else moved a partition: nothing was written.
        """
        ...

    def close(self) -> None:
        """Disconnect."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a sink's tables must look like.

    Attributes
    ----------
    source
        The name under which positions are kept.
    worker
        Who writes: the ``run_id`` of its predictions.
    offset_type
        The SQL type of ``event_offset``.
    predictions
        The columns of the predictions.
    key
        The columns by which an event is known again, though it was published twice; else none.
    tables
        The columns of further tables, ``event_partition`` among them.
    claims
        Which of those have claims of keys: a batch with one that is there already is not written.
    """

    source: str
    worker: str
    offset_type: str
    predictions: pa.Schema
    key: tuple[str, ...]
    tables: Mapping[str, pa.Schema]
    claims: tuple[str, ...] = ()
