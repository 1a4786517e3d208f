"""From a server's settings to its endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import EndpointError
from .endpoint import ServedEndpoint
from .query import Surroundings
from .shelf import EndpointShelf
from .sources import Folder, Several

if TYPE_CHECKING:
    from pathlib import Path

    from ..service import Service
    from ..settings import Endpoints
    from .definition import Definition
    from .query import EndpointQuery
    from .sources import Source


def open_endpoints(service: Service) -> EndpointShelf:
    """Open the endpoints of a service.

    Raises
    ------
    ForesqlError
        If one cannot be served.
    """
    settings, wanted = service.settings, service.settings.endpoints
    if wanted is None:
        message = "The settings name no endpoints."
        raise EndpointError(message)
    around = around_of(wanted, settings.registry)

    def make(definition: Definition, query: EndpointQuery) -> ServedEndpoint:
        return ServedEndpoint(
            definition,
            query,
            settings.registry,
            service.workers,
            settings.threads,
            service.metrics.observe_batch,
        )

    def models() -> frozenset[str]:
        return frozenset(place.name for place in service.shelf.places.values())

    return EndpointShelf(source_of(wanted), around, make, models)


def around_of(wanted: Endpoints, registry: Path) -> Surroundings:
    """Open the feature views of endpoints.

    Raises
    ------
    FeatureError
        If they cannot be read.
    """
    store = None
    if wanted.online is not None:
        from ...online import open_online

        store = open_online(wanted.online)
    return Surroundings(registry, store, wanted.database)


def source_of(wanted: Endpoints) -> Source:
    """Give where endpoints are defined.

    Raises
    ------
    EndpointError
        If nothing is named.
    """
    sources: list[Source] = []
    if wanted.folder is not None:
        sources.append(Folder(wanted.folder))
    if wanted.dbt is not None:
        from .dbt import DbtModels

        sources.append(DbtModels(wanted.dbt, wanted.dbt_models))
    if not sources:
        message = "No endpoints are named: --endpoints FOLDER, or --dbt PROJECT --dbt-models NAMES."
        raise EndpointError(message)
    return Several(sources)
