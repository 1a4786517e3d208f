"""How ``foresql serve`` runs as several processes: each is the same command again."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from ..errors import ForesqlError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..serving import Address, App, Settings
    from ..serving.processes import Worker

__all__ = ["read_worker", "run_processes", "run_worker", "who_logs"]

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
        own = [sys.executable, "-P", "-m", "foresql.cli", "serve", *_words(context)]
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


def _words(context: click.Context) -> list[str]:
    """Write the options of the command again."""
    words: list[str] = []
    for option in context.command.params:
        value = context.params.get(option.name or "")
        if value in (None, False) or option.name in _WORKERS_OWN:
            continue
        each = value if isinstance(value, tuple) else (value,)
        name = option.opts[0]
        if getattr(option, "multiple", False):
            words += [word for one in each for word in (name, str(one))]
        else:
            words += [name, *([] if value is True else map(str, each))]
    return words
