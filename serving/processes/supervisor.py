"""Starts worker processes, replaces those that end, and ends them all at one signal.

Workers are started anew and not forked: threads of native libraries do not live on in a fork, and
OpenMP's, which scikit-learn's models use when they are warmed, are then waited for without an end.
The supervisor loads no model and answers no request.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...errors import ForesqlError
from ..metrics import samples
from .handover import FAILED, GO, LOADED, SERVES, Handover
from .listening import bind_all, hold_port
from .shared import Shared, make_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..server import Address

STEADY_SECONDS = 10.0
"""A worker that served for so long is replaced at once."""

LONGEST_PAUSE = 30.0
"""Seconds before a worker is tried again that never serves for long."""

END_SECONDS = 75.0
"""How long workers may take to end: what requests, shadow and log may take, and some more."""

LINE_BYTES = 2**24
"""The longest line of a worker: it names every alias and problem."""

_LOG = logging.getLogger("foresql.serving")
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def supervise(
    command: Callable[[int | None], Sequence[str]],
    processes: int,
    address: Address,
    announce: Callable[[Any], None],
) -> None:
    """Run worker processes behind one port until SIGTERM or SIGINT.

    Parameters
    ----------
    command
        What starts a worker, from the port of gRPC.
    processes
        How many.
    address
        Where they listen; it is bound before any is started.
    announce
        Is told what the first worker serves, once all of them do.

    Raises
    ------
    ForesqlError
        If the address cannot be listened to, or a worker of the first ones cannot serve.
    """
    sockets = bind_all(address.host, address.port)
    held = None if address.grpc_port is None else hold_port(address.host, address.grpc_port)
    try:
        port = held and held.getsockname()[1]
        supervisor = _Supervisor(command(port), processes, sockets, announce)
        asyncio.run(supervisor.run())
    finally:
        for each in (*sockets, *([held] if held else [])):
            each.close()


def pause(short_lives: int) -> float:
    """Give the seconds before the next try, after so many workers in a row that did not last."""
    return 0.0 if short_lives <= 1 else min(LONGEST_PAUSE, 2.0 ** (short_lives - 2))


class _Supervisor:
    def __init__(
        self,
        command: Sequence[str],
        processes: int,
        sockets: Sequence[socket.socket],
        announce: Callable[[Any], None],
    ) -> None:
        self._command = command
        self._count = processes
        self._sockets = sockets
        self._announce = announce
        self._file = make_file(processes + 1)
        self._shared = Shared(self._file, processes + 1, processes)
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._controls: dict[int, asyncio.StreamWriter] = {}
        self._loaded: set[int] = set()
        self._serving: set[int] = set()
        self._announced = False
        self._restarts = 0
        self._failure: str | None = None
        self._all_loaded = asyncio.Event()
        self._end = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._stop, number)
        slots = [asyncio.create_task(self._keep(slot)) for slot in range(self._count)]
        try:
            # None of them ends before the others but by an error of ours.
            await asyncio.wait(slots, return_when=asyncio.FIRST_COMPLETED)
            self._stop(signal.SIGTERM)
            _, late = await asyncio.wait(slots, timeout=END_SECONDS)
            for worker in self._running.values():
                _signal(worker, signal.SIGKILL)
            if late:
                await asyncio.wait(late)
            for slot in slots:
                slot.result()
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
            os.close(self._file)
        if self._failure is not None:
            raise ForesqlError(self._failure)

    def _stop(self, number: int) -> None:
        """Pass a signal on: at the first one workers end gracefully, at a second Ctrl-C at once."""
        self._end.set()
        self._all_loaded.set()
        for control in self._controls.values():
            control.close()  # for a worker that was not yet or no longer listening to signals
        for worker in self._running.values():
            _signal(worker, number)

    def _fail(self, reason: str) -> None:
        self._failure = self._failure or reason
        self._stop(signal.SIGTERM)

    async def _keep(self, slot: int) -> None:
        """Keep one worker running."""
        short_lives = 0
        while not self._end.is_set():
            began = time.monotonic()
            code, reason = await self._live(slot)
            if self._end.is_set():
                return
            if not self._announced:
                self._fail(reason or f"A worker ended before it served, with code {code}.")
                return
            short_lives = 0 if time.monotonic() - began > STEADY_SECONDS else short_lives + 1
            wait = pause(short_lives)
            how = f"cannot serve: {reason}" if reason else f"ended with code {code}"
            when = f"in {wait:g} s" if wait else "now"
            _LOG.error("Worker %d %s. Another is started %s.", slot, how, when)
            self._restarts += 1
            self._tell()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), wait)

    async def _live(self, slot: int) -> tuple[int, str | None]:
        """Start a worker and see it through: its exit code, and what it says of its failure."""
        ours, theirs = socket.socketpair()
        numbers = tuple(each.fileno() for each in self._sockets)
        given = Handover(slot, self._count, numbers, theirs.fileno(), self._file)
        reader, writer = await asyncio.open_connection(sock=ours, limit=LINE_BYTES)
        self._controls[slot] = writer
        try:
            with theirs:
                worker = self._running[slot] = await asyncio.create_subprocess_exec(
                    *self._command,
                    env=os.environ | given.environment(),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=given.descriptors,
                    # Its own group: Ctrl-C in a terminal is passed on by the supervisor alone.
                    process_group=0,
                )
            reason = await self._listen(slot, reader, writer)
            return await worker.wait(), reason
        except OSError as error:
            return -1, str(error)
        finally:
            writer.close()
            self._controls.pop(slot)
            self._running.pop(slot, None)
            self._serving.discard(slot)
            self._shared.say("", slot)
            self._tell()

    async def _listen(
        self, slot: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> str | None:
        """Do as a worker says, until it says no more; give the reason if it fails."""
        reason: str | None = None
        with suppress(ConnectionError, ValueError):  # a line beyond all measure
            while line := await reader.readline():
                what, value = json.loads(line)
                if what == LOADED:
                    self._loaded.add(slot)
                    if len(self._loaded) == self._count:
                        self._all_loaded.set()
                    # The first ones begin together: who is answered is answered by all of them.
                    await self._all_loaded.wait()
                    if self._end.is_set():
                        writer.close()  # it was started when the end was asked for
                    else:
                        writer.write(GO)
                elif what == SERVES:
                    self._serving.add(slot)
                    self._served(value)
                elif what == FAILED:
                    reason = value
        return reason

    def _served(self, described: Any) -> None:
        self._tell()
        if not self._announced and len(self._serving) == self._count:
            self._announced = True
            self._announce(described)

    def _tell(self) -> None:
        """Say how the processes stand, for the metrics."""
        self._shared.say(
            samples("foresql_processes", "gauge", "Processes to be.", {(): self._count})
            + samples(
                "foresql_processes_serving",
                "gauge",
                "Processes that answer.",
                {(): len(self._serving)},
            )
            + samples(
                "foresql_process_restarts_total",
                "counter",
                "Processes that ended and were replaced.",
                {(): self._restarts},
            )
        )


def _signal(worker: asyncio.subprocess.Process, number: int) -> None:
    with suppress(ProcessLookupError):
        worker.send_signal(number)
