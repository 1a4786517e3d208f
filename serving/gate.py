"""What each request passes, whatever carried it: who asks, whether they may, what went wrong."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, assert_never

from ..errors import ForesqlError, SignatureError
from .access import NOBODY, Anyone, AnyPrincipal, OnModel, OnServer
from .http import Refusal, busy, not_found

if TYPE_CHECKING:
    from .access import Decision
    from .http import Request
    from .service import Service

_LOG = logging.getLogger("foresql.serving")


def admit(decision: Decision, request: Request, service: Service) -> None:
    """Find out who asks and for what, and let nobody by whom the decision does not name.

    Raises
    ------
    Refusal
        If they may not ask, ask too often, or there is no room.
    """
    recognise(decision, request, service)
    authorise(decision, request, service)


def recognise(decision: Decision, request: Request, service: Service) -> None:
    """Find out who asks; nothing of what is asked for needs to be read yet.

    Raises
    ------
    Refusal
        If nobody proves to ask, they ask too often, or there is no room.
    """
    if isinstance(decision, Anyone):
        request.principal = NOBODY
        return
    request.check_headers()
    request.principal = service.access.identify(request)
    service.rates.take(request.principal)
    most = service.settings.limits.requests
    if service.in_flight > most:
        raise busy(f"More than {most} requests are under way.")


def authorise(decision: Decision, request: Request, service: Service) -> None:
    """Let whoever asks do what the decision names, and nothing else.

    Raises
    ------
    Refusal
        If they may not.
    """
    principal = request.principal
    match decision:
        case OnModel():
            model = request.parameters["model"]
            served = service.shelf.find(model, request.parameters.get("version"))
            if served is None or not principal.may(decision.verb, served.name):
                raise not_found(model)
            request.served = served
        case OnServer():
            if decision.verb not in principal.server:
                message = f"{principal.name!r} has no grant of {decision.verb!r}."
                raise Refusal(HTTPStatus.FORBIDDEN, message)
        case Anyone() | AnyPrincipal():
            pass
        case _:
            assert_never(decision)


def refusal_of(error: Exception, route: str) -> Refusal:
    """Say what a client is told of an error; the log has the reason of those that are ours."""
    match error:
        case Refusal():
            return error
        case SignatureError():
            return Refusal(HTTPStatus.BAD_REQUEST, str(error))
        case ForesqlError():
            return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        case _:
            _LOG.error("A request to %s failed.", route, exc_info=error)
            message = "The server failed. Its log says why."
            return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, message)


def note(request: Request, service: Service, route: str, status: int, seconds: float) -> None:
    """Count a request that was answered, and write it into the audit log."""
    served = getattr(request, "served", None)
    model, version = (served.name, str(served.version)) if served else ("", "")
    service.metrics.count(route, model, version, status, seconds)
    # Health says nothing of anybody, and is asked every few seconds.
    if service.audit and getattr(request, "principal", None) is not NOBODY:
        service.audit.write(request, route, status, seconds)
