"""The ASGI application: finds the route, decides whether it may be asked, and answers."""

from __future__ import annotations

import logging
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, assert_never

from ..errors import ForesqlError, SignatureError
from .access import NOBODY, Anyone, AnyPrincipal, OnModel, OnServer
from .http import DisconnectedError, Refusal, Request, busy, not_found
from .routes import ROUTES
from .routing import Router
from .service import Service

if TYPE_CHECKING:
    from .http import Receive, Response, Scope, Send
    from .routing import Route
    from .settings import Settings

_LOG = logging.getLogger("foresql.serving")


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
        self._most = settings.limits.requests

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
        except DisconnectedError:
            return
        finally:
            service.in_flight -= 1
        served = getattr(request, "served", None)
        model, version = (served.name, str(served.version)) if served else ("", "")
        service.metrics.count(path, model, version, response.status, perf_counter() - started)
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": response.headers,
            }
        )
        await send({"type": "http.response.body", "body": response.body})

    async def _answer(self, request: Request) -> tuple[str, Response]:
        """Give the route's path, and what it answers; whatever goes wrong is an answer too."""
        path = ""
        try:
            route, request.parameters = self._router.find(
                request.scope["method"], request.scope["path"]
            )
            path = route.path
            self._authorise(route, request)
            return path, await route.handler(request, self.service)
        except Refusal as refusal:
            return path, refusal.response()
        except SignatureError as error:
            return path, Refusal(HTTPStatus.BAD_REQUEST, str(error)).response()
        except ForesqlError as error:
            return path, Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)).response()
        except DisconnectedError:
            raise
        except Exception:  # noqa: BLE001 - the client gets an answer, and the log the reason
            _LOG.exception("A request to %s failed.", path)
            message = "The server failed. Its log says why."
            return path, Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, message).response()

    def _authorise(self, route: Route, request: Request) -> None:
        """Find out who asks and for what, and let nobody by whom the route does not name."""
        decision = route.decision
        if isinstance(decision, Anyone):
            request.principal = NOBODY
            return
        principal = request.principal = self.service.access.identify(request)
        if self.service.in_flight > self._most:
            raise busy(f"More than {self._most} requests are under way.")
        match decision:
            case OnModel():
                model = request.parameters["model"]
                served = self.service.shelf.find(model, request.parameters.get("version"))
                if served is None or not principal.may(decision.verb, served.name):
                    raise not_found(model)
                request.served = served
            case OnServer():
                if decision.verb not in principal.server:
                    message = f"{principal.name!r} has no grant of {decision.verb!r}."
                    raise Refusal(HTTPStatus.FORBIDDEN, message)
            case AnyPrincipal():
                pass
            case _:
                assert_never(decision)
