"""What the view shows at one moment: the machines, the figures, and what happened."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from .machines import MACHINES
from .traffic import BEGINS

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["CLOSE_BELOW", "OPEN_AT", "Board", "Figures", "Machine", "News", "Score"]

OPEN_AT, CLOSE_BELOW = 0.7, 0.3
"""The probability of failure at which an alert opens, and the one below which it closes."""
_RECENT = 12
_BINS = 240


class Score(NamedTuple):
    """A prediction, as the sink's table has it."""

    machine: str
    measured_at: datetime
    probability: float
    is_unusual: bool
    vibration: float
    temperature: float


class News(NamedTuple):
    """Something that happened: after how many seconds, what, and in which style it is shown."""

    after: float
    text: str
    style: str = ""


@dataclass(slots=True)
class Machine:
    """A machine as its last predictions show it.

    Attributes
    ----------
    course
        The highest probability of failure in each of equal parts of the stream; None without one.
    last
        Its newest prediction.
    recent
        Which of its newest windows were unusual.
    alert
        Whether its alert is open.
    """

    course: list[float | None] = field(default_factory=lambda: [None] * _BINS)
    last: Score | None = None
    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=_RECENT))
    alert: bool = False

    @property
    def unusual(self) -> float:
        """The share of its newest windows that were unusual."""
        return sum(self.recent) / len(self.recent) if self.recent else 0.0


@dataclass(slots=True, kw_only=True)
class Figures:
    """Numbers of the run; None where they are not known yet.

    Attributes
    ----------
    rate
        Events a second that were committed lately.
    p50, p99
        Seconds from the bus to the commit, of the latest events.
    lag
        Messages that the bus has and the sink has not.
    published, scored, dead
        How many messages, predictions and dead letters there are.
    models
        The versions that scored the newest predictions.
    worker
        What the worker does.
    """

    rate: float | None = None
    p50: float | None = None
    p99: float | None = None
    lag: int | None = None
    published: int = 0
    scored: int = 0
    dead: int = 0
    models: str = ""
    worker: str = "starts"


@dataclass(slots=True, kw_only=True)
class Board:
    """All that is on the screen.

    Attributes
    ----------
    seconds
        How long the stream lasts.
    last
        Seconds of event time in it.
    after
        Seconds since it began.
    """

    seconds: float
    last: float
    after: float = 0.0
    machines: dict[str, Machine] = field(
        default_factory=lambda: {name: Machine() for name in MACHINES}
    )
    figures: Figures = field(default_factory=Figures)
    news: list[News] = field(default_factory=list[News])

    def take(self, score: Score) -> None:
        """Show a prediction."""
        if score.machine not in self.machines:
            return
        machine = self.machines[score.machine]
        part = (score.measured_at - BEGINS).total_seconds() / self.last
        place = min(int(part * _BINS), _BINS - 1)
        machine.course[place] = max(machine.course[place] or 0.0, score.probability)
        machine.recent.append(score.is_unusual)
        machine.last = score

    def tell(self, text: str, style: str = "") -> News:
        """Add to what happened."""
        news = News(self.after, text, style)
        self.news.append(news)
        return news
