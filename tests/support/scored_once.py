"""What a sink must hold after workers scored flights of a bus: each event once.

Event N has the sequence number N + 1 of its NATS stream, for one publisher published them in order.
On a topic of Kafka it is the N / 4th of its partition.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from changing_flights import promote
from kafka_mock import PARTITIONS, KafkaMock
from worked_flights import Flights, payload

STREAM = "FLIGHTS"
POISONED = 37
"""Each event of which so many is no JSON."""
POSITIONS = "SELECT partition, last_offset FROM foresql.event_positions"
DEAD = "SELECT event_partition, event_offset::BIGINT, step FROM foresql.dead_letters"
PREDICTIONS = (
    "SELECT event_partition, event_offset, model_version, flight_id, late, p, sign FROM predictions"
)

Read = Callable[[str], Sequence[tuple[Any, ...]]]


class Published:
    """Flights on subjects of NATS, and what each version of the model makes of them."""

    def __init__(self, server: Any, flights: Flights, subjects: Sequence[str]) -> None:
        self.subjects, self.count = subjects, 0
        self._server = server  # a `NatsServer` here
        self._known: dict[str, tuple[int, dict[int, tuple[str, ...]]]] = {}
        self.flights = flights
        for version in (1, 2):
            path = flights.folder / f"version {version}"
            promote(shutil.copytree(flights.registry, path), version)

    def publish(self, count: int) -> None:
        numbers = range(self.count, self.count + count)
        self._send([(number, self._payload(number)) for number in numbers])
        self.count += count

    def subject(self, number: int) -> str:
        return self.subjects[number * 7 % len(self.subjects)]

    def offset(self, number: int) -> int:
        return number + 1

    def _send(self, payloads: Sequence[tuple[int, bytes]]) -> None:
        self._server.publish((self.subject(number), each) for number, each in payloads)

    def done(self, positions: Mapping[str, Any]) -> set[int]:
        """Name the events that are done by positions."""
        last = {name: int(offset) for name, offset in positions.items()}
        return {n for n in range(self.count) if self.offset(n) <= last.get(self.subject(n), -1)}

    def check(self, read: Read, *, is_done: bool = True) -> set[str]:
        """Hold a sink against its positions: what is up to there is there, once, and no more.

        Gives the versions that scored.
        """
        done = self.done(dict(read(POSITIONS)))
        assert len(done) == self.count or not is_done
        poisoned = {n for n in done if n % POISONED == 0}
        assert sorted(read(DEAD)) == sorted(
            (self.subject(n), self.offset(n), "decode") for n in poisoned
        )
        rows = sorted(read(PREDICTIONS), key=lambda row: row[3])
        assert all((self.subject(row[3]), self.offset(row[3])) == row[:2] for row in rows)
        answers = {version: self._answers(version) for version in ("1", "2")}
        assert [row[3] for row in rows] == sorted(answers["1"].keys() & done - poisoned)
        assert all(tuple(map(repr, row[3:])) == answers[row[2]][row[3]] for row in rows)
        return {row[2] for row in rows}

    def _answers(self, version: str) -> dict[int, tuple[str, ...]]:
        """Score all flights by a version, as one query does."""
        count, answers = self._known.get(version, (0, {}))
        if count < self.count:
            registry = self.flights.folder / f"version {version}"
            rows = Flights(self.flights.folder, registry).expected(range(self.count))
            answers = {int(row[0]): row for row in rows}
            self._known[version] = self.count, answers
        return answers

    @staticmethod
    def _payload(number: int) -> bytes:
        return b"no JSON" if number % POISONED == 0 else payload(number)


class PublishedToTopic(Published):
    """Flights on the partitions of a topic of Kafka."""

    def __init__(self, broker: KafkaMock, flights: Flights) -> None:
        subjects = [f"{STREAM}-{number}" for number in range(PARTITIONS)]
        super().__init__(broker, flights, subjects)

    def subject(self, number: int) -> str:
        return self.subjects[number % PARTITIONS]

    def offset(self, number: int) -> int:
        return number // PARTITIONS

    def _send(self, payloads: Sequence[tuple[int, bytes]]) -> None:
        self._server.publish(STREAM, ((number % PARTITIONS, each) for number, each in payloads))
