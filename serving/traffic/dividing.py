"""Which rows of a request are answered by which version."""

from __future__ import annotations

from enum import StrEnum
from random import random
from typing import TYPE_CHECKING, NamedTuple

from ..shelf import CHAMPION
from .assignment import PLACES, key_of, place_of
from .routes import find_routes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..features import Features
    from ..http import Request
    from ..models import ServedModel
    from ..shelf import Shelf
    from .routes import Route, Routes
    from .rule_book import RuleBook


class Role(StrEnum):
    """Why a version answered: ``direct`` is a request that named its version or alias."""

    CHAMPION = "champion"
    CANARY = "canary"
    SHADOW = "shadow"
    DIRECT = "direct"


class Part(NamedTuple):
    """Rows of a request that one version answers.

    Attributes
    ----------
    places
        Their places in the request, in order.
    keys
        The key of each row, where there is one.
    features
        The rows, as this version reads them.
    """

    served: ServedModel
    role: Role
    places: Sequence[int]
    keys: Sequence[str | None]
    features: Features


class Divider:
    """Divides requests for a champion. Belongs to the event loop's thread."""

    def __init__(self, book: RuleBook, shelf: Shelf) -> None:
        """Begin with what the rules say now."""
        self._book = book
        self._shelf = shelf
        self._found: dict[str, Routes] = {}
        self.mixed: dict[str, int] = {}

    def routes_of(self, champion: ServedModel) -> Routes | None:
        """Give what holds for a version that is a champion, or None without rules."""
        rules = self._book.rules.get(champion.name)
        if rules is None:
            return None
        found = self._found.get(champion.name)
        if found is None or not found.hold(rules, champion, self._shelf):
            found = self._found[champion.name] = find_routes(rules, champion, self._shelf)
        return found

    def all_routes(self) -> Mapping[str, Routes | None]:
        """Give what holds for each model that rules are written for."""
        champions = {name: self._shelf.find(name) for name in self._book.rules}
        for name in list(self._found):
            if champions.get(name) is None:  # versions that no rule is for are let go
                self._found.pop(name, None)
        return {name: served and self.routes_of(served) for name, served in champions.items()}

    def divide(
        self,
        served: ServedModel,
        routes: Routes | None,
        features: Features,
        entity: str | None,
        *,
        whole: bool,
    ) -> list[Part]:
        """Say which version answers which rows; ``whole`` is for answers of one version alone."""
        places = range(features.rows)
        # An answer of one version has one entity: the one that its client names goes first.
        is_named = whole and entity is not None
        keys = keys_of(features, routes.key if routes and not is_named else None, entity)
        route = routes.canary if routes else None
        taken = taken_by(route, keys) if route else []
        if route is not None and len(taken) == features.rows:
            rows = features.picked(route.served.schema, route.order, None)
            return [Part(route.served, Role.CANARY, places, keys, rows)]
        if taken and whole:
            self.mixed[served.name] = self.mixed.get(served.name, 0) + 1
        if route is None or not taken or whole:
            return [Part(served, Role.CHAMPION, places, keys, features)]
        chosen = set(taken)
        kept = [place for place in places if place not in chosen]
        mine = features.picked(served.schema, range(len(served.names)), kept)
        rows = features.picked(route.served.schema, route.order, taken)
        return [
            Part(served, Role.CHAMPION, kept, [keys[place] for place in kept], mine),
            Part(route.served, Role.CANARY, taken, [keys[place] for place in taken], rows),
        ]


def is_of_champion(request: Request, name: str) -> bool:
    """Whether a request leaves it to the server which version answers."""
    asked = request.parameters
    return asked.get("model") in {name, f"{name}@{CHAMPION}"} and "version" not in asked


def keys_of(features: Features, column: int | None, entity: str | None) -> list[str | None]:
    """Give each row's key: its feature, or the entity that the request names."""
    if column is None:
        return [entity] * features.rows
    return [key_of(value) for value in features.column(column)]


def taken_by(route: Route, keys: Sequence[str | None]) -> list[int]:
    """Give the places of the rows that a route's percentage takes; a row without a key is not."""
    rule, name = route.rule, route.served.name
    if rule.limit <= 0:
        return []
    return [
        place
        for place, key in enumerate(keys)
        if key is not None and place_of(name, rule.salt, key) < rule.limit
    ]


def shadowed_by(route: Route, features: Features, entity: str | None) -> list[int]:
    """Give the places of the rows that a shadow is to score: by key, or by chance without one."""
    limit = route.rule.limit
    if limit >= PLACES:
        return list(range(features.rows))
    if route.rule.key is None:
        share = limit / PLACES
        return [place for place in range(features.rows) if random() < share]  # noqa: S311 - a sample
    return taken_by(route, keys_of(features, route.key, entity))
