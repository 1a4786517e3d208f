"""Servers of message buses with events for workers: NATS, and librdkafka's own cluster of Kafka."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

CHUNK = 10
PATIENCE = 120


class Bus(Protocol):
    """A server with a stream.

    Attributes
    ----------
    url
        Where it is.
    source
        What a worker's definition says of it.
    columns
        Names of the events' features.
    count
        How many events were published.
    """

    url: str
    source: str
    columns: Sequence[str]
    count: int

    def publish(self, count: int, rate: float | None = None) -> None:
        """Publish events, as fast as it goes or so many a second."""


class Events:
    """Rows of numbers as JSON, each with its number: the same on every run."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns, self.count = columns, 0
        self._dice = np.random.default_rng(3)

    def make(self, count: int) -> list[bytes]:
        """Make the next events."""
        values = self._dice.normal(size=(count, len(self.columns))).round(6).tolist()
        events = [
            {"id": self.count + at, **dict(zip(self.columns, row, strict=True))}
            for at, row in enumerate(values)
        ]
        self.count += count
        return [json.dumps(event).encode() for event in events]


class NatsBus(Events):
    """A NATS server with a stream of two subjects."""

    _SUBJECTS = ("events.0", "events.1")

    def __init__(self, folder: Path, columns: Sequence[str]) -> None:
        """Start the server on a free port."""
        super().__init__(columns)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [Path(sys.executable).with_name("nats-server"), "-a", "127.0.0.1"]
        command += ["-p", str(port), "-js", "-sd", str(folder / "nats")]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)  # noqa: S603
        self.url = f"nats://127.0.0.1:{port}"
        self.source = f'stream = "EVENTS"\nsubjects = {list(self._SUBJECTS)}\nlease = "2 s"'
        asyncio.run(self._make_stream())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def publish(self, count: int, rate: float | None = None) -> None:
        """Publish events, as fast as it goes or so many a second."""
        asyncio.run(self._publish(self.make(count), rate))

    async def _make_stream(self) -> None:
        import nats

        client = await nats.connect(self.url, max_reconnect_attempts=60, reconnect_time_wait=0.1)
        await client.jetstream().add_stream(name="EVENTS", subjects=["events.*"])
        await client.close()

    async def _publish(self, events: Sequence[bytes], rate: float | None) -> None:
        import nats

        client = await nats.connect(self.url)
        stream, begun = client.jetstream(timeout=PATIENCE), time.monotonic()
        for at, payload in enumerate(events):
            subject = self._SUBJECTS[at % len(self._SUBJECTS)]
            if rate and at % CHUNK == 0:
                await client.flush()
                await asyncio.sleep(max(0.0, begun + at / rate - time.monotonic()))
            # More than ten thousand that wait to be stored would be refused.
            if at % 1000 == 0 or at == len(events) - 1:
                await stream.publish(subject, payload)
            else:
                await client.publish(subject, payload)
        await client.close()


class KafkaBus(Events):
    """librdkafka's own cluster: it speaks Kafka's protocol over TCP, and keeps 5 MB a partition.

    It has no administration, by which quixstreams asks for a topic's settings.
    """

    PARTITIONS = 4
    TOPIC = "events"

    def __init__(self, columns: Sequence[str]) -> None:
        """Start it in a process of its own."""
        super().__init__(columns)
        command = [sys.executable, __file__]
        self._process = subprocess.Popen(  # noqa: S603 - this file
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.address = (self._process.stdout or sys.stdin).readline().strip()
        self.url = f"kafka://{self.address}"
        self.source = f'stream = "{self.TOPIC}"\nlease = "6 s"'

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def publish(self, count: int, rate: float | None = None) -> None:
        """Publish events, as fast as it goes or so many a second."""
        from confluent_kafka import Producer

        producer, begun = Producer({"bootstrap.servers": self.address}), time.monotonic()
        for at, payload in enumerate(self.make(count)):
            if rate and at % CHUNK == 0:
                producer.flush(PATIENCE)
                time.sleep(max(0.0, begun + at / rate - time.monotonic()))
            producer.produce(self.TOPIC, payload, partition=at % self.PARTITIONS)
            producer.poll(0)
        if producer.flush(PATIENCE):
            message = "The cluster did not take all events."
            raise RuntimeError(message)


def main() -> None:
    """Be a cluster until the one that started it ends."""
    from confluent_kafka import Producer

    client = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    [broker] = client.list_topics(timeout=PATIENCE).brokers.values()
    print(f"{broker.host}:{broker.port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
