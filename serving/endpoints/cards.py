"""What endpoints there are, and what each one is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..openapi_schemas import JSON, endpoint_answer, record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..access import Principal
    from .endpoint import ServedEndpoint
    from .outputs import Output
    from .shelf import EndpointShelf

_JSON: Mapping[str, Mapping[str, Any]] = {
    "BOOL": {"type": ["boolean", "null"]},
    "FP32": {"type": ["number", "null"]},
    "FP64": {"type": ["number", "null"]},
    "BYTES": {"type": ["string", "null"]},
}
_INTEGER = {"type": ["integer", "null"]}
NOT_TAKEN: Mapping[str, Any] = {"explain": {"const": False}, "interval": {"const": None}}
"""The options of a request as an endpoint takes them: it answers the columns of its query."""


def list_endpoints(shelf: EndpointShelf, principal: Principal) -> list[dict[str, Any]]:
    """List the endpoints that somebody may see."""
    return [
        {
            "name": place.name,
            "kind": "endpoint",
            "versions": [place.served.version] if place.served else [],
            "models": place.served.models if place.served else {},
            "problems": [place.problem] if place.problem else [],
        }
        for place in shelf.places.values()
        if principal.sees(place.name)
    ]


def endpoint_card(served: ServedEndpoint) -> dict[str, Any]:
    """Show an endpoint: what comes, what is answered, by which models, views and route."""
    views = served.current_views
    return {
        "name": served.name,
        "kind": "endpoint",
        "version": served.version,
        "route": served.route,
        "why_duckdb": served.why_duckdb,
        "request": served.query.relation,
        "columns": [{"name": each.name, "type": each.type} for each in served.columns],
        "key": list(served.key),
        "models": served.models,
        "views": {
            name: {"key": list(view.keys), "as_of": view.as_of, "missing": view.missing.kind}
            for name, view in views.items()
        },
        "outputs": [{"name": each.name, "type": each.type} for each in served.query.outputs],
        "explain": False,  # the query calls explain_<model> and interval_<model> itself
        "interval": False,
    }


def described_answer(served: ServedEndpoint) -> dict[str, Any]:
    """Describe in OpenAPI what an endpoint answers."""
    row = record({output.name: _schema(output) for output in served.query.outputs})
    return {"description": "Answered.", "content": {JSON: {"schema": endpoint_answer(row)}}}


def _schema(output: Output) -> dict[str, Any]:
    if output.tensor is None or output.tensor.width is not None:
        return {}  # lists and objects of what the query makes
    return dict(_JSON.get(output.tensor.datatype, _INTEGER))
