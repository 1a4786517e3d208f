"""The loop's side of a NATS source: one connection after the other, and the readers on it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ....errors import StreamError
from ..nats_client import connect_nats, disconnect
from .lost import LOG
from .nats_stream import check_subjects, has_message, stream_state

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from nats.aio.client import Client

    from .nats_reader import SubjectReader

_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
_ENDING, _AGAIN = 4.0, 1.0
"""Seconds that the server has to hear that a reader leaves, and after which it is told again."""


class NatsSession:
    """Keeps readers, and what else lives on a connection, alive while the bus goes and comes.

    Attributes
    ----------
    replicas
        How many servers keep the stream.
    """

    def __init__(
        self,
        bus: str,
        worker: str,
        beside: Callable[[Client], Coroutine[None, None, None]],
        on_failure: Callable[[StreamError], None],
    ) -> None:
        """Run ``beside`` on each connection; ``on_failure`` hears what cannot be mended."""
        self.replicas = 1
        self._bus = bus
        self._worker = worker
        self._beside = beside
        self._on_failure = on_failure
        self._client: Client | None = None
        self._closed = asyncio.Event()
        self._is_ending = False
        self._readers: set[SubjectReader] = set()
        self._tasks: dict[object, asyncio.Task[None]] = {}
        self._endings: set[asyncio.Task[None]] = set()

    async def open(self, stream: str, subjects: Sequence[str]) -> str:
        """Connect for the first time, and give when the stream was made.

        Raises
        ------
        StreamError
            If no server can be reached, or there is no such stream, or subject of it.
        """
        from nats import errors

        client = await self._connect()
        try:
            state = await stream_state(client, stream)
            check_subjects(state, subjects)
            self.replicas = state.replicas
        except (errors.Error, TimeoutError) as error:
            await disconnect(client)
            message = f"JetStream does not answer at {self._bus}; the server runs without it?"
            raise StreamError(message) from error
        except StreamError:
            await disconnect(client)
            raise
        return state.created

    async def run(self) -> None:
        """Live on one connection after the other until it is ended."""
        failures = 0
        while not self._is_ending:
            try:
                client = self._client or await self._connect()
            except StreamError as error:
                if not failures:
                    LOG.warning("%s; the worker goes on when the bus is back.", error)
                await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
                failures += 1
                continue
            if failures:
                LOG.warning("The bus %s is back.", self._bus)
            failures = 0
            await self._live(client)

    async def end(self) -> None:
        """End the connection, and what lives on it."""
        self._is_ending = True
        self._closed.set()

    async def abandon(self) -> None:
        """Disconnect before anything lives on the connection."""
        if self._client is not None:
            await disconnect(self._client)

    async def waiting(self, stream: str, begins: Mapping[str, int]) -> list[bool]:
        """Say whether subjects have a message from a number on; also where that is not known."""
        from nats import errors

        try:
            if self._client is None:
                return [True for _ in begins]
            return [await has_message(self._client, stream, *each) for each in begins.items()]
        except (errors.Error, TimeoutError):
            return [True for _ in begins]

    def add(self, reader: SubjectReader) -> None:
        """Have a reader read."""
        self._readers.add(reader)
        if self._client is not None:
            self._start(reader, reader.run(self._client))

    def remove(self, reader: SubjectReader) -> None:
        """Have a reader stop."""
        self._readers.discard(reader)
        task = self._tasks.pop(reader, None)
        if task is not None:
            ending = asyncio.get_running_loop().create_task(_end([task]))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)

    async def _connect(self) -> Client:
        self._closed.clear()
        self._client = await connect_nats(self._bus, self._worker, self._on_closed)
        return self._client

    async def _on_closed(self) -> None:
        self._closed.set()

    async def _live(self, client: Client) -> None:
        self._start(self, self._beside(client))
        for reader in self._readers:
            self._start(reader, reader.run(client))
        await self._closed.wait()
        self._client = None
        await _end([*self._tasks.values(), *self._endings])
        await disconnect(client)

    def _start(self, owner: object, action: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(action)
        self._tasks[owner] = task

        def ended(_: asyncio.Task[None]) -> None:
            if self._tasks.get(owner) is task:
                del self._tasks[owner]
            error = None if task.cancelled() else task.exception()
            if isinstance(error, StreamError):
                self._on_failure(error)
            elif error is not None:
                self._on_failure(StreamError(f"Reading {self._bus} ended: {error!r}"))

        task.add_done_callback(ended)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks until they end: the library's waiting may miss it once."""
    pending = set(tasks)
    end = asyncio.get_running_loop().time() + _ENDING
    while pending and asyncio.get_running_loop().time() < end:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN)
