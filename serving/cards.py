"""What models there are, and what each one is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .http import json_response

if TYPE_CHECKING:
    from .http import Request, Response
    from .service import Service
    from .shelf import Place


async def list_models(request: Request, service: Service) -> Response:
    """List the models that the caller may see."""
    places: dict[str, list[Place]] = {}
    for place in service.shelf.places.values():
        if request.principal.sees(place.name):
            places.setdefault(place.name, []).append(place)
    return json_response({"models": [_listed(name, each) for name, each in places.items()]})


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
