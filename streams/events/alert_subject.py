"""The subject that alerts are published to, on NATS, each with a ``Nats-Msg-Id``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ...errors import StreamError
from .nats_client import LoopThread, connect_nats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nats.aio.client import Client

_ANSWERING, _PAUSE = 5.0, 2.0
"""Seconds that the bus has to take an alert, and between two tries where it does not."""


class AlertSubject:
    """Publishes alerts; what the bus did not take is tried again, and waits in the sink."""

    def __init__(
        self, bus: str, subject: str, name: str, told: Callable[[str], None] = lambda _: None
    ) -> None:
        """Name the bus and the subject; nothing is connected yet."""
        self._bus, self._subject, self._name, self._told = bus, subject, name, told
        self._thread: LoopThread | None = None
        self._client: Client | None = None
        self._next = float("-inf")
        self._failed = False

    def publish(self, messages: Sequence[tuple[str, bytes]]) -> int:
        """Publish messages, which have an id each, and say how many of them the bus took.

        They are taken in their order; one that comes twice within the bus's window for duplicates
        is there once.
        """
        if time.monotonic() < self._next:
            return 0
        self._thread = self._thread or LoopThread("foresql-alerts")
        sent = 0
        try:
            for id_, body in messages:
                self._thread.call(self._publish(id_, body))
                sent += 1
        except StreamError as error:
            self._next = time.monotonic() + _PAUSE
            if not self._failed:
                self._told(f"Alerts wait in the sink until {self._subject} takes them. {error}")
            self._failed = True
        else:
            if self._failed:
                self._told(f"Alerts are published to {self._subject} again.")
            self._failed = False
        return sent

    def close(self) -> None:
        """Disconnect."""
        if self._thread is not None:
            if self._client is not None:
                self._thread.call(self._client.close())
            self._thread.close()
        self._thread = self._client = None

    async def _publish(self, id_: str, body: bytes) -> None:
        from nats import errors
        from nats.js.errors import NoStreamResponseError

        if self._client is None or not self._client.is_connected:
            self._client = await connect_nats(self._bus, self._name)
        try:
            await self._client.jetstream().publish(
                self._subject, body, timeout=_ANSWERING, headers={"Nats-Msg-Id": id_}
            )
        except NoStreamResponseError as error:
            message = f"No stream of {self._bus} has the subject {self._subject}: make one."
            raise StreamError(message) from error
        except (TimeoutError, errors.Error, OSError) as error:
            message = f"{self._bus}: {str(error) or type(error).__name__}"
            raise StreamError(message) from error
