"""How ``foresql serve`` runs as several processes: each is the same command again."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from ..errors import ForesqlError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ..serving import Address, App, Settings
    from ..serving.processes import Worker

__all__ = ["read_worker", "run_processes", "run_worker", "tell_systemd", "who_logs", "words_of"]

_WORKERS_OWN = {"processes", "port", "grpc_port", "as_json"}


def read_worker() -> Worker | None:
    """Give what this process inherited as a worker; None where it is none."""
    from ..serving.processes import Handover, Worker

    given = Handover.received()
    return None if given is None else Worker(given)


def run_processes(count: int, address: Address, announce: Callable[[dict[str, Any]], None]) -> None:
    """Run the command of the current context as so many workers."""
    if sys.platform == "win32":
        message = "--processes needs a system whose processes share sockets; Windows is none."
        raise ForesqlError(message)
    from ..serving.processes import supervise

    context = click.get_current_context()

    def command(grpc_port: int | None) -> list[str]:
        # -P: what lies in the current folder is not imported.
        words = words_of(context, context.params.keys() - _WORKERS_OWN)
        own = [sys.executable, "-P", "-m", "foresql.cli", "serve", *words]
        return [*own, *([] if grpc_port is None else ["--grpc-port", str(grpc_port)])]

    supervise(command, count, address, announce)


def run_worker(
    worker: Worker,
    settings: Settings,
    address: Address,
    describe: Callable[[App, str, str | None], dict[str, Any]],
) -> None:
    """Serve as a worker; the supervisor says to the user how it went."""
    from ..serving import serve

    threads = max(1, settings.threads // worker.handover.processes)
    settings = replace(settings, shared=worker.shared, threads=threads)
    try:
        serve(settings, address, lambda *served: worker.serves(describe(*served)), worker)
    except ForesqlError as error:
        worker.failed(str(error))
        sys.exit(1)


def who_logs() -> str:
    """Name the worker, where this process is one, for its lines of the log."""
    from ..serving.processes import Handover

    given = Handover.received(os.environ)
    return "" if given is None else f"[worker {given.slot}] "


def tell_systemd() -> None:
    """Say to systemd that requests are answered, where its unit is of the type notify."""
    place = os.environ.pop("NOTIFY_SOCKET", None)
    if place is None or sys.platform == "win32":
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as telling, suppress(OSError):
        # A name that begins with @ is none of the file system.
        telling.connect("\0" + place[1:] if place.startswith("@") else place)
        telling.sendall(b"READY=1")


def words_of(context: click.Context, names: Collection[str]) -> list[str]:
    """Write the options of a command again, those of these names."""
    words: list[str] = []
    for option in context.command.params:
        value = context.params.get(option.name or "")
        # A port may be 0, which equals False.
        if value is None or value is False or option.name not in names:
            continue
        each = value if isinstance(value, tuple) else (value,)
        name = option.opts[0]
        if getattr(option, "multiple", False):
            words += [word for one in each for word in (name, str(one))]
        else:
            words += [name, *([] if value is True else map(str, each))]
    return words
