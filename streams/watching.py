"""Running tasks again and again, with the database closed in between so that writers get in."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import duckdb

from ..errors import StreamError
from .opening import open_to_write
from .relation import find_relation
from .running import SKIPPED, Run, UnkeptError, run_task
from .stream import find_stream
from .task import STARTED, Task, find_task, load_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

INTERVAL = 5.0
"""Seconds between two looks at the database."""
_SETTLED = 2.0
"""A file that changed within so many seconds before may change again with the same time stamp."""

Traces = tuple[tuple[int, int, int] | None, ...]


def watch(  # noqa: PLR0913 - keyword options of one call
    path: str | Path,
    names: Sequence[str] = (),
    *,
    interval: float = INTERVAL,
    registry: str | Path | None = None,
    stop: Event | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> Iterator[Run]:
    """Run the tasks that are started whenever their streams have data, until it is stopped.

    The file is open only while there is work: each look opens it, runs what has data, and closes
    it. A file that nobody wrote since the last look is not opened at all. While another process has
    it, this waits, longer each time.

    Parameters
    ----------
    path
        The database file.
    names
        The tasks; all by default, those that are made later too.
    interval
        Seconds between two looks.
    registry
        Where the models are. A moved alias is found at the next look.
    stop
        Ends it, at once between two runs.
    told
        Takes what a reader of a log would miss otherwise: that the file cannot be opened.

    Yields
    ------
    Run
        Each run that did something, or failed.
    """
    watcher = _Watcher(path, names, interval, registry, stop or Event(), told)
    yield from watcher.runs()


@dataclass(frozen=True, slots=True)
class _Watcher:
    """What is watched, and how."""

    path: str | Path
    names: Sequence[str]
    interval: float
    registry: str | Path | None
    stop: Event
    told: Callable[[str], None]

    def runs(self) -> Iterator[Run]:
        unchanged: tuple[Traces, Traces] | None = None
        while not self.stop.is_set():
            found = (_traces(self.path), _registry_traces(self.registry))
            if found != unchanged or not _is_settled(found):
                runs, is_quiet = self._look()
                yield from runs
                # What was written between the look at the file and its opening would be missed.
                unchanged = found if is_quiet and _traces(self.path) == found[0] else None
            self.stop.wait(self.interval)

    def _look(self) -> tuple[list[Run], bool]:
        """Run what has data; say too whether nothing can come but by a write to the file."""
        with ExitStack() as stack:
            opening = open_to_write(self.path, wait=self.interval, pause=self.stop.wait)
            try:
                connection = stack.enter_context(opening)
            except StreamError as error:
                if not self.stop.is_set():
                    self.told(str(error))
                return [], False
            return self._run(connection)

    def _run(self, connection: duckdb.DuckDBPyConnection) -> tuple[list[Run], bool]:
        done: list[Run] = []
        try:
            tasks = _chosen(connection, self.names)
            for task in tasks:
                if not self.stop.is_set():
                    run = run_task(connection, task.name, registry=self.registry)
                    done += [run] if run.state != SKIPPED else []
            return done, not done and all(_is_own(connection, task) for task in tasks)
        except (UnkeptError, duckdb.Error) as error:
            self.told(str(error))
            return done, False


def _chosen(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> list[Task]:
    tasks = [find_task(connection, name) for name in names] or load_tasks(connection)
    return [task for task in tasks if task.state == STARTED]


def _is_own(connection: duckdb.DuckDBPyConnection, task: Task) -> bool:
    """Whether the rows are this file's own: a view may read others."""
    relation = find_relation(connection, find_stream(connection, task.stream).table)
    return relation is not None and relation.is_table


def _traces(path: str | Path) -> Traces:
    """Say when the database and its log were written last, and how large they are."""
    return tuple(_trace(Path(name)) for name in (path, f"{path}.wal"))


def _registry_traces(registry: str | Path | None) -> Traces:
    from ..registry import default_path

    folder = Path(registry or default_path())
    return tuple(_trace(each) for each in sorted(folder.rglob("*")))


def _trace(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _is_settled(found: tuple[Traces, Traces]) -> bool:
    newest = max((trace[0] for traces in found for trace in traces if trace), default=0)
    return time.time_ns() - newest > _SETTLED * 1e9
