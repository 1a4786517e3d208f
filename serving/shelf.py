"""The versions that are served: which reference means which, and how a move is followed."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ForesqlError, RegistryError
from ..registry import Registry, parse_reference
from ..scoring import open_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..scoring.models import OpenModel
    from .models import ServedModel
    from .settings import Settings

CHAMPION = "champion"
"""The alias that a bare name means."""

RETRY_SECONDS = 30.0
"""How long a version that could not be loaded is left alone."""

_LOG = logging.getLogger("foresql.serving")


@dataclass(frozen=True, slots=True)
class Place:
    """What a reference means: ``wanted`` by the registry, and what answers, which may be older."""

    name: str
    alias: str | None
    wanted: int
    served: ServedModel | None

    @property
    def problem(self) -> str | None:
        """Say why what answers is not what the registry wants; the server's log says more."""
        if self.served is not None and self.served.version == self.wanted:
            return None
        now = "nothing" if self.served is None else f"version {self.served.version}"
        where = self.name if self.alias is None else f"{self.name}@{self.alias}"
        return f"{where}: version {self.wanted} cannot be loaded, and {now} answers"


class Shelf:
    """All versions in memory. Requests read it; one thread at a time calls :meth:`refresh`."""

    def __init__(self, settings: Settings, make: Callable[[OpenModel], ServedModel]) -> None:
        """Load what is to be served.

        Raises
        ------
        ForesqlError
            If there is no registry; or if a model that the settings name cannot be loaded. One
            that they do not name is passed over, and tried again later.
        """
        self._settings = settings
        self._make = make
        self._failed: dict[tuple[str, int], float] = {}
        self._found: Mapping[str, ServedModel] = {}
        self.places: Mapping[str, Place] = {}
        self.failures = 0
        self.is_current = True
        self.checked_at = 0.0
        self._registry = Registry.open(settings.registry)
        self._load_all(strict=bool(settings.models))

    def find(self, model: str, version: str | None = None) -> ServedModel | None:
        """Give what a reference and, perhaps, a version mean; None for what is not served."""
        if version is None:
            return self._found.get(model)
        return self._found.get(f"{model}:{version}") if ":" not in model else None

    @property
    def versions(self) -> list[ServedModel]:
        """List the versions in memory."""
        return sorted(
            {id(served): served for served in self._found.values()}.values(),
            key=lambda served: (served.name, served.version),
        )

    @property
    def problems(self) -> list[str]:
        """List what is not as the registry wants it."""
        return [place.problem for place in self.places.values() if place.problem]

    def refresh(self) -> None:
        """Follow the registry: load and warm what is new, and only then let it answer.

        What cannot be read or loaded changes nothing: the versions that answered go on.
        """
        try:
            self._load_all(strict=False)
            self.is_current = True
            self.checked_at = time.time()
        except Exception as error:  # noqa: BLE001 - the thread must go on looking
            if self.is_current:
                _LOG.exception("The registry cannot be followed: %s", error)
            self.is_current = False

    def _load_all(self, *, strict: bool) -> None:
        places: dict[str, Place] = {}
        loaded = {served.reference: served for served in self._found.values()}
        for name, alias, version in self._wanted():
            reference = f"{name}:{version}" if alias is None else f"{name}@{alias}"
            before = self.places.get(reference)
            served = loaded.get(f"{name}:{version}") or self._loaded(name, version, strict=strict)
            if served is not None:
                loaded[served.reference] = served
            elif before is not None:
                served = before.served
            places[reference] = Place(name, alias, version, served)
        self._note_moves(places)
        self._found = _by_reference(places.values())
        self.places = places

    def _wanted(self) -> Iterable[tuple[str, str | None, int]]:
        """Tell which versions are to be served, under which alias or their number."""
        if not self._settings.models:
            for summary in self._registry.models():
                for alias, version in sorted(summary.aliases.items()):
                    yield summary.name, alias, version
            return
        for text in self._settings.models:
            reference = parse_reference(text)
            if reference.version is not None or reference.alias is not None:
                version = self._registry.resolve(text).version
                yield reference.name, reference.alias, version
                continue
            moves = self._registry.aliases(reference.name)
            if not moves:
                raise RegistryError(
                    f"Model {text!r} has no alias, so there is no saying which version to serve. "
                    f"Name one, such as {text}:1, or give it an alias: foresql promote --help"
                )
            for alias, move in sorted(moves.items()):
                yield reference.name, alias, move.version

    def _loaded(self, name: str, version: int, *, strict: bool) -> ServedModel | None:
        if time.monotonic() < self._failed.get((name, version), 0.0):
            return None
        try:
            opened = open_model(f"{name}:{version}", self._settings.registry)
            served = self._make(opened)
        except Exception as error:
            if strict and isinstance(error, ForesqlError):
                raise
            self.failures += 1
            if (name, version) not in self._failed:
                _LOG.error("Version %d of %s cannot be loaded: %s", version, name, error)
            self._failed[name, version] = time.monotonic() + RETRY_SECONDS
            return None
        self._failed.pop((name, version), None)
        return served

    def _note_moves(self, places: Mapping[str, Place]) -> None:
        for reference, place in places.items():
            before = self.places.get(reference)
            old = before.served if before else None
            if self.places and place.served is not None and place.served is not old:
                _LOG.info("%s is version %d.", reference, place.served.version)


def _by_reference(places: Iterable[Place]) -> dict[str, ServedModel]:
    found: dict[str, ServedModel] = {}
    for place in places:
        if place.served is None:
            continue
        found[place.served.reference] = place.served
        if place.alias is not None:
            found[f"{place.name}@{place.alias}"] = place.served
        if place.alias == CHAMPION:
            found[place.name] = place.served
    return found
