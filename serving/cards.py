"""What models there are, and what each one is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from .endpoints.cards import endpoint_card, list_endpoints
from .endpoints.endpoint import ServedEndpoint
from .http import json_response

if TYPE_CHECKING:
    from .http import Request, Response
    from .models import ServedModel
    from .service import Service
    from .shelf import Place


async def list_models(request: Request, service: Service) -> Response:
    """List the models that the caller may see."""
    places: dict[str, list[Place]] = {}
    for place in service.shelf.places.values():
        if request.principal.sees(place.name):
            places.setdefault(place.name, []).append(place)
    listed = [_listed(name, each) for name, each in places.items()]
    if service.endpoints is not None:
        listed += list_endpoints(service.endpoints, request.principal)
    return json_response({"models": listed})


def _listed(name: str, places: list[Place]) -> dict[str, Any]:
    return {
        "name": name,
        "aliases": {p.alias: p.served.version for p in places if p.alias and p.served},
        "versions": sorted({place.served.version for place in places if place.served}),
        "problems": [place.problem for place in places if place.problem],
    }


async def show_model(request: Request, service: Service) -> Response:
    """Show a version's model card: its columns, what it answers, where it comes from."""
    served = request.served
    if isinstance(served, ServedEndpoint):
        return json_response(endpoint_card(served))
    return _card(cast("ServedModel", served), service)


def _card(served: ServedModel, service: Service) -> Response:
    aliases = [
        place.alias
        for place in service.shelf.places.values()
        if place.served is served and place.alias
    ]
    columns = [
        {
            "name": column.name,
            "type": column.type.value,
            "nullable": column.nullable,
            "categories": column.categories,
        }
        for column in served.signature.columns
    ]
    card = {name: value for name, value in served.card.items() if name != "golden"}
    return json_response(
        card
        | {
            "name": served.name,
            "version": served.version,
            "aliases": aliases,
            "columns": columns,
            "outputs": [output.metadata() for output in served.outputs.values()],
            "explain": "explain" not in served.omitted,
            "interval": bool(served.residuals),
        }
    )
