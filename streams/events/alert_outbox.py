"""Committed alerts on their way to a subject: each is published until the bus has taken it.

A mark in the sink says up to which number the alerts of a partition are published. What another
worker had committed, and perhaps not published, is taken up with its partition.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from .definition import PARTITION
from .records import Forgotten
from .sinks.messages import json_line
from .stages import Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .alert_subject import AlertSubject
    from .stages import Read

NUMBER, ID, STATE, SCORE = "number", "alert_id", "alert", "score"
"""Columns of an alert: its number in the partition, whose it is, what happened, by what score."""


_MOST_BYTES, _LONGEST = 32_768, 1024
"""A larger message goes without its key's longer texts, which the sink's table has."""


class _Message(NamedTuple):
    """An alert on its way to the subject."""

    partition: str
    number: int
    row: Mapping[str, Any]


class Outbox:
    """The alerts of a worker that its subject has not taken yet.

    Attributes
    ----------
    tables
        The columns of the table of marks; none where nothing is published.
    """

    def __init__(self, name: str, publisher: AlertSubject | None) -> None:
        """Name the marks of a worker; without a publisher nothing is kept."""
        self._publisher = publisher
        self._marks = f"foresql.{name}_alerts_published"
        self.tables: Mapping[str, pa.Schema] = {} if publisher is None else {self._marks: _MARKS}
        self._read: Read | None = None
        self._write: Callable[[Kept], None] = lambda _: None
        self._lock = threading.Lock()
        self._written: deque[list[_Message]] = deque()
        self._waiting: list[_Message] = []

    @property
    def is_used(self) -> bool:
        """Whether alerts are published at all."""
        return self._publisher is not None

    def open(self, read: Read, write: Callable[[Kept], None]) -> None:
        """Take what reads a table's rows of partitions, and what writes rows on their own."""
        self._read, self._write = read, write

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take the alerts of a batch, which are published when it is committed."""
        messages = [_Message(row[PARTITION], row[NUMBER], row) for row in rows]
        with self._lock:
            self._written.append(messages)

    def drop(self) -> None:
        """Forget the alerts of batches that were not committed."""
        with self._lock:
            self._written.clear()

    def take_up(self, partition: str, rows: Sequence[Mapping[str, Any]]) -> int:
        """Take all alerts of a partition, and give the number of the last that is published."""
        if self._publisher is None or self._read is None:
            return 0
        marks = self._read(self._marks, [partition]).column(NUMBER).to_pylist()
        published = max(marks, default=0)
        with self._lock:
            known = {(each.partition, each.number) for each in self._waiting}
            self._waiting += [
                _Message(partition, row[NUMBER], row)
                for row in rows
                if row[NUMBER] > published and (partition, row[NUMBER]) not in known
            ]
        return published

    def publish(self) -> None:
        """Publish the alerts of the batch that was just committed, and those that wait."""
        with self._lock:
            if self._written:
                self._waiting += self._written.popleft()
            if self._publisher is None:
                self._waiting.clear()
            waiting = list(self._waiting)
        if self._publisher is None or not waiting:
            return
        sent = self._publisher.publish([(_message_id(each), _body(each)) for each in waiting])
        if sent:
            self._mark(waiting[:sent])
            done = {(each.partition, each.number) for each in waiting[:sent]}
            with self._lock:
                self._waiting = [
                    each for each in self._waiting if (each.partition, each.number) not in done
                ]

    def close(self) -> None:
        """Disconnect."""
        if self._publisher is not None:
            self._publisher.close()

    def _mark(self, sent: Sequence[_Message]) -> None:
        """Note up to which number alerts are published, in the sink."""
        numbers = {each.partition: each.number for each in sent}
        marks = [{PARTITION: name, NUMBER: number} for name, number in numbers.items()]
        self._write(
            Kept(
                {self._marks: pa.Table.from_pylist(marks, schema=_MARKS)},
                {self._marks: Forgotten(NUMBER, numbers)},
            )
        )


def _message_id(message: _Message) -> str:
    return f"{message.row[ID]}:{message.row[STATE]}"


def _body(message: _Message) -> bytes:
    row = {name: value for name, value in message.row.items() if name != NUMBER}
    body = json_line(row)
    if len(body) > _MOST_BYTES:  # what a bus never takes would keep back all that follow
        body = json_line({name: _shown(value) for name, value in row.items()})
    return body


def _shown(value: object) -> object:
    return None if isinstance(value, str | bytes) and len(value) > _LONGEST else value


_MARKS = pa.schema(
    [
        pa.field(PARTITION, pa.string(), nullable=False),
        pa.field(NUMBER, pa.int64(), nullable=False),
    ]
)
