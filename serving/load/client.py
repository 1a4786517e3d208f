"""A process that asks a server again and again. It is run by its path, and imports nothing of ours.

It reads a line of JSON, where to ask and with what, and then a line for each run. A run is answered
by a line of JSON with what went wrong, and the seconds of each request as 8 bytes, in their order.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import sys
from array import array
from collections import Counter
from time import perf_counter
from typing import Any

import httptools

try:
    from uvloop import run
except ImportError:
    from asyncio import run

_OK = 200
_PAUSE = 0.05
_PATIENCE = 30.0


class Run:
    """What all connections of a run share."""

    def __init__(self, target: dict[str, Any], asked: dict[str, Any]) -> None:
        """Prepare; ``asked`` has the number of connections, the seconds, and perhaps a rate."""
        self.target = target
        self.requests = [base64.b64decode(each) for each in target["requests"]]
        self.next = 0
        self.seconds = array("d")
        self.errors: Counter[str] = Counter()
        self.count = asked["connections"]
        # Of each connection: the time between two requests, where they have their times.
        self.interval = self.count / asked["rate"] if asked.get("rate") else None
        self.began = 0.0
        self.end = 0.0
        self.length = asked["seconds"]
        self.open = 0
        self.done = asyncio.Event()
        self.ssl = ssl.create_default_context() if target["tls"] else None

    async def go(self) -> float:
        """Connect all, run, and tell how long it took."""
        loop = asyncio.get_running_loop()
        connections = [Connection(self, number) for number in range(self.count)]
        for connection in connections:
            await connection.connect()
        self.began = perf_counter()
        self.end = self.began + self.length
        for connection in connections:
            loop.call_soon(connection.begin)
        # An answer that never comes is an error, too.
        try:
            await asyncio.wait_for(self.done.wait(), self.length + _PATIENCE)
        except TimeoutError:
            self.errors["no answer"] += self.open
        taken = perf_counter() - self.began
        for connection in connections:
            connection.leave()
        return taken

    def request(self) -> bytes:
        """Give the next request."""
        self.next = (self.next + 1) % len(self.requests)
        return self.requests[self.next]


class Connection(asyncio.Protocol):
    """Asks, waits for the whole answer, and asks again."""

    def __init__(self, run: Run, number: int) -> None:
        """Be one of the run's connections."""
        self.run = run
        self.number = number
        self.due = 0.0
        self.is_waiting = False
        self.has_left = False
        self.transport: Any = None
        self.parser: Any = None

    async def connect(self) -> None:
        """Connect to the server."""
        target = self.run.target
        loop = asyncio.get_running_loop()
        name = target["host"] if self.run.ssl else None
        await loop.create_connection(
            lambda: self, target["host"], target["port"], ssl=self.run.ssl, server_hostname=name
        )

    def connection_made(self, transport: Any) -> None:
        """Begin to read answers."""
        self.transport = transport
        self.parser = httptools.HttpResponseParser(self)

    def begin(self) -> None:
        """Send the first request; those with times are spread over the interval."""
        self.run.open += 1
        self.due = self.run.began
        if self.run.interval is not None:
            self.due += self.run.interval * self.number / self.run.count
        self.next()

    def next(self) -> None:
        """Send a request: now, or when its time comes."""
        now = perf_counter()
        if max(now, self.due) >= self.run.end:
            self.finish()
        elif self.due > now:
            asyncio.get_running_loop().call_later(self.due - now, self.send)
        else:
            self.send()

    def send(self) -> None:
        """Send a request. One that has a time is late from that time on, whenever it is sent."""
        if self.has_left:
            return
        if self.run.interval is None:
            self.due = perf_counter()
        self.is_waiting = True
        self.transport.write(self.run.request())

    def data_received(self, data: bytes) -> None:
        """Read a part of an answer."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.run.errors["no HTTP"] += 1
            self.is_waiting = False
            self.transport.abort()

    def on_message_complete(self) -> None:
        """Note an answer, and go on."""
        self.is_waiting = False
        status = self.parser.get_status_code()
        if status == _OK:
            self.run.seconds.append(perf_counter() - self.due)
        else:
            self.run.errors[f"status {status}"] += 1
        if self.run.interval is not None:
            self.due += self.run.interval
        if self.parser.should_keep_alive():
            self.next()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Connect again; a request that was under way is an error."""
        del exc
        if self.has_left:
            return
        if self.is_waiting:
            self.run.errors["connection lost"] += 1
            self.is_waiting = False
        self._again = asyncio.ensure_future(self._reconnect())

    async def _reconnect(self) -> None:
        while perf_counter() < self.run.end:
            try:
                await self.connect()
            except OSError:
                self.run.errors["no connection"] += 1
                await asyncio.sleep(_PAUSE)
            else:
                self.next()
                return
        self.finish()

    def finish(self) -> None:
        """Be done with the run."""
        self.run.open -= 1
        if not self.run.open:
            self.run.done.set()

    def leave(self) -> None:
        """Close the connection."""
        self.has_left = True
        self.transport.close()


async def main() -> None:
    """Do the runs that are asked for, until there are no more."""
    loop = asyncio.get_running_loop()
    target = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        current = Run(target, json.loads(line))
        try:
            taken = await current.go()
        except OSError as error:
            current.errors[f"no connection: {error.strerror or error}"] += 1
            taken = current.length
        about = {"taken": taken, "errors": current.errors, "answered": len(current.seconds)}
        sys.stdout.buffer.write(json.dumps(about).encode() + b"\n" + current.seconds.tobytes())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    run(main())
