"""The sensors: a thread that publishes what was planned, by a clock that runs faster.

It hears the alerts, too, as any other program on the bus would.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from ..errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext

    from .traffic import Message

__all__ = ["ALERTS", "STREAM", "SUBJECT", "Sensors"]

STREAM, SUBJECT, ALERTS = "SENSORS", "sensors", "alerts"
_TICK = 0.01
_CHUNK = 500
_STORING = 10.0


class Sensors:
    """Publishes messages and hears alerts, in a thread of its own.

    Attributes
    ----------
    published
        How many messages the bus was given.
    alerts
        What was heard, and not taken yet.
    """

    def __init__(self, address: str, messages: Sequence[Message], faster: float) -> None:
        """Say where the bus is, what to publish, and how many times as fast the clock runs."""
        self.published = 0
        self.alerts: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._address, self._messages, self._faster = address, messages, faster
        self._begin, self._stop = threading.Event(), threading.Event()
        self._ready, self._done = threading.Event(), threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def connect(self) -> None:
        """Make the streams, and listen; nothing is published yet."""
        self._thread.start()
        self._ready.wait(_STORING)
        self._check()

    def begin(self) -> None:
        """Let the clock run."""
        self._begin.set()

    @property
    def is_done(self) -> bool:
        """Whether all messages are stored.

        Raises
        ------
        DemoError
            If the bus does not take them.
        """
        self._check()
        return self._done.is_set()

    def stop(self) -> None:
        """Hang up."""
        self._stop.set()
        self._begin.set()
        self._thread.join(_STORING)

    def _check(self) -> None:
        if self._failure is not None:
            raise DemoError(f"The bus does not answer: {self._failure!r}") from self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except Exception as error:  # noqa: BLE001 - told in the thread that asks
            self._failure = error
        finally:
            self._ready.set()

    async def _live(self) -> None:
        import nats

        client = await nats.connect(self._address)
        try:
            stream = client.jetstream(timeout=_STORING)
            await stream.add_stream(name=STREAM, subjects=[f"{SUBJECT}.*"])
            await stream.add_stream(name=ALERTS.upper(), subjects=[ALERTS])
            await stream.subscribe(ALERTS, cb=self._hear, ordered_consumer=True)
            self._ready.set()
            await asyncio.to_thread(self._begin.wait)
            await self._publish(client, stream)
            await asyncio.to_thread(self._stop.wait)
        finally:
            await client.close()

    async def _publish(self, client: Client, stream: JetStreamContext) -> None:
        started = time.monotonic()
        while self.published < len(self._messages) and not self._stop.is_set():
            moment = (time.monotonic() - started) * self._faster
            for message in self._messages[self.published : self.published + _CHUNK]:
                if message.at > moment:
                    break
                subject = f"{SUBJECT}.{message.partition}"
                if self.published + 1 < len(self._messages):
                    await client.publish(subject, message.payload)
                else:
                    # The answer to the last message stands for all before it on this connection.
                    await stream.publish(subject, message.payload)
                self.published += 1
            await client.flush()
            await asyncio.sleep(_TICK)
        found = await stream.stream_info(STREAM)
        if not self._stop.is_set() and found.state.messages != len(self._messages):
            raise DemoError(f"it stored {found.state.messages} of {len(self._messages)} messages")
        self._done.set()

    async def _hear(self, message: Msg) -> None:
        self.alerts.put(json.loads(message.data))
