"""Run the application under uvicorn: addresses, limits of connections, and a graceful end."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvicorn

from ..errors import ForesqlError
from .access import is_loopback
from .app import App
from .connections import Connection
from .tls import OwnCertificate, tls_options

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from .grpc_server import GrpcServer
    from .settings import Settings, Tls

KEEP_ALIVE_SECONDS = 75
"""Longer than load balancers keep idle connections, so that they close first."""

SHUTDOWN_SECONDS = 30
"""How long requests that are under way may take after SIGTERM."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen.

    Attributes
    ----------
    port, grpc_port
        0 is any that is free; without a ``grpc_port`` there is no gRPC.
    tls
        Without it, both speak in the clear.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    grpc_port: int | None = None
    tls: Tls | None = None


def serve(
    settings: Settings, address: Address, announce: Callable[[App, str, str | None], None]
) -> None:
    """Serve until SIGTERM or SIGINT.

    ``announce`` is told the addresses of HTTP and gRPC once they are listened to.

    Raises
    ------
    ForesqlError
        If the address is not this machine's own and there are no keys; if keys, models or the
        files of TLS cannot be loaded; if the address cannot be listened to.
    """
    host, port = address.host, address.port
    check_address(host, settings)
    options = tls_options(address.tls) if address.tls else {}
    app = App(settings)
    # What is loaded now stays: looking through it for garbage would hold up requests.
    gc.collect()
    gc.freeze()
    server = _Server(_config(app, host, port, options), app, address, announce)
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


def _config(app: App, host: str, port: int, tls: dict[str, Any]) -> uvicorn.Config:
    options: dict[str, Any] = {
        "loop": "asyncio" if sys.platform == "win32" else "uvloop",
        "http": Connection,
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": SHUTDOWN_SECONDS,
    }
    return uvicorn.Config(app, host=host, port=port, **(options | tls))


class _Server(uvicorn.Server):
    """uvicorn's server, with the one of gRPC beside it."""

    def __init__(
        self,
        config: uvicorn.Config,
        app: App,
        address: Address,
        announce: Callable[[App, str, str | None], None],
    ) -> None:
        super().__init__(config)
        self._app = app
        self._address = address
        self._announce = announce
        self._grpc: GrpcServer | None = None
        self._following: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        address = self._address
        if address.grpc_port is not None:
            from .grpc_server import GrpcServer

            self._grpc = GrpcServer(self._app.service, address.host, address.grpc_port, address.tls)
        await super().startup(sockets)
        if self._grpc is not None:
            await self._grpc.start()
        if address.tls is not None and self.config.ssl is not None:
            follow = _follow(address.tls, self.config.ssl, self._app.service.settings.poll_seconds)
            self._following = asyncio.create_task(follow)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        host = f"[{host}]" if ":" in host else host
        scheme = "https" if self.config.is_ssl else "http"
        grpc = f"{host}:{self._grpc.port}" if self._grpc else None
        self._announce(self._app, f"{scheme}://{host}:{port}", grpc)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nothing new, over HTTP and gRPC at once; the application ends behind both."""
        if self._following is not None:
            self._following.cancel()
        if self._grpc is None:
            await super().shutdown(sockets)
            return
        draining = asyncio.create_task(self._grpc.stop(SHUTDOWN_SECONDS))
        end = self.lifespan.shutdown

        async def end_behind_grpc() -> None:
            await draining
            await end()

        self.lifespan.shutdown = end_behind_grpc
        await super().shutdown(sockets)
        draining.cancel()  # it is not done where a second signal asked for the end at once


async def _follow(tls: Tls, context: ssl.SSLContext, seconds: float) -> None:
    """Let new connections have the certificate that the files hold by now.

    In the event loop, since no handshake may begin while a certificate and its key are exchanged.
    """
    own = OwnCertificate(tls)
    while True:
        await asyncio.sleep(seconds)
        own.renew(lambda: own.load_into(context))
