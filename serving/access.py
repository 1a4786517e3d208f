"""Who asks, and what they may: principals, verbs, and the decision that each route carries."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, TypeAlias

from .http import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .http import Request

EVERY_MODEL = "*"
_HOST = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*))(?::[0-9]*)?")


class Verb(StrEnum):
    """What can be done with a model."""

    READ = "read"
    PREDICT = "predict"


class ServerVerb(StrEnum):
    """What can be done with the server."""

    METRICS = "metrics"


@dataclass(frozen=True, slots=True)
class Anyone:
    """The route answers everybody, without a key: health alone."""


@dataclass(frozen=True, slots=True)
class AnyPrincipal:
    """The route answers whoever has a key, and shows no more than their models."""


@dataclass(frozen=True, slots=True)
class OnModel:
    """The route needs a grant of the verb on the model that the path names."""

    verb: Verb


@dataclass(frozen=True, slots=True)
class OnServer:
    """The route needs a grant of the verb on the server."""

    verb: ServerVerb


Decision: TypeAlias = Anyone | AnyPrincipal | OnModel | OnServer


@dataclass(frozen=True, slots=True)
class Rate:
    """How often somebody may ask: so many requests a second, and how many may be saved up."""

    per_second: float
    burst: float


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, and what was granted to them."""

    name: str
    models: Mapping[str, frozenset[Verb]] = field(default_factory=lambda: MappingProxyType({}))
    server: frozenset[ServerVerb] = frozenset()
    rate: Rate | None = None

    def may(self, verb: Verb, model: str) -> bool:
        """Whether a verb was granted on a model, by its name or on every model."""
        return verb in self.models.get(model, ()) or verb in self.models.get(EVERY_MODEL, ())

    def sees(self, model: str) -> bool:
        """Whether anything was granted on a model."""
        return any(self.may(verb, model) for verb in Verb)


NOBODY = Principal("")
LOCAL = Principal("local", MappingProxyType({EVERY_MODEL: frozenset(Verb)}), frozenset(ServerVerb))


class Authenticator(Protocol):
    """Finds out who asks."""

    def identify(self, request: Request) -> Principal:
        """Give the principal of a request.

        Raises
        ------
        Refusal
            If the request does not prove who asks (401), or may not come from there (403).
        """
        ...


class LocalAccess:
    """Without keys: everything to this machine, nothing to any other."""

    def identify(self, request: Request) -> Principal:
        """Give the local principal, to requests that come from here and were meant for here.

        A page in a browser can send requests to this machine under a name of its own; the Host
        header then holds that name.
        """
        client = request.scope.get("client")
        host = request.headers.get(b"host", b"localhost").decode("latin-1")
        if client is not None and is_loopback(client[0]) and is_loopback(_without_port(host)):
            return LOCAL
        message = (
            "This server has no keys, so it answers requests from its own machine to localhost "
            "alone. Start it with --keys FILE to answer others."
        )
        raise Refusal(HTTPStatus.FORBIDDEN, message)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, under an address that no other machine can reach."""
    if host == "127.0.0.1" or host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _without_port(host: str) -> str:
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]) if found else ""
