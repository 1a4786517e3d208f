"""The ASGI application: finds the route, decides whether it may be asked, and answers."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from .compression import pack
from .gate import admit, note, refusal_of
from .http import DisconnectedError, Request
from .routes import ROUTES
from .routing import Router
from .service import Service

if TYPE_CHECKING:
    from .http import Receive, Response, Scope, Send
    from .settings import Settings


class App:
    """An ASGI 3 application. It runs under any server that speaks the lifespan protocol."""

    def __init__(self, settings: Settings) -> None:
        """Load keys and models.

        Raises
        ------
        ForesqlError
            If they cannot be loaded.
        """
        self.service = Service(settings)
        self.service.routes = ROUTES
        self._router = Router(ROUTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection's request, or the server's beginning and end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(Request(scope, receive), send)
        else:
            message = f"{scope['type']!r} is not served here."
            raise ValueError(message)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.service.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                self.service.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _serve(self, request: Request, send: Send) -> None:
        service = self.service
        started = perf_counter()
        service.in_flight += 1
        try:
            path, response = await self._answer(request)
            await pack(request, response, service)
        except DisconnectedError:
            return
        finally:
            service.in_flight -= 1
        note(request, service, path, response.status, perf_counter() - started)
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": response.headers,
            }
        )
        body = b"" if request.scope["method"] == "HEAD" else response.body
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, request: Request) -> tuple[str, Response]:
        """Give the route's path, and what it answers; whatever goes wrong is an answer too."""
        path = ""
        try:
            route, request.parameters = self._router.find(
                request.scope["method"], request.scope["path"]
            )
            path = route.path
            admit(route.decision, request, self.service)
            return path, await route.handler(request, self.service)
        except DisconnectedError:
            raise
        except Exception as error:  # noqa: BLE001 - the client gets an answer, the log the reason
            return path, refusal_of(error, path).response()
