"""NATS JetStream as a source: subjects of a stream are partitions, its numbers the offsets."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from ....errors import StreamError
from ..definition import LATEST
from ..nats_client import LoopThread
from .leases import Leases
from .nats_mark import StreamMark
from .nats_reader import Plan, SubjectReader
from .nats_session import NatsSession
from .nats_stream import overlap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nats.aio.client import Client

    from ..definition import Definition
    from ..records import Move, Offset, Record

_LEAST_ROOM = 1024
_CLOSING = 7.0


class NatsSource:
    """A stream: see :class:`~foresql.streams.events.records.Source`."""

    offset_type: str = "BIGINT"

    def __init__(self, definition: Definition, *, same_stream: bool = False) -> None:
        """Take the stream and its partitions from the definition.

        Raises
        ------
        StreamError
            If a message can be of two partitions.
        """
        source = definition.source
        _check_apart(source.subjects)
        self.name = definition.source_name
        self._bus = source.bus
        self._stream = source.stream or ""
        self._subjects = source.subjects
        self._partitions = source.subjects or (self._stream,)
        self._mark = StreamMark(self._stream, is_same=same_stream)
        self._plan = Plan(
            stream=self._stream,
            worker=f"foresql-{definition.name}",
            whole=not source.subjects,
            at_end=source.start == LATEST,
            room=max(_LEAST_ROOM, 2 * definition.batch.most),
        )
        self._readers: dict[str, SubjectReader] = {}
        self._held: frozenset[str] = frozenset()
        self._leases = Leases(
            f"{definition.name}_{self._stream}",
            self._partitions,
            source.lease,
            self._hold,
            f"{definition.sink.to} {definition.sink.table}",
        )
        self._wake = threading.Event()
        self._failure: StreamError | None = None
        self._positions: Callable[[Sequence[str]], Mapping[str, Offset]] = lambda _: {}
        self._thread: LoopThread | None = None

    def open(self, positions: Callable[[Sequence[str]], Mapping[str, Offset]]) -> None:
        """Connect, and find the stream; see that it is the one that positions are of."""
        self._positions = positions
        self._thread = LoopThread("foresql-nats")
        self._session = NatsSession(self._bus, self._plan.worker, self._share, self._fail)
        try:
            created = self._thread.call(self._session.open(self._stream, self._subjects))
            self._plan = replace(self._plan, created=created)
            self._mark.found(created)
            self._mark.check(positions([self._mark.name]).get(self._mark.name))
        except StreamError:
            self._thread.call(self._session.abandon())
            self._thread.close()
            self._thread = None
            raise
        self._running = self._thread.start(self._session.run())

    def poll(self, most: int, wait: float) -> list[Record]:
        """Give what came, of each partition in turn."""
        until = time.monotonic() + wait
        while True:
            if self._failure is not None:
                raise self._failure
            self._wake.clear()
            if self._held != self._readers.keys():
                self._follow()
            records = self._take(most)
            left = until - time.monotonic()
            if records or left <= 0:
                return records
            self._wake.wait(left)

    def owns(self, partition: str) -> bool:
        """Whether the partition is this worker's."""
        return partition in self._held and partition in self._readers

    def seek(self, partition: str) -> None:
        """Read a partition anew, behind its position, or from where it was begun."""
        reader = self._readers.get(partition)
        if reader is not None:
            self._stop(partition)
            self._start([partition], reader.begun)

    def done(self, positions: Mapping[str, Offset]) -> None:
        """Do nothing: the server keeps no positions of workers."""

    def marks(self) -> Mapping[str, Move]:
        """Give when the stream was made, where that is not kept yet."""
        return self._mark.moves()

    def lag(self) -> Mapping[str, int]:
        """Say what the server told last, and what waits here."""
        return {partition: reader.lag for partition, reader in self._readers.items()}

    def others(self) -> Mapping[str, int]:
        """Ask the stream for the next message behind each position."""
        others = [each for each in self._partitions if each not in self._readers]
        if not others or self._thread is None:
            return {}
        done = self._positions(others)
        begins = {each: int(done[each]) + 1 if each in done else 1 for each in others}
        if self._plan.at_end:  # what comes before a worker takes it is not asked for
            begins = {each: begin for each, begin in begins.items() if each in done}
        subjects = {(">" if self._plan.whole else each): begin for each, begin in begins.items()}
        found = self._thread.call(self._session.waiting(self._stream, subjects))
        named = zip(begins, found, strict=True)
        return dict.fromkeys(others, 0) | {each: int(waits) for each, waits in named}

    def close(self) -> None:
        """Give the partitions back to other workers, and disconnect."""
        if self._thread is None:
            return
        self._leases.end()
        self._thread.call(self._session.end())
        with contextlib.suppress(TimeoutError):  # it may be trying to connect
            self._running.result(_CLOSING)
        self._thread.close()
        self._thread = None
        self._readers.clear()

    def _take(self, most: int) -> list[Record]:
        records: list[Record] = []
        for partition in list(self._readers):
            reader = self._readers[partition]
            if reader.records and len(records) < most:
                reader.take(most - len(records), records)
                self._readers[partition] = self._readers.pop(partition)  # to the end of the row
            if reader.is_hungry and self._thread is not None:
                self._thread.loop.call_soon_threadsafe(reader.ask)
        return records

    def _follow(self) -> None:
        """Begin what came to this worker, and stop what left it."""
        held = self._held
        for partition in self._readers.keys() - held:
            self._stop(partition)
        new = [each for each in self._partitions if each in held - self._readers.keys()]
        if new:
            self._start(new, None)

    def _start(self, partitions: Sequence[str], begun: int | None) -> None:
        done = self._positions([*partitions, self._mark.name])
        self._mark.check(done.get(self._mark.name))
        for partition in partitions:
            position = done.get(partition)
            begin = (None, begun) if position is None else (int(position), None)
            reader = SubjectReader(self._plan, partition, begin, self._wake)
            self._readers[partition] = reader
            if self._thread is not None:
                self._thread.loop.call_soon_threadsafe(self._session.add, reader)

    def _stop(self, partition: str) -> None:
        reader = self._readers.pop(partition)
        if self._thread is not None:
            self._thread.loop.call_soon_threadsafe(self._session.remove, reader)

    async def _share(self, client: Client) -> None:
        """Take this worker's part of the partitions, as long as a connection lives."""
        await self._leases.run(client, self._session.replicas)

    def _hold(self, partitions: frozenset[str]) -> None:
        if partitions != self._held:
            self._held = partitions
            self._wake.set()

    def _fail(self, error: StreamError) -> None:
        self._failure = error
        self._wake.set()


def _check_apart(subjects: Sequence[str]) -> None:
    for one, other in combinations(subjects, 2):
        if overlap(one, other):
            message = (
                f"[source] subjects: messages can be of {one} and of {other}, and an event of both "
                "would be scored twice. Name subjects that share no messages."
            )
            raise StreamError(message)
