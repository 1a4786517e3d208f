"""The stream while it lasts: what happens when, and what the view is told of it."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from ...registry import Registry
from ..errors import DemoError
from .machines import MACHINES
from .training import ALIAS, FAILURE

if TYPE_CHECKING:
    from collections.abc import Callable

    from .board import Board
    from .folder import Folder
    from .metrics import Metrics
    from .predictions import Predictions
    from .process import Worker
    from .screen import Screen
    from .sensors import Sensors
    from .traffic import Story, Traffic

__all__ = ["Ended", "Parts", "play"]

_TICK = 0.25
_LOOKING, _LOOK_EVERY = 0.15, 0.4
_STARTING, _SETTLING, _DRAINING = 90.0, 45.0, 5.0
_DOWN = 1.0
_RATE_OVER = 8


class Parts(NamedTuple):
    """Everything that runs, and where it is shown."""

    folder: Folder
    traffic: Traffic
    story: Story
    board: Board
    sensors: Sensors
    worker: Worker
    metrics: Metrics
    predictions: Predictions
    screen: Screen


class Ended(NamedTuple):
    """What the stream showed.

    Attributes
    ----------
    seconds
        How long it took until all was scored.
    heard
        The alerts that came on the bus.
    """

    seconds: float
    heard: list[dict[str, Any]]


def play(parts: Parts) -> Ended:
    """Start sensors and worker, let the story happen, and end when all is scored.

    Raises
    ------
    DemoError
        If the worker or the bus ends by itself.
    """
    return _Play(parts).run()


class _Play:
    """The stream while it lasts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._board = parts.board
        self._heard: list[dict[str, Any]] = []
        self._committed: deque[tuple[float, int]] = deque(maxlen=_RATE_OVER)
        self._is_up = False
        self._started = self._next_look = 0.0

    def run(self) -> Ended:
        parts = self._parts
        parts.sensors.connect()
        parts.worker.start()
        self._wait_for_worker()
        begun = quiet = time.monotonic()
        self._tell("sensors, bus and worker run")
        parts.sensors.begin()
        steps = deque(self._steps())
        while (steps or not self._is_complete()) and time.monotonic() - quiet < _SETTLING:
            self._board.after = time.monotonic() - begun
            while steps and self._is_due(steps[0][0]):
                steps.popleft()[1]()
            if self._tick():
                quiet = time.monotonic()
            time.sleep(_TICK)
        parts.metrics.look()
        parts.worker.stop()
        self._drain()
        parts.screen.show(self._board)
        return Ended(self._board.after, self._heard)

    def _steps(self) -> list[tuple[float, Callable[[], None]]]:
        """Say what happens at which part of the stream, in that order."""
        story = self._parts.story
        failing, glitching = MACHINES[story.failing], MACHINES[story.glitching]
        wears = f"a bearing of {failing} begins to wear"
        glitches = f"a connector of {glitching} is loose: it reads too cold, too calm"
        back = story.killed + _DOWN / self._board.seconds
        return [
            (story.wears, lambda: self._tell(wears)),
            (story.glitches, lambda: self._tell(glitches)),
            (story.promoted, self._promote),
            (story.killed, self._kill),
            (back, self._bring_back),
            (story.repaired, lambda: self._tell(f"{failing} is repaired")),
        ]

    def _is_due(self, share: float) -> bool:
        """Whether a part of the stream is over; a slow machine must score something first."""
        is_over = self._board.after >= share * self._board.seconds
        return is_over and (self._board.figures.scored > 0 or share < self._parts.story.promoted)

    def _tell(self, text: str, style: str = "") -> None:
        self._board.tell(text, style)

    def _promote(self) -> None:
        registry = Registry.open(self._parts.folder.registry)
        registry.move_alias(FAILURE, ALIAS, 2, expected=1)
        self._tell(f"promoted {FAILURE}:2, trained on more hours, to {FAILURE}@{ALIAS}", "cyan")

    def _kill(self) -> None:
        self._tell(f"killed the worker, process {self._parts.worker.pid}, by SIGKILL", "yellow")
        self._parts.worker.kill()
        self._parts.metrics.forget()
        self._is_up = False
        self._board.figures.worker = "killed"

    def _bring_back(self) -> None:
        self._parts.worker.start()
        self._started = time.monotonic()
        self._board.figures.worker = "starts again"

    def _wait_for_worker(self) -> None:
        end = time.monotonic() + _STARTING
        # Its metrics come first, and the tables when it has all that it needs to score.
        while self._parts.metrics.look() is None or self._parts.predictions.look(_LOOKING) is None:
            self._parts.worker.check()
            if time.monotonic() > end:
                raise DemoError(
                    f"The worker does not answer; its log is in {self._parts.folder.logs}."
                )
            self._parts.screen.show(self._board)
            time.sleep(_TICK)
        self._is_up = True
        self._board.figures.worker = f"runs, process {self._parts.worker.pid}"

    def _tick(self) -> bool:
        """Look at everything once; say whether anything was committed since."""
        parts, figures = self._parts, self._board.figures
        parts.worker.check()
        self._look_at_metrics()
        before = figures.scored + figures.dead
        news = parts.predictions.look(_LOOKING) if time.monotonic() >= self._next_look else None
        if news is not None:
            self._next_look = time.monotonic() + _LOOK_EVERY
            for score in news.scores:
                self._board.take(score)
            figures.scored, figures.dead = news.scored, news.dead
            figures.models = news.models or figures.models
            self._committed.append((time.monotonic(), news.scored + news.dead))
        self._hear()
        figures.published = parts.sensors.published
        figures.rate = self._rate()
        parts.screen.show(self._board)
        return figures.scored + figures.dead > before or not parts.sensors.is_done

    def _look_at_metrics(self) -> None:
        parts, figures = self._parts, self._board.figures
        sample = parts.metrics.look() if parts.worker.pid is not None else None
        figures.lag = None if sample is None else sample.lag
        figures.p50, figures.p99 = self._latency(0.5), self._latency(0.99)
        if sample is not None and not self._is_up:
            self._is_up = True
            figures.worker = f"runs, process {parts.worker.pid}"
            self._tell(
                f"the worker is back after {time.monotonic() - self._started:.1f} s and goes on "
                "behind its positions"
            )

    def _latency(self, share: float) -> float | None:
        """Give a quantile of the latency; a wide bucket says no more than the stream lasted."""
        found = self._parts.metrics.latest(share)
        return None if found is None else min(found, self._board.after)

    def _rate(self) -> float | None:
        if len(self._committed) < _RATE_OVER:
            return None
        (start, before), (end, now) = self._committed[0], self._committed[-1]
        return (now - before) / (end - start)

    def _hear(self) -> None:
        while not self._parts.sensors.alerts.empty():
            alert = self._parts.sensors.alerts.get()
            self._heard.append(alert)
            is_open = alert["alert"] == "opened"
            self._board.machines[alert["machine"]].alert = is_open
            at = str(alert["event_time"])[11:16]
            self._tell(
                f"alert of {alert['machine']} {alert['alert']} at {at}, {alert['score']:.2f}",
                "red" if is_open else "green",
            )

    def _is_complete(self) -> bool:
        parts, figures = self._parts, self._board.figures
        traffic = parts.traffic
        dead = traffic.late + traffic.malformed + traffic.future
        all_done = figures.scored >= traffic.events.num_rows and figures.dead >= dead
        return parts.sensors.is_done and all_done

    def _drain(self) -> None:
        """Hear the alerts that were committed last."""
        end = time.monotonic() + _DRAINING
        while time.monotonic() < end:
            self._hear()
            if not any(machine.alert for machine in self._board.machines.values()):
                break
            time.sleep(_TICK)
