"""``GET /openapi.json``: the routes, and the rows that the caller's models take."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..ir import ColumnType
from .access import Anyone, Verb
from .endpoints.cards import described_answer
from .http import json_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .http import Request, Response
    from .routing import Route
    from .served import Served
    from .service import Service

_ROW_PATH = "/predict/{model}"
_SCHEMAS: Mapping[ColumnType, Mapping[str, Any]] = {
    ColumnType.DOUBLE: {"type": ["number", "null"]},
    ColumnType.BIGINT: {"type": ["integer", "null"], "minimum": -(2**63), "maximum": 2**63 - 1},
    ColumnType.BOOLEAN: {"type": ["boolean", "null"]},
    ColumnType.VARCHAR: {"type": ["string", "null"]},
    ColumnType.TIMESTAMP: {
        "type": ["string", "null"],
        "description": "A local time such as 2013-01-31T23:59:59.123456.",
    },
}
_ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
_TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "datatype": {"type": "string"},
        "parameters": {"type": "object"},
        "data": {"type": "array"},
    },
}
_INFERENCE = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string"},
        "parameters": {"type": "object"},
        "inputs": {"type": "array", "items": {"$ref": "#/components/schemas/Tensor"}},
        "outputs": {"type": "array", "items": {"type": "object", "required": ["name"]}},
    },
}


async def document(request: Request, service: Service) -> Response:
    """Describe the routes in OpenAPI 3.1, with the rows of the models that the caller may ask."""
    paths: dict[str, Any] = {}
    for route in service.routes:
        operation = _operation(route, {"type": "object"})
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    row_route = next(route for route in service.routes if route.path == _ROW_PATH)
    for place in service.shelf.places.values():
        served = service.shelf.find(place.name)
        if served is not None and request.principal.may(Verb.PREDICT, place.name):
            operation = _operation(row_route, _row_schema(served), name=f"_{place.name}")
            operation["parameters"] = []
            paths[f"/predict/{place.name}"] = {"post": operation}
    for served in service.endpoints.served if service.endpoints else ():
        if request.principal.may(Verb.PREDICT, served.name):
            operation = _operation(row_route, _row_schema(served), name=f"_{served.name}")
            operation["parameters"] = []
            operation["responses"]["200"] = described_answer(served)
            paths[f"/predict/{served.name}"] = {"post": operation}
    schemas = {"Error": _ERROR, "Tensor": _TENSOR, "InferenceRequest": _INFERENCE}
    components: dict[str, Any] = {"schemas": schemas}
    if service.keys is not None:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return json_response(
        {
            "openapi": "3.1.0",
            "info": {"title": "foresql", "version": service.version},
            "paths": paths,
            "components": components,
            "security": [{"key": []}] if service.keys is not None else [],
        }
    )


def _operation(route: Route, row: Mapping[str, Any], name: str = "") -> dict[str, Any]:
    error = {"$ref": "#/components/schemas/Error"}
    refusal = {"description": "Refused.", "content": {"application/json": {"schema": error}}}
    names: list[str] = re.findall(r"{(\w+)}", route.path)
    identifier = re.sub(r"\W+", "_", f"{route.method.lower()}{route.path}") + name
    operation: dict[str, Any] = {
        "operationId": identifier,
        "summary": (route.handler.__doc__ or "").partition("\n")[0],
        "parameters": [
            {"name": each, "in": "path", "required": True, "schema": {"type": "string"}}
            for each in names
        ],
        "responses": {"200": {"description": "Answered."}, "default": refusal},
    }
    if isinstance(route.decision, Anyone):
        operation["security"] = []
    if route.method == "POST":
        schema = (
            {"$ref": "#/components/schemas/InferenceRequest"}
            if "/infer" in route.path
            else _rows_schema(row)
        )
        content = {"application/json": {"schema": schema}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _rows_schema(row: Mapping[str, Any]) -> dict[str, Any]:
    interval = {"type": ["number", "null"], "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    return {
        "type": "object",
        "required": ["rows"],
        "additionalProperties": False,
        "properties": {
            "rows": {"type": "array", "minItems": 1, "items": row},
            "explain": {"type": "boolean", "default": False},
            "interval": interval,
        },
    }


def _row_schema(served: Served) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(served.kinds),
        "additionalProperties": False,
        "properties": {name: _SCHEMAS[kind] for name, kind in served.kinds.items()},
    }
