"""``foresql worker``: scores of events, from a bus to a table."""

from __future__ import annotations

import gc
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from ..streams.events.definition import read_definition
from ..streams.events.describing import describe
from ..streams.events.status import dead_letters, worker_status
from ..streams.events.worker import Worker
from .database import print_rows
from .options import SCREEN, explained, json_option, print_json, registry_option, say, unwrapped
from .terminating import EXIT_TERMINATED, stopping

if TYPE_CHECKING:
    from collections.abc import Generator

    from rich.status import Status

    from ..streams.events.totals import Totals

_SHOWN_EVERY, _LOGGED_EVERY = 0.5, 10.0
"""Seconds between two states of the line in a terminal, and between two lines of a log."""

_POSITIONS = ("partition", "last_offset", "moved_at", "events", "lag", "lag_seconds")
_VERSIONS = ("event_partition", "model_name", "model_version", "first_offset", "last_offset")

file_argument = click.argument(
    "file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE"
)


@click.group()
@unwrapped
def worker() -> None:
    r"""Score events of NATS, Kafka, Kinesis or files, each exactly once.

    FILE is a worker's definition in TOML: source, events, query, sink. Any number of workers may
    run one definition at once, on any machines. A topic of Kafka as the sink gets each event at
    least once; check says which holds. All commands take --json.

    \b
    foresql worker check sensors.toml
    foresql worker run sensors.toml
    foresql worker status sensors.toml
    foresql worker dead sensors.toml
    """


@worker.command("check")
@file_argument
@registry_option
@json_option
@explained
def check(file: Path, registry: str | None, as_json: bool) -> None:
    r"""Resolve all that a definition names, and say what would happen. Nothing is connected.

    \b
    foresql worker check sensors.toml
    """
    found = describe(read_definition(file), registry)
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        if value not in (None, [], {}, False):
            say(f"{name.replace('_', ' ') + ':':<14}{_shown(value)}")


@worker.command("run")
@file_argument
@click.option("--until-empty", is_flag=True, help="End when no event waits, instead of going on.")
@click.option(
    "--flush",
    is_flag=True,
    help="With --until-empty and windows: score what they hold back, too; for finite inputs.",
)
@click.option(
    "--same-stream",
    is_flag=True,
    help="NATS: go on though the stream was made anew: it has the same messages and numbers.",
)
@registry_option
@json_option
@explained
def run(
    file: Path,
    until_empty: bool,
    flush: bool,
    same_stream: bool,
    registry: str | None,
    as_json: bool,
) -> None:
    r"""Score events until SIGTERM or Ctrl-C; the batch under way is written first.

    A terminal shows what is done; a log has a line every 10 seconds, of JSON with --json.

    \b
    foresql worker run sensors.toml
    foresql worker run sensors.toml --until-empty --json
    """
    if flush and not until_empty:
        message = "--flush needs --until-empty: before the end, more events may come."
        raise click.UsageError(message)
    stop = threading.Event()
    made = Worker(read_definition(file), registry, stop=stop, told=_tell, same_stream=same_stream)
    with _Progress(made.totals, as_json=as_json) as progress, stopping(stop), _settled():
        made.run(until_empty=until_empty, flush=flush, each=progress.show)
    progress.end()
    if stop.is_set():
        sys.exit(EXIT_TERMINATED)


@worker.command("status")
@file_argument
@json_option
@explained
def status(file: Path, as_json: bool) -> None:
    r"""Show how far the workers are: positions, lag, which versions scored which offsets.

    \b
    foresql worker status sensors.toml
    """
    found = worker_status(read_definition(file), _tell)
    if as_json:
        print_json(found)
        return
    for rows, columns in (("positions", _POSITIONS), ("versions", _VERSIONS)):
        print_rows(found[rows], columns, as_json=False)
    dead = ", ".join(f"{count:,} at {step}" for step, count in found["dead_letters"].items())
    say(f"{found['predictions']:,} predictions; dead letters: {dead or 'none'}.")


@worker.command("dead")
@file_argument
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many, the newest first.",
)
@json_option
@explained
def dead(file: Path, limit: int, as_json: bool) -> None:
    r"""List events that could not be read or scored, and why; in SQL: foresql.dead_letters.

    \b
    foresql worker dead sensors.toml --limit 100 --json
    """
    rows = dead_letters(read_definition(file), limit, _tell)
    for row in rows:
        row["payload"] = bytes(row["payload"] or b"").decode("utf-8", "backslashreplace")
    shown = ("event_partition", "event_offset", "published", "step", "reason")
    print_rows(rows, shown, as_json=as_json)


@contextmanager
def _settled() -> Generator[None]:
    """Take what was made so far out of each garbage collection: it stays to the end.

    Batches make objects by the thousand, and to look through all the others each time takes a fifth
    of a worker's time.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class _Progress:
    """What is done so far: a line that changes in a terminal, or lines of a log."""

    def __init__(self, totals: Totals, *, as_json: bool) -> None:
        self._totals, self._as_json = totals, as_json
        self._line: Status | None = None
        if SCREEN.is_terminal and not as_json:
            self._line = SCREEN.status("Waiting for events.")
        self._every = _LOGGED_EVERY if self._line is None else _SHOWN_EVERY
        self._shown, self._events = time.monotonic(), 0

    def __enter__(self) -> Self:
        if self._line is not None:
            self._line.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._line is not None:
            self._line.stop()

    def show(self, totals: Totals) -> None:
        """Show the totals, if some time has gone by."""
        now = time.monotonic()
        seconds = now - self._shown
        if seconds < self._every:
            return
        events = totals.events.total()
        rate = (events - self._events) / seconds
        self._shown, self._events = now, events
        if self._as_json:
            print_json({**totals.as_dict(), "events_per_second": round(rate)}, on_one_line=True)
        elif self._line is not None:
            self._line.update(_sentence(totals, rate))
        elif rate:
            _tell(_sentence(totals, rate))

    def end(self) -> None:
        """Say what was done in all."""
        totals = self._totals
        rate = totals.events.total() / max(time.monotonic() - totals.began, 1e-9)
        if self._as_json:
            print_json({**totals.as_dict(), "events_per_second": round(rate)}, on_one_line=True)
        else:
            say(_sentence(totals, rate))


def _sentence(totals: Totals, rate: float) -> str:
    parts = [f"{totals.events.total():,} events, {rate:,.0f} a second"]
    parts += [f"{count:,} dead at {step}" for step, count in totals.dead.items()]
    if totals.repeated:
        parts.append(f"{totals.repeated:,} repeated")
    if totals.versions:
        parts.append(f"by {' and '.join(totals.versions)}")
    median = totals.quantile(0.5)
    if median is not None:
        parts.append(f"half within {median:g} s")
    if totals.lag:
        parts.append(f"{sum(totals.lag.values()):,} waiting")
    return f"{'; '.join(parts)}."


def _tell(message: str) -> None:
    SCREEN.print(message, markup=False, highlight=False, soft_wrap=True)


def _shown(value: Any) -> str:
    match value:
        case dict():
            return ", ".join(f"{name} {type_}" for name, type_ in value.items())
        case list():
            return ", ".join(map(str, value))
        case _:
            return str(value)
