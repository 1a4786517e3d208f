"""Alerts with hysteresis: opened and closed by scores, in order of event time.

An alert of a key opens when a score reaches ``open_at``, and closes when one is below
``close_below``; between the bounds it stays as it is. With windows, predictions come in order of
event time; without them in that of offsets within a partition. Alerts are rows of a table in the
sink, written with the predictions that made them, and the state is in those rows: an alert is open
when it was opened and not closed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard

import pyarrow as pa

from ...errors import StreamError
from .alert_outbox import ID, NUMBER, SCORE, STATE, Outbox
from .alert_subject import AlertSubject
from .claims import Claims, elsewhere
from .dead import ALERT, TIMESTAMP, offset_arrow_type
from .definition import OFFSET, PARTITION
from .stages import Alerted, Kept, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .definition import AlertsSection, Definition
    from .records import Move, Offset
    from .stages import Read

OPENED, CLOSED = "opened", "closed"
_TIME = "event_time"


@dataclass(slots=True)
class _State:
    """What is known of a partition: as of which offset, the open alerts by key, the last number."""

    offset: Offset | None = None
    last: int = 0
    opened: dict[tuple[object, ...], str] = field(default_factory=dict)


class EventAlerts:
    """The alerts of a worker: see :class:`~foresql.streams.events.stages.Alerts`."""

    def __init__(
        self,
        definition: Definition,
        section: AlertsSection,
        predictions: pa.Schema,
        offset_type: str,
        publisher: AlertSubject | None,
    ) -> None:
        """Check that the query gives the score and the key.

        Raises
        ------
        StreamError
            If it does not.
        """
        self._section, self._name = section, definition.name
        self._outbox = Outbox(definition.name, publisher)
        time = definition.events.time
        self._time = time if time in predictions.names else None
        for name in (section.score, *section.key):
            if name not in predictions.names:
                message = (
                    f"[alerts] of {definition.name} names {name}, and the query gives "
                    f"{', '.join(predictions.names)}. Give it in the SELECT."
                )
                raise StreamError(message)
        for name in section.key:
            type_ = predictions.field(name).type
            if pa.types.is_floating(type_) or pa.types.is_nested(type_):
                message = f"[alerts] key {name} is {type_}. Give a text, a whole number or a date."
                raise StreamError(message)
        type_ = predictions.field(section.score).type
        if not (pa.types.is_floating(type_) or pa.types.is_integer(type_)):
            message = f"[alerts] score {section.score} is {type_}. Give a DOUBLE or a whole number."
            raise StreamError(message)
        self._schema = _schema(section, predictions, offset_type, self._time)
        self._claims = Claims(f"foresql.{definition.name}_alert_keys", section.key)
        self.claims = tuple(self._claims.tables)
        self.tables: Mapping[str, pa.Schema] = {
            section.table: self._schema,
            **self._outbox.tables,
            **self._claims.tables,
        }
        self._read: Read | None = None
        self._states: dict[str, _State] = {}

    def open(
        self,
        read: Read,
        write: Callable[[Kept], None] = lambda _: None,
    ) -> None:
        """Take what reads rows of partitions or keys, and what writes rows on their own."""
        self._read = read
        self._claims.open(read)
        self._outbox.open(read, write)

    def drop(self) -> None:
        """Forget what is in memory, since it was not written: the tables are read again."""
        self._states.clear()
        self._claims.drop()
        self._outbox.drop()

    def take(self, predictions: pa.Table, moves: Mapping[str, Move]) -> Alerted:
        """Open and close alerts by a batch's predictions, in their order.

        A key belongs to one partition: what comes in another one has no part in its alerts.
        """
        self._follow(moves)
        rows: list[dict[str, Any]] = []
        refused: list[Refused] = []
        names = [PARTITION, OFFSET, self._section.score, *self._section.key]
        names += [self._time] if self._time else []
        columns = [predictions.column(name).to_pylist() for name in names]
        count = len(self._section.key)
        others = self._others(columns[0], columns[2], columns[3 : 3 + count])
        for partition, offset, score, *rest in zip(*columns, strict=True):
            key = tuple(rest[:count])
            if (partition, key) in others and _is_number(score):
                reason = elsewhere(others[partition, key])
                refused.append(Refused(partition, offset, reason, ALERT))
                continue
            change = self._change(partition, key, score, offset)
            if change is not None:
                rows.append(self._row(partition, offset, score, rest, change))
        self._outbox.add(rows)
        table = pa.Table.from_pylist(rows, schema=self._schema)
        return Alerted(Kept({self._section.table: table, **self._claims.rows()}, {}), refused)

    def publish(self, partitions: Sequence[str] = ()) -> None:
        """Publish the alerts of the batch that was just committed, and those that wait.

        Those of ``partitions`` are looked for too: a worker may have died before it published.
        """
        for partition in partitions if self._outbox.is_used else ():
            self._state(partition)
        self._outbox.publish()

    def close(self) -> None:
        """Disconnect."""
        self._outbox.close()

    def _follow(self, moves: Mapping[str, Move]) -> None:
        """Read the alerts of partitions that are new here, or went on elsewhere."""
        for partition, move in moves.items():
            state = self._states.get(partition)
            if state is None or state.offset != move.before:
                state = self._states[partition] = self._load(partition)
            state.offset = move.after

    def _change(
        self, partition: str, key: tuple[object, ...], score: object, offset: Offset
    ) -> tuple[str, str] | None:
        """Say which alert a score opens or closes; NULL and NaN do neither."""
        state = self._state(partition)
        if not _is_number(score):
            return None
        if key in state.opened:
            if score < self._section.close_below:
                return CLOSED, state.opened.pop(key)
        elif score >= self._section.open_at:
            state.opened[key] = f"{self._name}/{partition}/{offset}"
            return OPENED, state.opened[key]
        return None

    def _others(
        self, partitions: Sequence[str], scores: Sequence[object], key: Sequence[Sequence[object]]
    ) -> dict[tuple[str, tuple[object, ...]], str]:
        """Give the keys of partitions that belong to others, with whose they are."""
        keys: dict[str, dict[tuple[object, ...], None]] = {}
        for partition, score, *values in zip(partitions, scores, *key, strict=True):
            if _is_number(score):
                keys.setdefault(partition, {})[tuple(values)] = None
        return {
            (partition, each): owner
            for partition, own in keys.items()
            for each, owner in self._claims.claim(partition, own).items()
        }

    def _state(self, partition: str) -> _State:
        """Give a partition's state; windows flush one without a move of its own."""
        if partition not in self._states:
            self._states[partition] = self._load(partition)
        return self._states[partition]

    def _load(self, partition: str) -> _State:
        if self._read is None:
            message = "The alerts are not open."
            raise StreamError(message)
        rows = self._read(self._section.table, [partition]).sort_by(NUMBER).to_pylist()
        state = _State(last=max((row[NUMBER] for row in rows), default=0))
        for row in rows:
            key = tuple(row[name] for name in self._section.key)
            if row[STATE] == OPENED:
                state.opened[key] = row[ID]
            else:
                state.opened.pop(key, None)
        state.last = max(state.last, self._outbox.take_up(partition, rows))
        return state

    def _row(
        self,
        partition: str,
        offset: Offset,
        score: float,
        rest: Sequence[object],
        change: tuple[str, str],
    ) -> dict[str, Any]:
        state = self._state(partition)
        state.last += 1
        values = dict(zip((*self._section.key, _TIME), rest, strict=False))
        return {
            **values,
            PARTITION: partition,
            OFFSET: offset,
            NUMBER: state.last,
            ID: change[1],
            STATE: change[0],
            SCORE: float(score),
        }


def _is_number(score: object) -> TypeGuard[float]:
    return isinstance(score, int | float) and not math.isnan(score)


def open_alerts(
    definition: Definition,
    predictions: pa.Schema,
    offset_type: str,
    told: Callable[[str], None] = lambda _: None,
) -> EventAlerts | None:
    """Make the alerts of a definition; None where it has none. Nothing is connected yet.

    Parameters
    ----------
    definition
        The worker's.
    predictions
        The columns of its predictions.
    offset_type
        ``Source.offset_type``.
    told
        Hears when the subject does not take alerts.

    Raises
    ------
    StreamError
        If the query does not give the score or the key, or there is no bus for the subject.
    """
    section = definition.alerts
    if section is None:
        return None
    subject = None
    if section.subject is not None:
        bus = section.bus or definition.source.bus
        if not bus.startswith("nats:"):
            message = (
                f"[alerts] subject of {definition.name} is one of NATS, and the source is {bus}. "
                'Say [alerts] bus = "nats://HOST:PORT", or read the table.'
            )
            raise StreamError(message)
        subject = AlertSubject(bus, section.subject, definition.name, told)
    return EventAlerts(definition, section, predictions, offset_type, subject)


def _schema(
    section: AlertsSection, predictions: pa.Schema, offset_type: str, time: str | None
) -> pa.Schema:
    own = {PARTITION, OFFSET, NUMBER, ID, STATE, _TIME, SCORE}
    clash = sorted(own.intersection(section.key) - {PARTITION})
    if clash:
        message = f"[alerts] key {', '.join(clash)} is a column of alerts. Give it another name."
        raise StreamError(message)
    return pa.schema(
        [
            pa.field(PARTITION, pa.string(), nullable=False),
            pa.field(OFFSET, offset_arrow_type(offset_type), nullable=False),
            pa.field(NUMBER, pa.int64(), nullable=False),
            *(pa.field(name, predictions.field(name).type) for name in section.key),
            pa.field(STATE, pa.string(), nullable=False),
            pa.field(_TIME, predictions.field(time).type if time else TIMESTAMP),
            pa.field(SCORE, pa.float64(), nullable=False),
            pa.field(ID, pa.string(), nullable=False),
        ]
    )
