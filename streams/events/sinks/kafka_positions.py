"""The positions of a worker's partitions, in a compacted topic that is read to its end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ....errors import StreamError
from ..kafka_client import client_settings, confluent_kafka

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..records import Offset, Shape

PARTITION_OF_POSITIONS = 0
"""All positions are in one partition, so that there is one end to read to."""
_ANSWERING = 2.0
"""Seconds that a broker may take, before it is said to be away and asked again."""


class PositionTopic:
    """What workers wrote of their positions; the greatest of each partition holds."""

    def __init__(self, bus: str, topic: str, shape: Shape) -> None:
        """Connect; nothing is read before it is asked for."""
        self._topic, self._shape = topic, shape
        self._library = confluent_kafka()
        self._found: dict[str, Offset] = {}
        self._next = 0
        self._consumer: Any = self._library.Consumer(
            client_settings(bus)
            | {
                # The client wants a group, and never joins it: partitions are assigned by hand.
                "group.id": "foresql-positions",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,  # it is fetched only where something is there
                "log_level": 0,
                "error_cb": lambda _: None,
            }
        )

    def read(self, partitions: Sequence[str]) -> Mapping[str, Offset]:
        """Give the positions as of now.

        Raises
        ------
        StreamError
            If the topic may have lost the position of a partition.
        confluent_kafka.KafkaException
            If no broker answers.
        """
        place = self._library.TopicPartition(self._topic, PARTITION_OF_POSITIONS)
        first, end = self._consumer.get_watermark_offsets(place, timeout=_ANSWERING)
        if end < self._next:
            message = (
                f"The topic {self._topic} ends at {end}, and was read up to {self._next}: it was "
                "made anew, or lost positions.\n  What to do: see that it has the positions that "
                "are meant, and start the worker again."
            )
            raise StreamError(message)
        if self._next < end:
            self._read_to(end)
        lost = [each for each in partitions if first and self._key(each) not in self._found]
        if lost:
            message = (
                f"The topic {self._topic} dropped its first {first} messages, so that nobody knows "
                f"whether {', '.join(lost)} had a position there.\n  What to do: make the topic "
                "anew with cleanup.policy=compact, which drops no last position, and write the "
                "positions that are still known into it; or write to another topic."
            )
            raise StreamError(message)
        there = {each: self._found.get(self._key(each)) for each in partitions}
        return {each: offset for each, offset in there.items() if offset is not None}

    def message(self, partition: str, after: Offset) -> tuple[bytes, bytes]:
        """Write a position: its key and its value."""
        said = {
            "partition": partition,
            "last_offset": after,
            "source": self._shape.source,
            "worker": self._shape.worker,
        }
        return self._key(partition).encode(), json.dumps(said).encode()

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()

    def _key(self, partition: str) -> str:
        return f"{self._shape.source}/{partition}"

    def _read_to(self, end: int) -> None:
        """Fetch what is new; between, nothing is fetched, and so nothing waits for a fetch."""
        place = self._library.TopicPartition(self._topic, PARTITION_OF_POSITIONS, self._next)
        self._consumer.assign([place])
        try:
            while self._next < end:
                self._take(self._consumer.poll(_ANSWERING))
        finally:
            self._consumer.unassign()

    def _take(self, message: Any) -> None:
        codes = self._library.KafkaError
        if message is None:
            raise self._library.KafkaException(codes(codes._TIMED_OUT))  # noqa: SLF001 - its name
        error = message.error()
        if error is not None:
            if error.code() != codes._PARTITION_EOF:  # noqa: SLF001 - its name
                raise self._library.KafkaException(error)
            # What is before the end and was not given was compacted away.
            self._next = max(self._next, message.offset())
            return
        self._next = message.offset() + 1
        key = (message.key() or b"").decode(errors="replace")
        if not key.startswith(f"{self._shape.source}/"):
            return
        if message.value() is None:  # a tombstone: somebody wants the partition scored again
            self._found.pop(key, None)
            return
        offset = json.loads(message.value())["last_offset"]
        # A worker that was held up may write an older one behind it.
        self._found[key] = max(self._found.get(key, offset), offset)
