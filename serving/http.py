"""A request, a response, and what is refused: as much of HTTP as the routes need."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping

    from .access import Principal
    from .models import ServedModel

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Scope = MutableMapping[str, Any]

JSON = b"application/json"
Header = tuple[bytes, bytes]
_RETRY_SECONDS = b"1"


class Request:
    """One request. ``principal`` and ``served`` are set once it is authorised.

    ``marks`` are moments of the clock, where the request is traced.
    """

    __slots__ = ("headers", "marks", "parameters", "principal", "receive", "scope", "served")

    principal: Principal
    served: ServedModel
    marks: dict[str, float]

    def __init__(self, scope: Scope, receive: Receive) -> None:
        """Read the headers; the body is read by whoever needs it."""
        self.scope = scope
        self.receive = receive
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.parameters: Mapping[str, str] = {}


class Response:
    """A status, a body and its headers."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self,
        body: bytes,
        *,
        status: int = HTTPStatus.OK,
        content_type: bytes = JSON,
        headers: tuple[Header, ...] = (),
    ) -> None:
        """Give the body its length and type."""
        self.status = int(status)
        self.body = body
        self.headers: list[Header] = [
            (b"content-type", content_type),
            (b"content-length", b"%d" % len(body)),
            *headers,
        ]


def json_response(value: object, status: int = HTTPStatus.OK) -> Response:
    """Answer in JSON; NaN and infinity, which JSON has not, become null."""
    return Response(msgspec.json.encode(value), status=status)


class Refusal(Exception):  # noqa: N818 - what the client did is no error of ours
    """A request that is answered with an error: ``{"error": message}``."""

    def __init__(self, status: int, message: str, *headers: Header) -> None:
        """Say what is wrong, where, and what to do."""
        super().__init__(message)
        self.status = int(status)
        self.headers = headers

    def response(self) -> Response:
        """Give the response."""
        body = msgspec.json.encode({"error": str(self)})
        return Response(body, status=self.status, headers=self.headers)


class DisconnectedError(Exception):
    """The client went away before its request was whole."""


def bad(message: str) -> Refusal:
    """Refuse a request that is not as it should be."""
    return Refusal(HTTPStatus.BAD_REQUEST, message)


def busy(what: str) -> Refusal:
    """Refuse a request that there is no room for now."""
    message = f"{what} Send the request again in a second."
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, message, (b"retry-after", _RETRY_SECONDS))


def not_found(reference: str) -> Refusal:
    """Refuse a model: one that is not there, and one that the caller may not see, look alike."""
    message = (
        f"There is no model {reference[:200]!r} for you here. GET /models lists those that are."
    )
    return Refusal(HTTPStatus.NOT_FOUND, message)
