"""``GET /openapi.json``: the routes, and the rows that the caller's models take."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .access import Anyone, OnModel, OnServer, Verb
from .endpoints.cards import NOT_TAKEN, described_answer
from .http import json_response
from .openapi_schemas import (
    BINARY,
    COLUMNS,
    JSON,
    SCHEMAS,
    Schema,
    answer,
    listed,
    named_answer,
    record,
    refusals,
)

if TYPE_CHECKING:
    from .http import Request, Response
    from .routing import Route
    from .served import Served
    from .service import Service

_ROW_PATH = "/predict/{model}"
_LENGTH_HEADER: Schema = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "description": "How long the JSON is that binary tensors follow.",
    "schema": {"type": "integer", "minimum": 0},
}


async def document(request: Request, service: Service) -> Response:
    """Describe the routes in OpenAPI 3.1, with the rows of the models that the caller may ask."""
    has_keys = service.keys is not None
    paths: dict[str, Any] = {}
    for route in service.routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, has_keys)
    row_route = next(route for route in service.routes if route.path == _ROW_PATH)
    for place in service.shelf.places.values():
        served = service.shelf.find(place.name)
        if served is not None and request.principal.may(Verb.PREDICT, place.name):
            operation = _operation(row_route, has_keys, row=_row_schema(served))
            operation["operationId"] += f"_{place.name}"
            operation["parameters"] = []
            operation["responses"]["200"] = named_answer("Predictions")
            paths[f"/predict/{place.name}"] = {"post": operation}
    for served in service.endpoints.served if service.endpoints else ():
        if request.principal.may(Verb.PREDICT, served.name):
            operation = _operation(row_route, has_keys, row=_row_schema(served))
            operation["operationId"] += f"_{served.name}"
            operation["parameters"] = []
            operation["requestBody"]["content"][JSON]["schema"]["properties"] |= NOT_TAKEN
            operation["responses"]["200"] = described_answer(served)
            paths[f"/predict/{served.name}"] = {"post": operation}
    components: dict[str, Any] = {"schemas": SCHEMAS, "responses": refusals()}
    if has_keys:
        components["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer", "description": "A key, or a token."}
        }
        if service.keys and service.keys.takes_certificates:
            components["securitySchemes"]["certificate"] = {"type": "mutualTLS"}
    return json_response(
        {
            "openapi": "3.1.0",
            "info": {"title": "foresql", "version": service.version},
            "paths": paths,
            "components": components,
            "security": [{name: []} for name in components.get("securitySchemes", ())],
        }
    )


def _operation(route: Route, has_keys: bool, row: Schema | None = None) -> Schema:
    names: list[str] = re.findall(r"{(\w+)}", route.path)
    references = {
        str(status): {"$ref": f"#/components/responses/{status}"}
        for status in _statuses(route, has_keys)
    }
    operation: Schema = {
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{route.path}"),
        "summary": (route.handler.__doc__ or "").partition("\n")[0],
        "parameters": [
            {"name": each, "in": "path", "required": True, "schema": {"type": "string"}}
            for each in names
        ],
        "responses": {"200": answer(route.path)} | references,
    }
    if route.path.endswith("/ready"):
        operation["responses"]["503"] = answer(route.path) | {"description": "Not ready."}
    if isinstance(route.decision, Anyone):
        operation["security"] = []
    if route.path.endswith("/infer"):
        operation["requestBody"] = _inference_body()
        operation["parameters"].append(_LENGTH_HEADER)
    elif route.method == "POST":
        content = {JSON: {"schema": _rows_schema(row or {"type": "object"})}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _statuses(route: Route, has_keys: bool) -> list[int]:
    """List what a route may refuse with; of a connection's own refusals every route has all."""
    found = {400, 408, 431, 500, 503}
    if not isinstance(route.decision, Anyone):
        found |= {429, 401} if has_keys else {429, 403}
    if isinstance(route.decision, OnServer):
        found.add(403)
    if isinstance(route.decision, OnModel):
        found.add(404)
    if route.method == "POST":
        found |= {413, 415, 422}
    return sorted(found)


def _inference_body() -> Schema:
    reference = {"$ref": "#/components/schemas/InferenceRequest"}
    binary = {"type": "string", "format": "binary"}
    return {
        "required": True,
        "description": "In JSON; or JSON and, behind it, the tensors in binary.",
        "content": {JSON: {"schema": reference}, BINARY: {"schema": binary}},
    }


def _rows_schema(row: Schema) -> Schema:
    interval = {"type": ["number", "null"], "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    return record(
        {"rows": listed(row, minItems=1)},
        explain={"type": "boolean", "default": False},
        interval=interval,
    )


def _row_schema(served: Served) -> Schema:
    return record({name: COLUMNS[kind] for name, kind in served.kinds.items()})
