"""One partition of a NATS stream: an ordered consumer without acks, begun by sequence number.

The reader asks for as many messages as it has room for, and keeps them until they are taken.
Whatever goes wrong, the server's consumer is thrown away, and another one begins behind the last
message that came: nothing but that number is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import uuid
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ....errors import StreamError
from ..nats_client import listen, request_api
from ..records import Record
from .lost import LOG, say_lost
from .nats_stream import stream_state

if TYPE_CHECKING:
    import threading

    from nats.aio.client import Client
    from nats.aio.subscription import Subscription

    from .nats_stream import StreamState

_LOOK = 5.0
"""Seconds between two looks at the consumer and the stream."""
_PAUSES = (0.05, 0.2, 0.5, 1.0, 2.0)
_EXPIRES, _FORGOTTEN = 30, 120
"""Seconds after which the server ends a request for messages, and drops an unused consumer."""
_BYTES = 8 << 20
_PENDING = re.compile(rb"Nats-Pending-Messages: *(\d+)")
_REQUEST_ENDS = (b" 408", b" 404", b"Message Size Exceeds MaxBytes")
"""Statuses by which a request ends, and the consumer goes on."""
_PLAIN = 9
"""Words of the subject that a message is acknowledged by, which say where it stands. Where the
server tells domain and account, these are two more, behind the second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the readers of a stream have in common.

    Attributes
    ----------
    whole
        Whether the only partition is the whole stream.
    at_end
        Whether a partition without a position begins at its end.
    room
        How many messages a reader may hold.
    created
        When the stream was made: another one of its name is refused.
    """

    stream: str
    worker: str
    whole: bool
    at_end: bool
    room: int
    created: str | None = None


class SubjectReader:
    """Reads one partition: the messages of a subject, or all of a stream."""

    def __init__(
        self,
        plan: Plan,
        partition: str,
        begin: tuple[int | None, int | None],
        wake: threading.Event,
    ) -> None:
        """Begin behind a position, or at a number; ``wake`` is set when there is something."""
        self.partition = partition
        self.records: deque[Record] = deque()
        self._plan = plan
        self._wake = wake
        self._before, self.next = begin
        if self._before is not None:
            self.next = self._before + 1
        self.begun = self.next
        self._created = plan.created
        self._known = self._first = 0  # all before the one was read; the stream begins at the other
        self._waiting = 1  # until the server tells, so that nobody takes the partition as empty
        self._came = self._taken = 0  # bytes, each counted by one thread
        self._consumer = self._inbox = ""
        self._count = self._asked = self._most_bytes = 0
        self._is_silent = False
        self._broken = asyncio.Event()
        self._client: Client | None = None
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def lag(self) -> int:
        """How many messages wait: here, and by the server's last word there."""
        return self._waiting + len(self.records)

    @property
    def is_hungry(self) -> bool:
        """Whether the server was asked for few, and there is room for more."""
        return (
            self._asked <= self._plan.room // 4
            and len(self.records) <= self._plan.room // 2
            and self._came - self._taken <= _BYTES
        )

    def take(self, most: int, records: list[Record]) -> None:
        """Move at most so many records to a list; the worker's thread does."""
        mine = self.records
        for _ in range(min(most, len(mine))):
            record = mine.popleft()
            self._taken += len(record.payload or b"")
            records.append(record)

    def ask(self) -> None:
        """Ask the server for more, if there is room; in the loop."""
        if self._client is None or not self.is_hungry:
            return
        batch = self._plan.room // 2
        self._asked += batch
        request = {"batch": batch, "expires": _EXPIRES * 10**9, "max_bytes": self._most_bytes}
        task = asyncio.get_running_loop().create_task(self._send(self._client, request))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def run(self, client: Client) -> None:
        """Read until cancelled, and begin anew behind what came where anything fails.

        Raises
        ------
        StreamError
            If the stream is gone, or is another one than before.
        """
        from nats import errors

        failures = 0
        while True:
            subscription = None
            try:
                subscription = await self._begin(client)
                failures = 0
                await self._until_broken(client)
            except (errors.Error, TimeoutError) as error:
                LOG.debug("%s of %s: %r", self.partition, self._plan.stream, error)
            finally:
                await self._leave(client, subscription)
            await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
            failures += 1

    async def _begin(self, client: Client) -> Subscription:
        self._find_begin(await stream_state(client, self._plan.stream))
        self._consumer = f"{self._plan.worker}-{uuid.uuid4().hex[:12]}"
        self._inbox = client.new_inbox()
        self._count = self._asked = 0
        self._most_bytes = max(_BYTES, 2 * client.max_payload)
        self._broken.clear()
        found = await request_api(client, *self._new_consumer())
        self._waiting = found["num_pending"]
        subscription = await listen(client, self._inbox, self._hear)
        self._client = client
        self.ask()
        return subscription

    def _new_consumer(self) -> tuple[str, dict[str, Any]]:
        plan = self._plan
        configuration: dict[str, Any] = {
            "name": self._consumer,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self.next,
            "ack_policy": "none",
            "replay_policy": "instant",
            "max_deliver": 1,
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": _FORGOTTEN * 10**9,
        }
        where = f"CONSUMER.CREATE.{plan.stream}.{self._consumer}"
        if not plan.whole:
            configuration["filter_subject"] = self.partition
            where = f"{where}.{self.partition}"
        return where, {"stream_name": plan.stream, "config": configuration, "action": "create"}

    def _find_begin(self, state: StreamState) -> None:
        self._check(state, self.next)
        if self.next is None:
            self.next = self.begun = state.last + 1 if self._plan.at_end else state.first
        self._say_lost(state.first)
        self.next = max(self.next, state.first)

    def _check(self, state: StreamState, after: int | None) -> None:
        """See that it is the stream that was read, and goes on where that ended."""
        if self._created not in {None, state.created}:
            message = f"The stream {state.name} was made anew while it was read."
            raise StreamError(message)
        state.check_behind(after)
        self._created, self._first = state.created, state.first

    def _say_lost(self, end: int) -> None:
        begin = max(self.next or 0, self._known)
        if begin < end:
            subject = None if self._plan.whole else self.partition
            say_lost(self._plan.stream, begin, end - 1, subject)

    async def _until_broken(self, client: Client) -> None:
        while True:
            self._is_silent = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await self._broken.wait()
                return
            await self._look(client)

    async def _look(self, client: Client) -> None:
        """See how far the server is, and that it has not dropped the request."""
        after = self.next  # what comes while the server answers may be newer than its answer
        state = await stream_state(client, self._plan.stream)
        self._check(state, after)
        info = f"CONSUMER.INFO.{self._plan.stream}.{self._consumer}"
        found = await request_api(client, info, {})
        if found["num_pending"] == 0:
            self._known = state.last + 1
        if self._is_silent:
            self._waiting = found["num_pending"]
            if self._waiting and self._asked and not found["num_waiting"]:
                self._broken.set()

    async def _leave(self, client: Client, subscription: Subscription | None) -> None:
        from nats import errors

        self._client = None
        self._waiting = max(self._waiting, 1)
        with contextlib.suppress(errors.Error):
            if subscription is not None:
                await subscription.unsubscribe()
                delete = f"$JS.API.CONSUMER.DELETE.{self._plan.stream}.{self._consumer}"
                await client.publish(delete)

    async def _send(self, client: Client, request: dict[str, int]) -> None:
        from nats import errors

        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._plan.stream}.{self._consumer}"
        try:
            await client.publish(subject, json.dumps(request).encode(), self._inbox)
        except errors.Error:
            self._broken.set()

    def _hear(self, reply: bytes, payload: bytes, status: bytes | None) -> None:
        """Keep a message, if it is the next one: what comes behind a hole comes once more."""
        if status is not None:
            self._hear_status(status)
            return
        words = reply.split(b".")
        number, count, time, pending = words[5:9] if len(words) == _PLAIN else words[7:11]
        if int(count) != self._count + 1:
            self._broken.set()
            return
        self._count += 1
        self._is_silent = False
        self._keep(int(number), int(time) / 1e9, payload)
        self._waiting = int(pending)
        self._asked -= 1
        if self.is_hungry:
            self.ask()

    def _keep(self, number: int, published: float, payload: bytes) -> None:
        # Between messages of a subject are those of others: which ones left is not known.
        self._say_lost(number if self._plan.whole else min(number, self._first))
        self.records.append(Record(self.partition, number, published, payload, self._before))
        self._before, self.next = number, number + 1
        self._came += len(payload)
        if not self._wake.is_set():
            self._wake.set()

    def _hear_status(self, status: bytes) -> None:
        pending = _PENDING.search(status)
        if pending is None or not any(each in status for each in _REQUEST_ENDS):
            self._broken.set()
            return
        self._asked -= int(pending[1])
        self.ask()
