"""`foresql worker run` as processes that begin in no time, and die where they are told to.

They are forked from a process that has imported what a worker needs; each connects anew, works and
ends as the command does.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from children import PATIENCE

from foresql.cli.main import main
from foresql.streams.events import worker as _  # noqa: F401 - what the command imports later
from foresql.streams.events.sinks import duckdb as duckdb_sink
from foresql.streams.events.sinks import kafka_topic, topic

BEFORE, AFTER = "before the COMMIT", "after the COMMIT"
SENT, FLUSHED, MOVED = "before the flush", "behind the flush", "behind the position"
"""Where a worker dies whose sink is a topic of Kafka."""
OPEN, ASKED, ANSWERED = "before its commit", "behind asking for it", "behind the answer"
"""Where a worker dies whose sink is a subject of NATS, of a JetStream batch."""


class Workers:
    """The workers of a definition, each a process."""

    def __init__(self, definition: Path, registry: Path) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__])
        with pytest.MonkeyPatch.context() as patch:
            # It is not told where this process finds modules.
            patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
            forkserver.ensure_running()
        self._given = str(definition), str(registry)
        self.log = definition.with_name("workers.log")
        self.processes: list[BaseProcess] = []

    def start(self, *options: str, dies: tuple[str, int] | None = None) -> BaseProcess:
        """Start a worker, which dies at its so many-th batch where that is given."""
        given = (*self._given, str(self.log), options, dies)
        process = self._context.Process(target=_run, args=given)
        process.start()
        self.processes.append(process)
        return process

    def end(self, process: BaseProcess) -> int:
        """Wait for a worker's end, and give its exit code."""
        process.join(PATIENCE)
        assert process.exitcode is not None, self.log.read_text()
        return process.exitcode

    def kill(self, process: BaseProcess) -> int:
        process.kill()
        return self.end(process)

    def kill_all(self) -> None:
        for process in self.processes:
            process.kill()
            process.join()


@contextmanager
def workers(definition: Path, registry: Path) -> Iterator[Workers]:
    made = Workers(definition, registry)
    try:
        yield made
    finally:
        made.kill_all()


def _run(
    definition: str,
    registry: str,
    log: str,
    options: tuple[str, ...],
    dies: tuple[str, int] | None,
) -> None:
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    if dies:
        _DIES.get(dies[0], _die)(*dies)
    main(["worker", "run", definition, "--registry", registry, *options])


def _die(step: str, at: int) -> None:
    real, commits = duckdb_sink.begun, count(1)

    @contextmanager
    def begun(connection: Any) -> Iterator[None]:
        is_last = next(commits) == at
        with real(connection):
            yield
            if is_last and step == BEFORE:
                os.kill(os.getpid(), signal.SIGKILL)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)

    duckdb_sink.begun = begun


def _die_at_kafka(step: str, at: int) -> None:
    class Mortal(kafka_topic.Deliveries):
        def flush(self) -> None:  # the predictions, then the positions
            self.flushes = getattr(self, "flushes", 0) + 1
            is_last = self.flushes == 2 * at - (step != MOVED)
            if is_last and step == SENT:
                os.kill(os.getpid(), signal.SIGKILL)
            super().flush()
            if is_last:
                os.kill(os.getpid(), signal.SIGKILL)

    kafka_topic.Deliveries = Mortal


def _die_at_nats(step: str, at: int) -> None:
    real, batches = topic.TopicSink._publish, count(1)

    async def publish(self: Any, client: Any, *rest: Any) -> int:
        return await real(self, _Mortal(client, step) if next(batches) == at else client, *rest)

    topic.TopicSink._publish = publish


class _Mortal:
    """A client of NATS that dies about its request, which commits a batch."""

    def __init__(self, client: Any, step: str) -> None:
        self._client, self._step, self.publish = client, step, client.publish

    async def request(self, where: str, payload: bytes, **more: Any) -> None:
        if self._step == ASKED:
            await self._client.publish(where, payload, headers=more["headers"])
        if self._step == ANSWERED:
            await self._client.request(where, payload, **more)
        await self._client.flush()
        os.kill(os.getpid(), signal.SIGKILL)


_DIES = dict.fromkeys((SENT, FLUSHED, MOVED), _die_at_kafka)
_DIES |= dict.fromkeys((OPEN, ASKED, ANSWERED), _die_at_nats)


def until(is_done: Callable[[], object], what: Callable[[], str]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_done():
        assert time.monotonic() < end, what()
        time.sleep(0.05)
