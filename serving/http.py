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
_LONGEST_MESSAGE = 800
"""Characters. gRPC sends it as a header, of which a client takes 8 KiB."""

_ONCE = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"host",
        b"inference-header-content-length",
        b"transfer-encoding",
    }
)
"""Headers that decide: sent twice, a proxy may believe the one and this server the other."""


class Request:
    """One request. ``principal`` and ``served`` are set once it is authorised."""

    __slots__ = ("headers", "parameters", "principal", "receive", "scope", "served")

    principal: Principal
    served: ServedModel

    def __init__(self, scope: Scope, receive: Receive) -> None:
        """Read the headers; the body is read by whoever needs it."""
        self.scope = scope
        self.receive = receive
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.parameters: Mapping[str, str] = {}

    def check_headers(self) -> None:
        """Refuse a request that says twice what can be said once.

        Raises
        ------
        Refusal
            If it does (400).
        """
        given = self.scope["headers"]
        if len(given) == len(self.headers):
            return
        names = [name for name, _ in given]
        for name in _ONCE:
            if names.count(name) > 1:
                raise bad(f"The header {name.decode()} was sent twice.")


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

    def replace_body(self, body: bytes, *headers: Header) -> None:
        """Send another body, and say what it is."""
        self.body = body
        others = [each for each in self.headers if each[0] != b"content-length"]
        self.headers = [*others, (b"content-length", b"%d" % len(body)), *headers]


def json_response(value: object, status: int = HTTPStatus.OK) -> Response:
    """Answer in JSON; NaN and infinity, which JSON has not, become null."""
    return Response(msgspec.json.encode(value), status=status)


class Refusal(Exception):  # noqa: N818 - what the client did is no error of ours
    """A request that is answered with an error: ``{"error": message}``."""

    def __init__(self, status: int, message: str, *headers: Header) -> None:
        """Say what is wrong, where, and what to do; what was sent may be part of it, and long."""
        is_long = len(message) > _LONGEST_MESSAGE
        super().__init__(f"{message[:_LONGEST_MESSAGE]}…" if is_long else message)
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
