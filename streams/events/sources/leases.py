"""Partitions that several workers share, by leases in a NATS key-value bucket.

Each worker keeps a key that says that it lives, and a key for each partition that it has. All keys
leave the bucket when they were not renewed for the bucket's time to live, so a dead worker's
partitions become free by themselves. A lease is taken, renewed and given back by compare and set:
two workers never have the same one.

The share of a worker follows from how many live, and its place among them: P partitions of N
workers are P // N each, and one more for the first P % N. The shares add up to P. So when all see
the same workers, whoever has more than its share gives the rest back, and whoever has less finds
free ones. While they see different ones, partitions may be free for a moment, or unequally shared.
No result rests on that: a sink takes a batch only behind the position before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import socket
import time
from typing import TYPE_CHECKING, Any

from ....errors import StreamError
from ..nats_client import ANSWERING, request_api
from .lost import LOG

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from nats.aio.client import Client
    from nats.aio.msg import Msg

_RENEWALS = 3
"""How often a lease is renewed in its time to live."""
_WRONG_REVISION = (10071, 10164)
_OTHER_SETTINGS = 10058
_REVISION = "Nats-Expected-Last-Subject-Sequence"


class _OtherPurposeError(StreamError):
    """A worker of the same name does something else."""


class Leases:
    """The partitions that one worker has of those that all workers of a name share.

    Attributes
    ----------
    held
        The partitions, with the revisions of their keys.
    """

    def __init__(
        self,
        name: str,
        partitions: Sequence[str],
        living: timedelta,
        on_change: Callable[[frozenset[str]], None],
        purpose: str = "",
    ) -> None:
        """Share the partitions under a name; ``living`` is how long an unrenewed lease stands.

        All workers must have one ``purpose``: what those of another one took would be missing.
        """
        self.held: dict[str, int] = {}
        # The older worker comes first: a new one then moves as few partitions as it must.
        self._purpose = _digest(f"{purpose}\0{sorted(partitions)}")
        self.worker = f"{time.time_ns():020d}-{os.urandom(4).hex()}-{self._purpose}"
        self._bucket = re.sub(r"[^A-Za-z0-9_-]", "_", f"foresql_{name}")
        self._keys = {each: f"lease.{_digest(each)}" for each in partitions}
        self._living = living.total_seconds()
        self._on_change = on_change
        self._news = asyncio.Event()
        self._is_ending = False
        self._is_known = False

    def end(self) -> None:
        """Give everything back when :meth:`run` is cancelled next."""
        self._is_ending = True

    async def run(self, client: Client, replicas: int) -> None:
        """Take and renew leases until cancelled.

        Raises
        ------
        StreamError
            If the bucket cannot be made, or an older worker of the name does something else.
        """
        from nats import errors

        await self._open(client, replicas)
        subscription = await client.subscribe(self._news_subject, cb=self._hear)
        try:
            while True:
                self._news.clear()
                try:
                    await self._round(client)
                except _OtherPurposeError:
                    await self._purge(client, self._worker_key)
                    raise
                except (errors.Error, TimeoutError, StreamError) as error:
                    LOG.debug("Leases of %s: %r", self._bucket, error)
                    with contextlib.suppress(errors.Error, TimeoutError):
                        await self._open(client, replicas)  # it is kept in memory
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._living / _RENEWALS):
                        await self._news.wait()
        finally:
            with contextlib.suppress(errors.Error, TimeoutError):
                await subscription.unsubscribe()
                if self._is_ending:
                    await self._give_back(client, list(self.held))
                    await self._purge(client, self._worker_key)
                    await client.publish(self._news_subject, self.worker.encode())

    async def _round(self, client: Client) -> None:
        """Renew what is held, then give back or take until it is this worker's share."""
        await self._put(client, self._worker_key, None)
        keys = await self._all_keys(client)
        workers = [key for key in keys if key.startswith("worker.")]
        self._check(workers)
        free = [each for each, key in self._keys.items() if key not in keys]
        await self._set(client, list(self.held))
        share = self._share([key for key in workers if key.endswith(self._purpose)])
        surplus = list(self.held)[share:]
        await self._set(client, free[: max(share - len(self.held), 0)])
        # Once a round: what was lost with the bucket, and taken again, was held all the time.
        self._on_change(frozenset(self.held))
        await self._give_back(client, surplus)
        if surplus or not self._is_known:
            await client.publish(self._news_subject, self.worker.encode())
        self._is_known = True

    def _check(self, workers: Sequence[str]) -> None:
        """Leave an older worker alone that has other partitions, or another sink."""
        if any(key < self._worker_key and not key.endswith(self._purpose) for key in workers):
            message = (
                f"A worker that runs shares the bucket {self._bucket}, and has another sink, table "
                "or subjects: of what one took, nothing would come to the other.\n  What to do: "
                "give the definition a name of its own, or stop that worker first."
            )
            raise _OtherPurposeError(message)

    def _share(self, workers: list[str]) -> int:
        known = sorted({*workers, self._worker_key})
        each, more = divmod(len(self._keys), len(known))
        return each + (known.index(self._worker_key) < more)

    @property
    def _worker_key(self) -> str:
        return f"worker.{self.worker}"

    @property
    def _news_subject(self) -> str:
        return f"{self._bucket}.news"

    async def _set(self, client: Client, partitions: Sequence[str]) -> None:
        """Renew leases that are held, and take those that are free."""
        await asyncio.gather(*(self._set_one(client, each) for each in partitions))

    async def _set_one(self, client: Client, partition: str) -> None:
        revision = self.held.get(partition, 0)
        self.held[partition] = await self._put(client, self._keys[partition], revision)
        if not self.held[partition]:
            del self.held[partition]

    async def _give_back(self, client: Client, partitions: Sequence[str]) -> None:
        """Give leases back, after it is known that nothing more is read of them."""
        revisions = {each: self.held.pop(each) for each in partitions}
        self._on_change(frozenset(self.held))
        for partition, revision in revisions.items():
            await self._purge(client, self._keys[partition], revision)

    async def _put(self, client: Client, key: str, revision: int | None) -> int:
        """Write a key, if its revision is that one; give the new one, or 0 where it was not."""
        reply = await client.request(
            f"$KV.{self._bucket}.{key}",
            json.dumps({"host": socket.gethostname(), "process": os.getpid()}).encode(),
            timeout=ANSWERING,
            headers=None if revision is None else {_REVISION: str(revision)},
        )
        answer: dict[str, Any] = json.loads(reply.data)
        problem = answer.get("error")
        if problem is None:
            return int(answer["seq"])
        if problem.get("err_code") in _WRONG_REVISION:
            return 0
        from nats import errors

        raise errors.Error(problem.get("description", ""))

    async def _all_keys(self, client: Client) -> list[str]:
        prefix = f"$KV.{self._bucket}."
        where = f"STREAM.INFO.KV_{self._bucket}"
        found = await request_api(client, where, {"subjects_filter": f"{prefix}>"})
        return [each.removeprefix(prefix) for each in found["state"].get("subjects") or {}]

    async def _purge(self, client: Client, key: str, revision: int | None = None) -> None:
        """Drop a key, up to a revision: a later one is another worker's."""
        body: dict[str, Any] = {"filter": f"$KV.{self._bucket}.{key}"}
        if revision is not None:
            body["seq"] = revision + 1
        await request_api(client, f"STREAM.PURGE.KV_{self._bucket}", body)

    async def _hear(self, message: Msg) -> None:
        if message.data != self.worker.encode():
            self._news.set()

    async def _open(self, client: Client, replicas: int) -> None:
        from nats.js.api import StorageType
        from nats.js.errors import APIError

        try:
            await client.jetstream(timeout=ANSWERING).create_key_value(
                bucket=self._bucket,
                ttl=self._living,
                history=1,
                storage=StorageType.MEMORY,
                replicas=replicas,
            )
        except APIError as error:
            if error.err_code != _OTHER_SETTINGS:
                message = f"The bucket {self._bucket} cannot be made: {error.description}"
                raise StreamError(message) from error


def _digest(partition: str) -> str:
    """Subjects with wildcards are no keys."""
    return hashlib.sha256(partition.encode()).hexdigest()[:16]
