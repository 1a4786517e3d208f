"""The endpoints that are served, and how they follow: files, models' aliases, feature views."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from ...errors import EndpointError, ForesqlError
from ...scoring.pinning import pin
from ...scoring.query import callable_models
from .query import Surroundings, compile_query

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...online import OnlineStore
    from .definition import Definition
    from .endpoint import ServedEndpoint
    from .query import EndpointQuery
    from .sources import Source

RETRY_SECONDS = 30.0
"""How long something that could not be taken over is left alone, unless it changes."""

_LOG = logging.getLogger("foresql.serving")
_VIEWS, _FILES = "feature views", "files and aliases of endpoints"


@dataclass(frozen=True, slots=True)
class EndpointPlace:
    """An endpoint by its name: what answers, and why that is not what the files and models say.

    ``stamp`` is of the files that answer; ``tried`` is what was last tried, and when to try it
    again.
    """

    name: str
    served: ServedEndpoint | None = None
    stamp: object = None
    problem: str | None = None
    tried: object = None
    again_at: float = 0.0


class EndpointShelf:
    """All endpoints. Requests read it; one thread at a time calls :meth:`refresh`."""

    def __init__(
        self,
        source: Source,
        around: Surroundings,
        make: Callable[[Definition, EndpointQuery], ServedEndpoint],
        models: Callable[[], frozenset[str]],
    ) -> None:
        """Load all endpoints.

        Parameters
        ----------
        source
            Where they are defined.
        around
            Where they find models, views and types.
        make
            Makes an endpoint of its compiled query, and warms it.
        models
            The names of the models that are served.

        Raises
        ------
        ForesqlError
            If one cannot be served.
        """
        self._source, self._around, self._make, self._models = source, around, make, models
        self.places: Mapping[str, EndpointPlace] = {}
        self._found: Mapping[str, ServedEndpoint] = {}
        self.failures = 0
        self.is_current = True
        self._out_of_reach: Mapping[str, str] = {}
        self._load_all(strict=True)

    def find(self, name: str, version: str | None = None) -> ServedEndpoint | None:
        """Give an endpoint by its name and, perhaps, its version; None for what is not served."""
        found = self._found.get(name)
        return found if found is None or version in {None, found.version} else None

    @property
    def served(self) -> list[ServedEndpoint]:
        """List the endpoints that answer."""
        return list(self._found.values())

    @property
    def store(self) -> OnlineStore | None:
        """The feature views."""
        return self._around.store

    @property
    def problems(self) -> list[str]:
        """List what is not as files and models say, and snapshots that cannot be read."""
        own = [place.problem for place in self.places.values() if place.problem]
        views = {} if self.store is None else self.store.problems
        own += [f"feature view {name}: {problem}" for name, problem in views.items()]
        return own + [f"{what}: {problem}" for what, problem in self._out_of_reach.items()]

    def problem_of(self, served: ServedEndpoint) -> str | None:
        """Say why an endpoint cannot answer now: its features are elsewhere, and out of reach."""
        if _VIEWS not in self._out_of_reach or served.has_local_views:
            return None
        return "its features cannot be read"

    def refresh(self) -> None:
        """Follow the files, the aliases and the feature views; what cannot be changes nothing."""
        looks = {_VIEWS: self._refresh_views, _FILES: partial(self._load_all, strict=False)}
        problems: dict[str, str] = {}
        # Files and aliases are followed while the feature views are out of reach.
        for what, look in looks.items():
            try:
                look()
            except Exception as error:  # noqa: BLE001 - the thread must go on looking
                problems[what] = str(error)
                if what not in self._out_of_reach:
                    _LOG.exception("The %s cannot be followed: %s", what, error)
        self._out_of_reach, self.is_current = problems, not problems

    def close(self) -> None:
        """Close the feature views."""
        if self.store is not None:
            self.store.close()

    def _refresh_views(self) -> None:
        if self.store is not None:
            self.store.refresh()

    def _load_all(self, *, strict: bool) -> None:
        models = callable_models(self._around.registry)
        places: dict[str, EndpointPlace] = {}
        for name, stamp in self._source.names().items():
            before = self.places.get(name, EndpointPlace(name))
            wanted: tuple[object, ...] | None = None
            try:
                wanted = (stamp, *self._wanted(before.served, models))
                places[name] = self._followed(before, stamp, wanted)
            except Exception as error:
                if strict:
                    raise
                places[name] = self._failed(before, wanted, error)
        for name in self._found.keys() - places.keys():
            _LOG.info("The endpoint %s is served no more: its file is gone.", name)
        self._found = {n: place.served for n, place in places.items() if place.served}
        self.places = places

    def _followed(self, before: EndpointPlace, stamp: object, wanted: object) -> EndpointPlace:
        """Give the place of an endpoint as it is now, or what it was where nothing changed."""
        name, served = before.name, before.served
        self._check_name(name)
        if before.tried == wanted and (
            before.problem is None or time.monotonic() < before.again_at
        ):
            return before
        if served is None or before.stamp != stamp:
            definition = self._source.read(name)
            query = compile_query(definition, self._around)
        else:
            definition = served.definition
            query = compile_query(definition, self._around, served.query.types)
            if query.interface != served.query.interface:
                raise EndpointError(_other_interface(served.query, query))
        made = self._make(definition, query)
        if self.places:
            _LOG.info("The endpoint %s is %s.", name, ", ".join(query.pinned.references))
        # What it was made of, not what is there by now: an alias may have moved since.
        tried = (stamp, *_rests_on(query))
        return EndpointPlace(name, made, stamp, None, tried)

    def _wanted(
        self, served: ServedEndpoint | None, models: Mapping[str, list[str]]
    ) -> tuple[object, ...]:
        """Say what an endpoint would rest on now, as :func:`_rests_on` says what it does.

        A view is another object where its columns are others.
        """
        if served is None:
            return ()
        query = served.query
        references = [models.get(called.function) for called in query.models]
        pinned = pin(query.models, "", self._around.registry)
        store = self.store
        views = {} if store is None else {name: store.views.get(name) for name in query.online}
        return references, pinned.functions, views

    def _check_name(self, name: str) -> None:
        if name in self._models():
            message = (
                f"The endpoint {name} has the name of a model that is served. Rename its file, or "
                "leave the model out: --models."
            )
            raise EndpointError(message)

    def _failed(self, before: EndpointPlace, tried: object, error: Exception) -> EndpointPlace:
        """Note why an endpoint stays as it was."""
        now = "nothing answers" if before.served is None else "the one before answers"
        problem = f"endpoint {before.name}: {error}; {now}"
        if before.problem != problem:
            self.failures += 1
            level = logging.ERROR if isinstance(error, ForesqlError) else logging.CRITICAL
            _LOG.log(level, "The %s.", problem, exc_info=not isinstance(error, ForesqlError))
        again = time.monotonic() + RETRY_SECONDS
        return replace(before, problem=problem, tried=tried, again_at=again)


def _rests_on(query: EndpointQuery) -> tuple[object, ...]:
    """Say what a query was compiled of: the versions of its models, and its views."""
    references = [[called.reference] for called in query.models]
    return references, query.pinned.functions, dict(query.online)


def _other_interface(before: EndpointQuery, after: EndpointQuery) -> str:
    def named(query: EndpointQuery) -> str:
        return ", ".join(f"{name} {type_}" for name, type_ in query.interface)

    changed = [name for name, view in after.online.items() if before.online.get(name) is not view]
    causes = [*after.pinned.references, *(f"the feature view {name} of now" for name in changed)]
    return (
        f"with {', '.join(causes)} its columns would be {named(after)}, and they are "
        f"{named(before)}. Write the file anew, or start again, if that is meant"
    )
