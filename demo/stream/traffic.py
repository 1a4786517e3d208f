"""What the sensors publish, planned before the first message: readings and what goes wrong on them.

Some readings come out of order within the lateness, some twice, some far too late. Some messages
are no readings at all. Since it is planned, the demo knows what must come out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .history import table_of
from .machines import BEARING, INTERVAL, MACHINES, Fault, Signals, simulate
from .query import LATENESS

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BEGINS", "PARTITIONS", "Message", "Story", "Traffic", "plan_traffic"]

PARTITIONS = 4
BEGINS = datetime(2025, 1, 8, 6)  # noqa: DTZ001 - event times are UTC without a zone, as in SQL
_SEED = 20250108
_OUT_OF_ORDER, _TWICE, _LATE, _BROKEN = 0.05, 0.003, 0.001, 0.002
_MOST_DELAY = LATENESS - INTERVAL
_TOO_LATE = 600.0
_LONGEST_FAULT = 9000.0


class Message(NamedTuple):
    """A message: at which second of event time it is published, its partition, its payload."""

    at: float
    partition: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Story:
    """What happens, as shares of the stream."""

    wears: float = 0.08
    glitches: float = 0.16
    promoted: float = 0.25
    killed: float = 0.38
    repaired: float = 0.72

    failing: int = 6
    glitching: int = 2


@dataclass(frozen=True, slots=True)
class Traffic:
    """All messages in the order of publishing, and what must come out of them.

    Attributes
    ----------
    messages
        What is published.
    events
        The readings that are in time, each once: what a batch scores.
    last
        Seconds of event time from the first to the last reading.
    twice, late, malformed, future
        How many messages are copies, too late, no readings, or from the far future.
    """

    messages: list[Message]
    events: pa.Table
    last: float
    twice: int
    late: int
    malformed: int
    future: int


def plan_traffic(readings: int, story: Story) -> Traffic:
    """Plan what is published.

    Parameters
    ----------
    readings
        How many readings of each machine.
    story
        Which machine wears, and when.
    """
    random = np.random.default_rng(_SEED)
    last = float(readings * INTERVAL)
    signals = simulate(readings, [_fault(story, last)], _SEED)
    _glitch(signals, story, last)
    events = table_of(signals, BEGINS)
    planned = _Plan(events, random)
    count = len(events)
    late = planned.choose(_LATE, settled=last - _TOO_LATE - 60.0)
    planned.delay(planned.choose(_OUT_OF_ORDER, settled=last), 1.0, _MOST_DELAY)
    planned.delay(late, _TOO_LATE, _TOO_LATE + 30.0)
    twice = np.setdiff1d(planned.choose(_TWICE, settled=last), late)
    messages = planned.messages()
    messages += [messages[each]._replace(at=messages[each].at + 1.0) for each in twice]
    broken = [_broken(each, random, last) for each in range(max(5, int(count * _BROKEN)))]
    messages += broken
    messages += _closing(last)
    kept = np.setdiff1d(np.arange(count), late)
    return Traffic(
        messages=sorted(messages),
        events=events.take(kept),
        last=last,
        twice=len(twice),
        late=len(late),
        malformed=sum(each % len(_BROKEN_KINDS) != _FUTURE for each in range(len(broken))),
        future=sum(each % len(_BROKEN_KINDS) == _FUTURE for each in range(len(broken))),
    )


def _fault(story: Story, last: float) -> Fault:
    """Let a bearing wear until right after it is repaired; longer streams do not stretch it."""
    repaired = story.repaired * last
    fails = repaired + 60.0
    begins = max(story.wears * last, fails - _LONGEST_FAULT)
    return Fault(story.failing, BEARING, begins, fails, repaired)


def _glitch(signals: Signals, story: Story, last: float) -> None:
    """Let a loose connector show a machine too cold and too calm; the machine itself is well."""
    begins = int(story.glitches * last / INTERVAL)
    loose = slice(begins, begins + max(12, int(0.06 * last / INTERVAL))), story.glitching
    signals.temperature[loose] = (signals.temperature[loose] - 24.0).round(2)
    signals.vibration[loose] = (0.1 * signals.vibration[loose]).round(3)


class _Plan:
    """Readings, and when each is published."""

    def __init__(self, events: pa.Table, random: np.random.Generator) -> None:
        """Publish each reading when it is taken."""
        self._events = events
        self._random = random
        times = events["measured_at"].to_numpy()
        self._taken = (times - np.datetime64(BEGINS, "us")) / np.timedelta64(1, "s")
        self._at = self._taken.copy()

    def choose(self, share: float, *, settled: float) -> np.ndarray[Any, Any]:
        """Choose some readings that are taken before a moment, three at least."""
        known = np.flatnonzero(self._taken < settled)
        return self._random.choice(known, max(3, int(share * len(known))), replace=False)

    def delay(self, chosen: np.ndarray[Any, Any], least: float, most: float) -> None:
        """Publish some readings later."""
        delays = self._random.uniform(least, most, len(chosen))
        self._at[chosen] = self._taken[chosen] + delays

    def messages(self) -> list[Message]:
        """Write all readings as messages."""
        rows = self._events.to_pylist()
        return [
            Message(at, place % len(MACHINES) % PARTITIONS, _written(row))
            for place, (at, row) in enumerate(zip(self._at.tolist(), rows, strict=True))
        ]


def _written(row: dict[str, Any]) -> bytes:
    taken: datetime = row["measured_at"]
    return json.dumps(row | {"measured_at": taken.isoformat(timespec="microseconds")}).encode()


_READING = {
    "reading_id": "broken",
    "machine": MACHINES[0],
    "measured_at": "2125-01-08T06:00:00",
    "vibration": 1.0,
    "temperature": 40.0,
    "motor_current": 9.0,
    "speed": 1466.0,
}
_BROKEN_KINDS = (
    json.dumps(_READING)[:60].encode(),
    json.dumps(_READING | {"vibration": "n/a"}).encode(),
    b"\xff\xfe\x00",
    json.dumps(_READING | {"speed": float("nan")}).encode(),
    json.dumps(_READING).encode(),
)
_FUTURE = 4
"""Which of them is a reading of a clock that is wrong by a century."""


def _broken(number: int, random: np.random.Generator, last: float) -> Message:
    payload = _BROKEN_KINDS[number % len(_BROKEN_KINDS)]
    return Message(float(random.uniform(0.0, last)), int(random.integers(PARTITIONS)), payload)


def _closing(last: float) -> list[Message]:
    """Write a last reading for each partition, by which all others are in time to be scored.

    They themselves wait in the worker's windows, as the newest readings of a stream always do.
    """
    taken = BEGINS + timedelta(seconds=last + 2.0 * LATENESS)
    return [
        Message(
            last + 3.0 * LATENESS,
            partition,
            _written(
                _READING
                | {"reading_id": f"closing/{partition}", "machine": MACHINES[partition]}
                | {"measured_at": taken}
            ),
        )
        for partition in range(PARTITIONS)
    ]
