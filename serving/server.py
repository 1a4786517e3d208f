"""Run the application under uvicorn: addresses, limits of connections, and a graceful end."""

from __future__ import annotations

import gc
import signal
import sys
from typing import TYPE_CHECKING

import uvicorn

from ..errors import ForesqlError
from .access import is_loopback
from .app import App

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from .settings import Settings

CONNECTIONS = 4_096
"""Further connections are answered with 503 and closed."""

KEEP_ALIVE_SECONDS = 75
"""Longer than load balancers keep idle connections, so that they close first."""

SHUTDOWN_SECONDS = 30
"""How long requests that are under way may take after SIGTERM."""


def serve(settings: Settings, host: str, port: int, announce: Callable[[App, str], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``announce`` is told the address once it is listened to.

    Raises
    ------
    ForesqlError
        If the address is not this machine's own and there are no keys; if keys or models cannot
        be loaded; if the address cannot be listened to.
    """
    check_address(host, settings)
    app = App(settings)
    # What is loaded now stays: looking through it for garbage would hold up requests.
    gc.collect()
    gc.freeze()
    server = _Server(_config(app, host, port), lambda url: announce(app, url))
    # uvicorn ends gracefully, and then raises the signal again for whoever handled it before.
    numbers = (signal.SIGTERM, signal.SIGINT)
    handlers = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        server.run()
    except SystemExit as error:
        message = f"{host}:{port} cannot be listened to: is it in use, and is it this machine's?"
        raise ForesqlError(message) from error
    finally:
        gc.unfreeze()  # libraries look for leaks when the process ends
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)


def check_address(host: str, settings: Settings) -> None:
    """Check that without keys nobody else can reach the server.

    Raises
    ------
    ForesqlError
        If they could.
    """
    if settings.keys is None and not is_loopback(host):
        message = (
            f"Without keys the server listens to this machine alone, and {host} can be reached by "
            "others. Give it --keys FILE, or --host 127.0.0.1."
        )
        raise ForesqlError(message)


def _config(app: App, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="asyncio" if sys.platform == "win32" else "uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[str], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        self._announce(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
