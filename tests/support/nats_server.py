"""A real NATS server with JetStream for a test, from a wheel: it can be killed and restarted."""

import asyncio
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import nats
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import StreamInfo

BINARY = Path(sys.executable).parent / "nats-server"
# A stream stores what one connection sends in its order, so the answer to the last message of a
# chunk stands for all of it. Ten thousand that wait to be stored would be refused.
CHUNK = 1000
STARTING = 30.0

Result = TypeVar("Result")


class NatsServer:
    """A server on one port and one store, which outlive its process.

    `settings` are further settings of the server's configuration: users, TLS.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any] | None = None) -> None:
        self.port = _free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._configuration = folder / "server.conf"
        defaults: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "jetstream": {"store_dir": str(folder / "store")},
        }
        # JSON is a part of the language of NATS's configuration.
        self._configuration.write_text(json.dumps(defaults | dict(settings or {})))

    def start(self) -> None:
        """Start it on what was stored before, and wait until it listens: JetStream is up then."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [BINARY, "-c", self._configuration], stdout=log, stderr=log
            )
        end = time.monotonic() + STARTING
        while not self._listens():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(self.log.read_text())
            time.sleep(0.01)

    def stop(self) -> None:
        """Let it end in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill -9."""
        self._end(signal.SIGKILL)

    def run(
        self, action: Callable[[Client, JetStreamContext], Awaitable[Result]], **options: Any
    ) -> Result:
        """Run an action of the client library on a connection of its own, with its options."""

        async def run() -> Result:
            client = await nats.connect(self.url, **options)
            try:
                return await action(client, client.jetstream(timeout=STARTING))
            finally:
                await client.close()

        return asyncio.run(run())

    def make_stream(self, name: str, subjects: list[str], **settings: Any) -> None:
        """Make a stream; settings are those of `nats.js.api.StreamConfig`."""
        self.run(lambda _, js: js.add_stream(name=name, subjects=subjects, **settings))

    def stream(self, name: str) -> StreamInfo:
        return self.run(lambda _, js: js.stream_info(name))

    def publish(self, messages: Iterable[tuple[str, bytes]], ids: str | None = None) -> int:
        """Publish subjects and payloads of one stream, and return how many, when all are stored.

        Where `ids` is given, message N has the `Nats-Msg-Id` `idsN`.
        """
        waiting = list(messages)

        async def publish(client: Client, js: JetStreamContext) -> None:
            for number, (subject, payload) in enumerate(waiting):
                headers = None if ids is None else {"Nats-Msg-Id": f"{ids}{number}"}
                if number % CHUNK == CHUNK - 1 or number == len(waiting) - 1:
                    await js.publish(subject, payload, headers=headers)
                else:
                    await client.publish(subject, payload, headers=headers)

        self.run(publish)
        return len(waiting)

    def _listens(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait()
            self.process = None


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@contextmanager
def nats_server(settings: Mapping[str, Any] | None = None) -> Iterator[NatsServer]:
    """Start a server with an empty store, and end it with its folder."""
    folder = Path(tempfile.mkdtemp(prefix="foresql_nats_"))
    server = NatsServer(folder, settings)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
