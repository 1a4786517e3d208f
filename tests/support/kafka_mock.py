"""librdkafka's mock cluster: it speaks Kafka's protocol over TCP, also to other processes.

It has topics, groups and their rebalancing, commits and fetches. It has no admin calls, keeps no
transactions, forgets everything at its end, and gives each topic four partitions.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from children import PATIENCE
from confluent_kafka import Consumer, Message, Producer, TopicPartition

PARTITIONS = 4


class KafkaMock:
    """A cluster of one broker, in a process of its own, that can be stopped and continued."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self.address = json.loads(self._process.stdout.readline())
        self.url = f"kafka://{self.address}"
        settings = {"bootstrap.servers": self.address, "linger.ms": 0, "log_level": 0}
        self._producer = Producer(settings)

    def publish(
        self,
        topic: str,
        messages: Iterable[tuple[int, bytes | None]],
        *,
        key: bytes | None = None,
        milliseconds: int = 0,
    ) -> None:
        """Publish partitions and payloads, at a time or now; return when all are stored."""
        failures = []
        for partition, payload in messages:
            self._producer.produce(
                topic,
                payload,
                key,
                partition=partition,
                timestamp=milliseconds,
                on_delivery=lambda error, _: failures.append(error) if error else None,
            )
            self._producer.poll(0)
        assert self._producer.flush(PATIENCE) == 0
        assert failures == []

    def make(self, *topics: str) -> None:
        """Make topics, which the cluster does where a client asks for them by name."""
        for topic in topics:
            self._producer.list_topics(topic, timeout=PATIENCE)

    def read(self, topic: str) -> list[Message]:
        """Give all messages of a topic, each partition's in order."""
        settings = {"bootstrap.servers": self.address, "group.id": "reader", "log_level": 0}
        consumer = Consumer(settings | {"enable.auto.commit": False, "fetch.wait.max.ms": 10})
        try:
            return [
                message
                for number in range(PARTITIONS)
                for message in _read(consumer, TopicPartition(topic, number, 0))
            ]
        finally:
            consumer.close()

    def freeze(self) -> None:
        """Have it answer nothing, as a broker that cannot be reached."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def _read(consumer: Consumer, place: TopicPartition) -> list[Message]:
    first, end = consumer.get_watermark_offsets(place, timeout=PATIENCE)
    place.offset = first
    consumer.assign([place])
    found = consumer.consume(end - first, PATIENCE) if end > first else []
    assert [message.offset() for message in found] == list(range(first, end))
    return found


@contextmanager
def kafka_mock() -> Iterator[KafkaMock]:
    mock = KafkaMock()
    try:
        yield mock
    finally:
        mock.end()


def main() -> None:
    producer = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    brokers = producer.list_topics(timeout=PATIENCE).brokers.values()
    print(json.dumps(",".join(f"{each.host}:{each.port}" for each in brokers)), flush=True)  # noqa: T201
    sys.stdin.read()  # until the test's process ends


if __name__ == "__main__":
    main()
