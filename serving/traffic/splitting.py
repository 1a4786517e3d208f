"""One request among the versions: who answers which rows, and what is noted of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..http import bad
from ..prediction_log.records import weight_of
from ..tracing import mark
from .dividing import Part, Role, is_of_champion, shadowed_by
from .rules import ENTITY, REQUEST_ID
from .shadowing import Job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..answers import Answers
    from ..features import Features
    from ..http import Header, Request
    from ..models import ServedModel
    from .routes import Route
    from .traffic import Traffic

_MOST_ENTITY = 256
_MOST_BITS = 64


class Split:
    """One request, divided among versions. Nothing is noted of one that is not answered."""

    __slots__ = (
        "_answers",
        "_entity",
        "_features",
        "_request",
        "_routes",
        "_traffic",
        "parts",
        "request_id",
    )

    def __init__(  # noqa: PLR0913 - what a request comes with
        self,
        traffic: Traffic,
        request: Request,
        served: ServedModel,
        features: Features,
        entity: str | None,
        *,
        whole: bool,
    ) -> None:
        """Divide the rows; ``whole`` is for answers of one version alone."""
        divider = traffic.divider
        if traffic.is_traced:
            mark(request, "score")
        self._traffic = traffic
        self._request = request
        self._features = features
        self._entity = entity
        self._answers: list[Answers] = []
        self.request_id = traffic.new_id()
        if is_of_champion(request, served.name):
            self._routes = divider.routes_of(served)
            self.parts = divider.divide(served, self._routes, features, entity, whole=whole)
        else:
            places, keys = range(features.rows), [entity] * features.rows
            self._routes = None
            self.parts = [Part(served, Role.DIRECT, places, keys, features)]
        if len(self.parts) == 1:
            request.served = self.parts[0].served

    @property
    def may_differ(self) -> bool:
        """Whether rows of such a request can go to different versions."""
        return self._routes is not None and self._routes.canary is not None

    @property
    def headers(self) -> tuple[Header, ...]:
        """What the answer says in its headers."""
        return ((REQUEST_ID.encode(), self.request_id.encode()),)

    async def score(self, part: Part) -> Answers:
        """Score a part's rows; the parts are scored in their order."""
        answers = await part.served.score(part.features)
        self._answers.append(answers)
        return answers

    async def score_whole(self) -> tuple[ServedModel, Answers]:
        """Score all rows by the one version that answers them, and give it."""
        part = self.parts[0]
        answers = await self.score(part)
        self.scored()
        return part.served, answers

    def scored(self) -> None:
        """Mark the moment from which on answers are encoded."""
        if self._traffic.is_traced:
            mark(self._request, "encode")

    def note(self) -> None:
        """Count and log the answers, and let the shadow see the rows."""
        traffic = self._traffic
        at = time.time_ns() // 1_000
        for part, answers in zip(self.parts, self._answers, strict=True):
            traffic.note(part, answers, self.request_id, at)
        if self._routes is not None and self._routes.shadow is not None:
            self._shadow(self._routes.shadow)

    def _shadow(self, route: Route) -> None:
        """Queue the rows that the shadow has not answered itself."""
        places = shadowed_by(route, self._features, self._entity)
        for part in self.parts:
            if part.served is route.served and places:
                own = set(part.places)
                places = [place for place in places if place not in own]
        if not places:
            return
        keys = {
            at: key for part in self.parts for at, key in zip(part.places, part.keys, strict=True)
        }
        rows = features_of(route, self._features, places)
        weight = weight_of(len(places), rows)
        job = Job(self.request_id, route.served, places, [keys[p] for p in places], rows, weight)
        self._traffic.shadow.queue.put(job)


def features_of(route: Route, features: Features, places: Sequence[int]) -> Features:
    """Give rows of the champion as the version of a route reads them."""
    chosen = None if len(places) == features.rows else places
    return features.picked(route.served.schema, route.order, chosen)


def entity_of(request: Request, given: Any) -> str | None:
    """Read the entity that a request names, by a parameter or by a header.

    Raises
    ------
    Refusal
        If it is no text (400).
    """
    if given is None:
        header = request.headers.get(ENTITY.encode())
        if header is None:
            return None
        try:
            given = header.decode()
        except UnicodeDecodeError:
            given = b""
    is_text = isinstance(given, str) and len(given) <= _MOST_ENTITY
    is_integer = type(given) is int and given.bit_length() <= _MOST_BITS
    if not (is_text or is_integer):
        raise bad(f"{ENTITY} is a text of {_MOST_ENTITY} characters at most, or an integer.")
    return str(given) or None
