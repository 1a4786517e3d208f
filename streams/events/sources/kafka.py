"""Kafka as a source: the group shares the partitions, and each is begun behind its position.

What the group commits is for the tools that show lag. Positions are the sink's.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ....errors import StreamError
from ..definition import LATEST
from ..kafka_client import ANSWERING, client_settings, confluent_kafka
from ..records import Lag, Record
from .lost import LOG, say_lost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..definition import Definition
    from ..records import Move, Offset

_LEAST_QUEUED = 1024
_MOST_KILOBYTES = 16384
_LAST_SECOND = 253_402_300_799.0
"""The end of the year 9999, which is as late as all sinks know."""
_WAIT = 0.1


@dataclass(slots=True)
class _Partition:
    """One that this worker has: what was given last, what comes next, and where it began."""

    before: int | None
    next: int
    begun: int


class KafkaSource:
    """A topic: see :class:`~foresql.streams.events.records.Source`."""

    offset_type: str = "BIGINT"

    def __init__(self, definition: Definition) -> None:
        """Take the topic from the definition, and secrets from the environment.

        Raises
        ------
        StreamError
            If confluent-kafka is not installed, or the environment is contradictory.
        """
        source = definition.source
        self.name = definition.source_name
        self._library = confluent_kafka()
        self._bus = source.bus
        self._topic = source.stream or ""
        self._at_end = source.start == LATEST
        self._is_away = False
        self._partitions: dict[int, _Partition] = {}
        self._positions: Callable[[Sequence[str]], Mapping[str, Offset]] = lambda _: {}
        self._consumer: Any = None
        self._settings = client_settings(source.bus) | {
            "group.id": f"foresql-{definition.name}-{source.stream}",
            "session.timeout.ms": int(source.lease.total_seconds() * 1000),
            "heartbeat.interval.ms": int(source.lease.total_seconds() * 1000 / 3),
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            # A position that the topic has no more is said, and not quietly another one.
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "queued.min.messages": max(_LEAST_QUEUED, 2 * definition.batch.most),
            "queued.max.messages.kbytes": _MOST_KILOBYTES,
            "log_level": 0,  # errors come by error_cb too
            "fetch.queue.backoff.ms": 10,
            "error_cb": self._note,
        }

    def open(self, positions: Callable[[Sequence[str]], Mapping[str, Offset]]) -> None:
        """Connect, find the topic, and join the group."""
        self._positions = positions
        try:
            self._consumer = self._library.Consumer(self._settings)
            found = self._consumer.list_topics(self._topic, timeout=ANSWERING)
            error = found.topics[self._topic].error
        except self._library.KafkaException as refused:
            error = refused.args[0]
        if error is not None:
            self.close()
            message = f"{self._bus}, topic {self._topic}: {error.str()}"
            raise StreamError(message)
        self._consumer.subscribe(
            [self._topic], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._revoke
        )

    def poll(self, most: int, wait: float) -> list[Record]:
        """Give what came: no longer waited for than until there is something."""
        until = time.monotonic() + wait
        while True:
            left = until - time.monotonic()
            messages = self._consumer.consume(1, max(left, 0))
            if messages and most > 1:  # more is not waited for
                messages += self._consumer.consume(most - 1, 0)
            records = [found for each in messages if (found := self._record(each)) is not None]
            if records or left <= 0:
                return records

    def owns(self, partition: str) -> bool:
        """Whether the group gave the partition to this worker."""
        return any(self._label(number) == partition for number in self._partitions)

    def seek(self, partition: str) -> None:
        """Read a partition anew, behind its position, or from where it was begun."""
        number = int(partition.removeprefix(f"{self._topic}-"))
        if number in self._partitions:
            known = self._partitions[number]
            position = self._positions([partition]).get(partition)
            self._partitions[number] = known = _begun(position, known.begun)
            self._consumer.seek(self._place(number, known.next))

    def done(self, positions: Mapping[str, Offset]) -> None:
        """Commit to the group, for tools that show lag."""
        places = [
            self._place(number, int(positions[self._label(number)]) + 1)
            for number in self._partitions
            if self._label(number) in positions
        ]
        if places:
            with contextlib.suppress(self._library.KafkaException):
                self._consumer.commit(offsets=places, asynchronous=True)

    def marks(self) -> Mapping[str, Move]:
        """Give none."""
        return {}

    def lag(self) -> Mapping[str, int]:
        """Say how far each partition's end is, by the last word of its broker."""
        return {self._label(number): self._lag(number) for number in self._partitions}

    def others(self) -> Mapping[str, int]:
        """Hold the ends of partitions against positions, and read what is between."""
        try:
            return {self._label(number): waits for number, waits in self._others().items()}
        except self._library.KafkaException:
            return {self._topic: 1}

    def behind(self, positions: Mapping[str, str]) -> dict[str, Lag]:
        """Hold the ends of partitions against positions, without joining the group.

        Raises
        ------
        StreamError
            If no broker answers, or there is no such topic.
        """
        consumer = None
        try:
            # What it hears of brokers is for a worker's log; here it is said once, as an error.
            consumer = self._library.Consumer(self._settings | {"error_cb": lambda _: None})
            topic = consumer.list_topics(self._topic, timeout=ANSWERING).topics[self._topic]
            self._check(topic.error)
            found: dict[str, Lag] = {}
            for number in sorted(topic.partitions):
                first, end = consumer.get_watermark_offsets(self._place(number), timeout=ANSWERING)
                position = positions.get(self._label(number))
                if position is not None or not self._at_end:
                    begin = first if position is None else max(int(position) + 1, first)
                    found[self._label(number)] = Lag(max(end - begin, 0), None)
        except self._library.KafkaException as error:
            message = f"{self._bus}, topic {self._topic}: {error.args[0].str()}"
            raise StreamError(message) from error
        finally:
            if consumer is not None:
                consumer.close()
        return found

    def close(self) -> None:
        """Leave the group, which gives the partitions to others at once."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
            self._partitions.clear()

    def _check(self, error: Any) -> None:
        if error is not None:
            raise self._library.KafkaException(error)

    def _record(self, message: Any) -> Record | None:
        """Make a record; an event of the client, such as the end of a partition, is none."""
        number, error = message.partition(), message.error()
        if error is not None:
            self._hear(number, error, message.offset())
            return None
        if self._is_away:
            self._is_away = False
            LOG.warning("The bus %s is back.", self._bus)
        known = self._partitions.get(number)
        if known is None:
            return None
        offset = message.offset()
        _, milliseconds = message.timestamp()
        # A producer may write any number there.
        published = min(max(milliseconds, 0) / 1e3, _LAST_SECOND)
        record = Record(self._label(number), offset, published, message.value(), known.before)
        known.before, known.next = offset, offset + 1
        return record

    def _hear(self, number: int, error: Any, offset: int) -> None:
        codes = self._library.KafkaError
        known = self._partitions.get(number)
        match error.code():
            case codes._PARTITION_EOF:  # noqa: SLF001 - its name
                # What is before the end and was not given are marks of transactions.
                if known is not None:
                    known.next = max(known.next, offset)
            case codes._AUTO_OFFSET_RESET | codes.OFFSET_OUT_OF_RANGE if known is not None:  # noqa: SLF001
                self._find_again(number, known)
            case codes.TOPIC_AUTHORIZATION_FAILED | codes.UNKNOWN_TOPIC_OR_PART:
                message = f"{self._bus}, topic {self._topic}: {error.str()}"
                raise StreamError(message)
            case _:
                LOG.debug("%s: %s", self._bus, error.str())

    def _find_again(self, number: int, known: _Partition) -> None:
        """Go to the first event that is there, where retention dropped the next one."""
        first, end = self._ends(number)
        if known.next > end:
            message = (
                f"{self._label(number)} ends at {end - 1}, and was read up to {known.next - 1}: "
                "the topic was made anew, or lost events. Its offsets would mean other events than "
                "those scored.\n  What to do: give the worker another name in its definition and "
                "another table."
            )
            raise StreamError(message)
        if known.next < first:
            say_lost(self._label(number), known.next, first - 1)
            known.next = first
        self._consumer.seek(self._place(number, known.next))

    def _assign(self, consumer: Any, places: Sequence[Any]) -> None:
        """Begin partitions that the group gave to this worker."""
        done = self._positions([self._label(each.partition) for each in places])
        for place in places:
            position = done.get(self._label(place.partition))
            begun = 0 if position is not None else self._ends(place.partition)[self._at_end]
            self._partitions[place.partition] = known = _begun(position, begun)
            place.offset = known.next
        consumer.assign(places)

    def _revoke(self, _: Any, places: Sequence[Any]) -> None:
        for place in places:
            self._partitions.pop(place.partition, None)

    def _ends(self, number: int) -> tuple[int, int]:
        """Ask for the first offset of a partition, and the one behind its last."""
        try:
            return self._consumer.get_watermark_offsets(self._place(number), timeout=ANSWERING)
        except self._library.KafkaException as error:
            message = f"{self._bus}, {self._label(number)}: {error.args[0].str()}"
            raise StreamError(message) from error

    def _lag(self, number: int) -> int:
        known = self._partitions[number]
        ends = self._consumer.get_watermark_offsets(self._place(number), cached=True)
        # Until the broker tells, one is supposed: nobody takes the partition as empty.
        return max(ends[1] - known.next, 0) if ends is not None and ends[1] >= 0 else 1

    def _others(self) -> dict[int, int]:
        known = self._consumer.list_topics(self._topic, timeout=ANSWERING).topics[self._topic]
        others = [number for number in known.partitions if number not in self._partitions]
        done = self._positions([self._label(number) for number in others])
        found, begins = dict.fromkeys(others, 0), list[Any]()
        for number in others:
            place = self._place(number)
            first, end = self._consumer.get_watermark_offsets(place, timeout=ANSWERING)
            position = done.get(self._label(number))
            if position is None:
                begin = end if self._at_end else first
            else:
                begin = max(int(position) + 1, first)
            if begin < end:
                begins.append(self._place(number, begin))
        return found | self._waiting(begins)

    def _waiting(self, begins: Sequence[Any]) -> dict[int, int]:
        """See whether there are events from some places on, or marks of transactions alone."""
        waits = dict.fromkeys((place.partition for place in begins), 1)
        reader = self._library.Consumer(self._settings)
        try:
            reader.assign(list(begins))
            unknown, until = set(waits), time.monotonic() + ANSWERING
            while unknown and time.monotonic() < until:
                message = reader.poll(_WAIT)
                if message is None:
                    continue
                unknown.discard(message.partition())
                error = message.error()
                if error is not None and error.code() == self._library.KafkaError._PARTITION_EOF:  # noqa: SLF001 - its name
                    waits[message.partition()] = 0
        finally:
            reader.close()
        return waits

    def _label(self, number: int) -> str:
        return f"{self._topic}-{number}"

    def _place(self, number: int, *offset: int) -> Any:
        return self._library.TopicPartition(self._topic, number, *offset)

    def _note(self, error: Any) -> None:
        """Hear from the client's thread that no broker is there; it goes on trying by itself."""
        down = self._library.KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001 - its name
        if error.code() == down and not self._is_away:
            self._is_away = True
            LOG.warning(
                "No broker of %s is there; the worker goes on when the bus is back.", self._bus
            )


def _begun(position: Offset | None, begun: int) -> _Partition:
    if position is None:
        return _Partition(None, begun, begun)
    return _Partition(int(position), int(position) + 1, begun)
