"""A route, and how a path finds its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from .http import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from .access import Decision
    from .http import Request, Response
    from .service import Service

    Handler = Callable[[Request, Service], Awaitable[Response]]

_ANY = "/"
"""Stands for a part that is named: no part of a path can be this."""


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path with ``{names}``, who may ask, and what answers."""

    method: str
    path: str
    decision: Decision
    handler: Handler


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    routes: dict[str, tuple[Route, tuple[str, ...]]] = field(default_factory=dict)


class Router:
    """A tree of the parts of paths; a part that is spelled out goes before a name."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Build the tree."""
        self._root = _Node()
        for route in routes:
            node = self._root
            names: list[str] = []
            for part in route.path.split("/"):
                is_name = part.startswith("{")
                names += [part[1:-1]] if is_name else []
                node = node.children.setdefault(_ANY if is_name else part, _Node())
            node.routes[route.method] = (route, tuple(names))

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """Give the route of a request, and the values of the names in its path.

        Raises
        ------
        Refusal
            If there is no such path (404), or not with this method (405).
        """
        node: _Node | None = self._root
        values: list[str] = []
        for part in path.split("/"):
            child = node.children.get(part)
            if child is None:
                child = node.children.get(_ANY) if part else None
                values.append(part)
            if child is None:
                raise Refusal(HTTPStatus.NOT_FOUND, "There is no such path. See /openapi.json")
            node = child
        # HEAD is GET without the body, which the application leaves out.
        found = node.routes.get("GET" if method == "HEAD" else method)
        if found is not None:
            return found[0], dict(zip(found[1], values, strict=True))
        if not node.routes:
            raise Refusal(HTTPStatus.NOT_FOUND, "There is no such path. See /openapi.json")
        allowed = ", ".join(sorted(node.routes)).replace("GET", "GET, HEAD")
        message = f"The path takes {allowed} alone."
        raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, message, (b"allow", allowed.encode()))
