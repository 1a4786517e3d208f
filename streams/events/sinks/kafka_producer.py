"""Messages to Kafka, each acknowledged by all replicas, or said to be refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ....errors import StreamError
from ..kafka_client import ANSWERING, client_settings, confluent_kafka

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_LOOKS_EVERY = 2.0
"""Seconds without a delivery after which the bus is said to be away."""


class Message(NamedTuple):
    """What is published: where, under which key, and what."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: Mapping[str, bytes | None]


class Deliveries:
    """A client that sends, and knows whether all of it arrived."""

    def __init__(
        self, bus: str, *, pause: Callable[[float], object], told: Callable[[str], None]
    ) -> None:
        """Connect; nothing is asked yet."""
        self._library = confluent_kafka()
        self._bus, self._pause, self._told = bus, pause, told
        self._failed: tuple[str, Any] | None = None
        self._producer: Any = self._library.Producer(
            client_settings(bus)
            | {
                "enable.idempotence": True,
                "acks": "all",
                "message.timeout.ms": 0,  # a broker that is away is waited for
                "allow.auto.create.topics": False,
                "linger.ms": 1,
                "compression.type": "lz4",
                "log_level": 0,  # errors come by error_cb too
                "error_cb": self._note,
            }
        )

    def count_partitions(self, topics: Sequence[str]) -> Mapping[str, int | None]:
        """Say how many partitions topics have; None for one that is not there.

        Raises
        ------
        StreamError
            If no broker answers, or one refuses.
        """
        try:
            # A topic that is asked for by name might be made, with settings that lose positions.
            found = self._producer.list_topics(timeout=ANSWERING).topics
        except self._library.KafkaException as refused:
            message = f"The sink {self._bus} was not reached: {refused.args[0].str()}"
            raise StreamError(message) from refused
        for name in topics:
            if name in found and found[name].error is not None:
                raise refusal(self._bus, name, found[name].error)
        return {name: len(found[name].partitions) if name in found else None for name in topics}

    def send(self, message: Message) -> None:
        """Hand over a message, which is there after the next ``flush``.

        Raises
        ------
        StreamError
            If it is refused.
        """
        if not self.fits(message):
            error = self._library.KafkaError(self._library.KafkaError.MSG_SIZE_TOO_LARGE)
            raise refusal(self._bus, message.topic, error)

    def fits(self, message: Message) -> bool:
        """Hand over a message, or say that it is larger than the client sends."""
        while True:
            try:
                self._producer.produce(
                    message.topic,
                    message.value,
                    key=message.key,
                    partition=message.partition,
                    headers=list(message.headers.items()),
                    on_delivery=self._hear,
                )
            except BufferError:  # the client holds as many as it may
                self.flush()
            except self._library.KafkaException as refused:
                error = refused.args[0]
                if error.code() != self._library.KafkaError.MSG_SIZE_TOO_LARGE:
                    raise refusal(self._bus, message.topic, error) from refused
                return False
            else:
                return True

    def flush(self) -> None:
        """Wait until all replicas have what was sent.

        Raises
        ------
        StreamError
            If a message was refused, or the bus is away and the worker is to stop.
        """
        waiting, is_told = len(self._producer), False
        while left := self._producer.flush(_LOOKS_EVERY):
            self._check()
            if left == waiting:
                if not is_told:
                    self._told(f"The sink {self._bus} takes nothing, and is waited for.")
                    is_told = True
                if self._pause(0):
                    raise stopped(self._bus)
            waiting = left
        self._check()

    def close(self) -> None:
        """Disconnect; what was not delivered is not sent later."""
        self._producer.purge()
        self._producer.flush(0)

    def _hear(self, error: Any, message: Any) -> None:
        """Hear what became of a message."""
        if error is not None and self._failed is None:
            self._failed = message.topic(), error

    def _note(self, error: Any) -> None:
        """Hear of the client's troubles: it gets over all but the fatal ones by itself."""
        if error.fatal() and self._failed is None:
            self._failed = "", error

    def _check(self) -> None:
        if self._failed is not None:
            raise refusal(self._bus, *self._failed)


def refusal(bus: str, topic: str, error: Any) -> StreamError:
    """Say what a broker, or its client, does not do."""
    more = ""
    if error.code() == confluent_kafka().KafkaError.MSG_SIZE_TOO_LARGE:
        more = "\n  What to do: raise the topic's max.message.bytes to 1048588, or more."
    where = f", topic {topic}" if topic else ""
    return StreamError(f"The sink {bus}{where}: {error.str()}. No position was moved.{more}")


def stopped(bus: str) -> StreamError:
    """Say that a worker was to stop while it waited."""
    return StreamError(f"The sink {bus} was not reached before the worker was to stop.")
