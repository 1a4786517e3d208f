"""Predictions as JSON on a topic of Kafka, at least once, with positions in a topic beside it.

The predictions are acknowledged by all replicas before the position moves. A worker that dies
between both has them written again, under the same keys.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Any, TypeVar

from ....errors import StreamError
from ...task import MODEL_NAME, MODEL_VERSION, RUN_ID
from ..definition import OFFSET, PARTITION
from ..kafka_client import client_settings, confluent_kafka
from .kafka_positions import PARTITION_OF_POSITIONS, PositionTopic
from .kafka_producer import Deliveries, Message, refusal, stopped
from .layout import check_moves, check_shape
from .messages import check_no_tables, json_line, unfit_rows, without_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from ..records import Offset, Outcome, Shape

_ADDRESS = re.compile(r"(kafka://[^/]+)/([A-Za-z0-9._-]{1,239})")
"""Names have 249 letters at most, and ``.positions`` comes behind."""
_NUMBER = re.compile(r"[0-9]+\Z")
_SHORTEST, _LONGEST = 0.1, 2.0
_PREDICTION_HEADERS = (PARTITION, OFFSET, MODEL_NAME, MODEL_VERSION, RUN_ID)
_DEAD_HEADERS = (PARTITION, OFFSET, "step")
_MOST_BYTES = 980_000
"""What a prediction may have: the client sends messages of 1,000,000 with their key and headers."""
_FINAL = (
    "TOPIC_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
    "SASL_AUTHENTICATION_FAILED",
    "_AUTHENTICATION",
    "_INVALID_ARG",
    "_UNSUPPORTED_FEATURE",
)
_Result = TypeVar("_Result")


class KafkaTopicSink:
    """A topic, with ``TOPIC.dead`` and ``TOPIC.positions`` beside it."""

    exactly_once = False

    def __init__(
        self, address: str, *, pause: Callable[[float], object], told: Callable[[str], None]
    ) -> None:
        """Take ``kafka://HOST:PORT/TOPIC``; nothing is connected yet.

        Raises
        ------
        StreamError
            If it names no topic, confluent-kafka is not installed, or the environment is
            contradictory.
        """
        found = _ADDRESS.fullmatch(address)
        if found is None:
            message = (
                f"[sink] to = {address!r} has no topic: kafka://HOST:PORT/TOPIC, whose name has at "
                "most 239 letters, digits, '.', '-' and '_'."
            )
            raise StreamError(message)
        self._bus, self._topic = found.groups()
        self._dead, self._kept = f"{self._topic}.dead", f"{self._topic}.positions"
        self._library = confluent_kafka()
        client_settings(self._bus)
        self._pause, self._told = pause, told
        self._source = ""
        self._deliveries: Deliveries | None = None
        self._positions: PositionTopic | None = None
        self._counts: dict[str, int] = {}

    def open(self, shape: Shape) -> None:
        """Connect, and find the topics.

        Raises
        ------
        StreamError
            If one is missing, or the worker needs tables or to know events again.
        """
        check_shape(shape)
        check_no_tables(shape, "topic")
        self._source = shape.source
        self._deliveries = Deliveries(self._bus, pause=self._pause, told=self._told)
        found = self._deliveries.count_partitions((self._topic, self._dead, self._kept))
        self._counts = {name: count for name, count in found.items() if count is not None}
        lacking = [name for name in found if name not in self._counts]
        if lacking:
            message = (
                f"{self._bus} has no topic {', '.join(lacking)}.\n  What to do: make "
                f"{self._topic} and {self._dead} as their readers want them, and {self._kept} with "
                "one partition and cleanup.policy=compact."
            )
            raise StreamError(message)
        self._positions = PositionTopic(self._bus, self._kept, shape)

    def positions(self, partitions: Sequence[str]) -> Mapping[str, Offset]:
        """Give the last offset that is done of each partition that has one."""
        _, kept = self._opened()
        return self._ask(lambda: kept.read(partitions))

    def read(self, table: str, values: Sequence[str], column: str = PARTITION, /) -> pa.Table:
        """Refuse: there are no further tables."""
        del column
        message = f"There is no table {table} for {', '.join(values)} beside a topic."
        raise StreamError(message)

    def unfit(self, rows: pa.Table) -> Mapping[int, str]:
        """Find what no message can hold: too much, and times of no year of ISO 8601."""
        return unfit_rows(rows, _MOST_BYTES)

    def write(self, outcome: Outcome) -> int:
        """Publish a batch, and move the positions when all replicas have it.

        Where another worker moved a partition before, nothing is published.
        """
        deliveries, kept = self._opened()
        check_moves(self._source, self.positions(list(outcome.moves)), outcome.moves)
        for row in _in_order(outcome.predictions):
            value = json_line(row)
            deliveries.send(self._message(self._topic, row, value, _PREDICTION_HEADERS))
        for row in _in_order(outcome.dead):
            self._bury(deliveries, row)
        deliveries.flush()
        for partition, move in outcome.moves.items():
            key, value = kept.message(partition, move.after)
            deliveries.send(Message(self._kept, PARTITION_OF_POSITIONS, key, value, {}))
        deliveries.flush()
        return 0

    def close(self) -> None:
        """Disconnect."""
        if self._positions is not None:
            self._positions.close()
        if self._deliveries is not None:
            self._deliveries.close()
        self._positions = self._deliveries = None

    def _opened(self) -> tuple[Deliveries, PositionTopic]:
        if self._deliveries is None or self._positions is None:
            message = "The sink is not open."
            raise StreamError(message)
        return self._deliveries, self._positions

    def _bury(self, deliveries: Deliveries, row: Mapping[str, Any]) -> None:
        """Publish a dead letter, without its payload where that is too large for a message."""
        whole = self._message(self._dead, row, json_line(row), _DEAD_HEADERS)
        if not deliveries.fits(whole):
            short = json_line(without_payload(row))
            deliveries.send(self._message(self._dead, row, short, _DEAD_HEADERS))

    def _message(
        self, topic: str, row: Mapping[str, Any], value: bytes, headers: Sequence[str]
    ) -> Message:
        """Make the message of an event, whose key is the same whenever it is written."""
        key = f"{self._source}/{row[PARTITION]}/{row[OFFSET]}"
        said = {name: None if row[name] is None else str(row[name]).encode() for name in headers}
        said = {"source": self._source.encode(), **said}
        place = place_of(row[PARTITION], self._counts[topic])
        return Message(topic, place, key.encode(), value, said)

    def _ask(self, action: Callable[[], _Result]) -> _Result:
        """Ask a broker something, and again when it is back."""
        wait = _SHORTEST
        while True:
            try:
                return action()
            except self._library.KafkaException as error:
                if self._is_final(error.args[0]):
                    raise refusal(self._bus, self._kept, error.args[0]) from error
                if wait == _SHORTEST:
                    said = error.args[0].str()
                    self._told(f"The sink {self._bus} does not answer, and is waited for: {said}")
            if self._pause(wait):
                raise stopped(self._bus)
            wait = min(2 * wait, _LONGEST)

    def _is_final(self, error: Any) -> bool:
        """Whether waiting is in vain; a client whose broker is away knows no partition either."""
        codes = self._library.KafkaError
        return error.fatal() or error.code() in {getattr(codes, name) for name in _FINAL}


def place_of(partition: str, count: int) -> int:
    """Choose where an event partition's messages go, so that they stay in order.

    That is the partition of the same number, where the name ends with one.
    """
    found = _NUMBER.search(partition)
    return (int(found[0]) if found else zlib.crc32(partition.encode())) % count


def _in_order(table: pa.Table) -> Sequence[Mapping[str, Any]]:
    return sorted(table.to_pylist(), key=lambda row: (row[PARTITION], row[OFFSET]))
