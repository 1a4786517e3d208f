"""A worker: takes events from a bus, scores them, and writes scores and offsets together.

While a batch is written the next one is read and scored. A batch that another worker had done
already takes the next one with it: both are read anew, behind the positions of the sink.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, NamedTuple

from ...errors import StreamError
from .assembling import assemble
from .batches import Batch, make_advance, make_batch, make_kept
from .definition import PARTITION
from .metrics import Metrics, serving_metrics
from .records import MovedError
from .totals import Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from .definition import Definition
    from .records import Offset, Record
    from .stages import Kept

_WAIT = 0.2
"""For how many seconds a worker waits for an event before it looks whether it is to stop."""
_LOOK_EVERY = 1.0
"""Seconds between two looks at how many events wait."""
_ASK_EVERY = 0.5
"""Seconds between two looks at partitions of others, by one that is to end when nothing waits."""


class Worker:
    """A worker of a definition, until it is stopped."""

    def __init__(
        self,
        definition: Definition,
        registry: str | Path | None = None,
        *,
        stop: threading.Event | None = None,
        told: Callable[[str], None] = lambda _: None,
        same_stream: bool = False,
    ) -> None:
        """Make its parts; nothing is connected yet.

        Parameters
        ----------
        definition
            What it does.
        registry
            Where the models are.
        stop
            Ends it, behind the batch under way.
        told
            Takes what a reader of a log would miss otherwise.
        same_stream
            Go on behind the positions though the stream of NATS was made anew: it has the same
            messages under the same numbers.

        Raises
        ------
        ForesqlError
            If a part cannot be had, or the query is refused.
        """
        self._stop = stop or threading.Event()
        self._parts = assemble(
            definition, registry, pause=self._stop.wait, told=told, same_stream=same_stream
        )
        self.totals = Totals()
        self._sink_lock = threading.Lock()
        self._writing: _Writing | None = None
        self._looked, self._asked = time.monotonic(), float("-inf")
        self._partitions: Sequence[str] = ()

    def run(
        self,
        *,
        until_empty: bool = False,
        flush: bool = False,
        each: Callable[[Totals], None] = lambda _: None,
    ) -> Totals:
        """Work until it is stopped, or with ``until_empty`` until no event waits.

        Parameters
        ----------
        until_empty
            End when all that was published is done.
        flush
            Then score what windows still hold back too; what comes later for that time is late.
        each
            Is called with the totals so far, several times a second.

        Raises
        ------
        StreamError
            If the bus or the sink cannot be used. What is not committed is not lost: the next
            worker goes on behind the sink's positions.
        """
        parts, metrics = self._parts, self._parts.definition.metrics
        with ExitStack() as stack:
            stack.enter_context(closing(parts.scoring))
            stack.enter_context(
                serving_metrics(
                    metrics.listen if metrics else None,
                    Metrics(parts.definition.name, self.totals),
                )
            )
            stack.enter_context(closing(parts.sink))
            writer = stack.enter_context(ThreadPoolExecutor(1, "foresql-sink"))
            try:
                self._open(stack)
                self._work(writer, until_empty=until_empty, each=each)
                self._settle()
                if flush and not self._stop.is_set():
                    self._flush(writer)
            except StreamError:
                # What waits for a sink or a bus ends by an error when it is to stop.
                if not self._stop.is_set():
                    self._stop.set()
                    raise
            except BaseException:
                # The thread that writes may wait for the sink, and is waited for.
                self._stop.set()
                raise
        return self.totals

    def _open(self, stack: ExitStack) -> None:
        parts = self._parts
        parts.sink.open(parts.shape)
        if parts.windows is not None:
            stack.enter_context(closing(parts.windows))
            parts.windows.open(self._read)
        if parts.alerts is not None:
            stack.enter_context(closing(parts.alerts))
            parts.alerts.open(self._read, self._keep)
        stack.enter_context(closing(parts.source))
        parts.source.open(self._positions)

    def _work(
        self,
        writer: ThreadPoolExecutor,
        *,
        until_empty: bool,
        each: Callable[[Totals], None],
    ) -> None:
        while not self._stop.is_set():
            records = self._poll()
            batch = make_batch(records, self._parts) if records else self._advance()
            settled = self._settle()
            if settled:
                self._write(writer, batch)
            elif batch is not None:
                self._begin_anew(batch)
            if until_empty and settled and batch is None and self._is_empty():
                return
            self._look()
            each(self.totals)

    def _advance(self) -> Batch | None:
        """Score what windows have ready though nothing came."""
        return make_advance(self._parts, list(self.totals.lag))

    def _flush(self, writer: ThreadPoolExecutor) -> None:
        """Score all that windows hold, of all partitions; again where another was quicker."""
        written = False
        while not written:
            self._write(writer, make_advance(self._parts, self._partitions, flush=True))
            written = self._settle()

    def _poll(self) -> Sequence[Record]:
        """Take what waits, and where the definition says so wait for more."""
        section, source = self._parts.definition.batch, self._parts.source
        records = source.poll(section.most, _WAIT)
        until, size = time.monotonic() + section.wait.total_seconds(), _size(records)
        while records and len(records) < section.most and size < section.most_bytes:
            left = until - time.monotonic()
            if left <= 0 or self._stop.is_set():
                break
            more = source.poll(section.most - len(records), min(left, _WAIT))
            records, size = records + more, size + _size(more)
        partitions = {record.partition for record in records}
        lost = {name for name in partitions if not source.owns(name)}
        return [each for each in records if each.partition not in lost] if lost else records

    def _write(self, writer: ThreadPoolExecutor, batch: Batch | None) -> None:
        if batch is not None:
            self._writing = _Writing(batch, writer.submit(self._commit, batch))

    def _commit(self, batch: Batch) -> _Committed:
        with self._sink_lock:
            repeated = self._parts.sink.write(batch.outcome)
        committed = _Committed(batch.repeated + repeated, time.time())
        if self._parts.alerts is not None:
            self._parts.alerts.publish()
        return committed

    def _settle(self) -> bool:
        """Wait until the batch under way is written; say whether it was not in vain."""
        writing, self._writing = self._writing, None
        if writing is None:
            return True
        try:
            repeated, committed = writing.future.result()
        except MovedError:
            self.totals.moved += 1
            self._begin_anew(writing.batch)
            return False
        self.totals.add(writing.batch, repeated, committed)
        moves = writing.batch.outcome.moves
        self._parts.source.done({name: moves[name].after for name in writing.batch.outcome.events})
        return True

    def _begin_anew(self, batch: Batch) -> None:
        """Read the partitions of a batch behind their positions; it was not written."""
        for stage in (self._parts.windows, self._parts.alerts):
            if stage is not None:
                stage.drop()
        for partition in batch.outcome.events:
            if self._parts.source.owns(partition):
                self._parts.source.seek(partition)

    def _look(self) -> None:
        """See how many events wait, once in a while."""
        now = time.monotonic()
        if now >= self._looked + _LOOK_EVERY:
            self._looked = now
            self.totals.lag = self._parts.source.lag()
            if self._parts.alerts is not None and self._writing is None:
                self._parts.alerts.publish(list(self.totals.lag))

    def _is_empty(self) -> bool:
        """Whether nothing waits in any partition, whoever has it."""
        self.totals.lag = lag = self._parts.source.lag()
        if any(lag.values()) or time.monotonic() < self._asked + _ASK_EVERY:
            return False
        waiting = {**self._parts.source.others(), **lag}
        self._asked, self._partitions = time.monotonic(), list(waiting)
        return not any(waiting.values())

    def _positions(self, partitions: Sequence[str]) -> Mapping[str, Offset]:
        with self._sink_lock:
            return self._parts.sink.positions(partitions)

    def _read(self, table: str, values: Sequence[str], column: str = PARTITION, /) -> pa.Table:
        with self._sink_lock:
            return self._parts.sink.read(table, values, column)

    def _keep(self, kept: Kept) -> None:
        with self._sink_lock:
            self._parts.sink.write(make_kept(kept, self._parts))


def _size(records: Sequence[Record]) -> int:
    return sum(len(record.payload or b"") for record in records)


class _Committed(NamedTuple):
    """How many predictions a batch left out, and when it was committed."""

    repeated: int
    at: float


class _Writing(NamedTuple):
    """A batch that is being written."""

    batch: Batch
    future: Future[_Committed]
