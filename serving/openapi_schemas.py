"""What the OpenAPI document says of bodies: of requests, of answers, and of each refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..ir import ColumnType
from .datatypes import DATATYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

Schema = dict[str, Any]

JSON, BINARY = "application/json", "application/octet-stream"
_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_NUMBER: Schema = {"type": ["number", "null"]}
_INT64: Schema = {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}
_LENGTH: Schema = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
_TIME = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?$"

COLUMNS: Mapping[ColumnType, Schema] = {
    ColumnType.DOUBLE: _NUMBER,
    ColumnType.BIGINT: _INT64 | {"type": ["integer", "null"]},
    ColumnType.BOOLEAN: {"type": ["boolean", "null"]},
    ColumnType.VARCHAR: {"type": ["string", "null"]},
    ColumnType.TIMESTAMP: {
        "type": ["string", "null"],
        "pattern": _TIME,
        "description": "A local time such as 2013-01-31T23:59:59.123456.",
    },
}


def record(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    """Describe an object by its members, and no others."""
    return {
        "type": "object",
        "required": [*required],
        "properties": dict(required) | optional,
        "additionalProperties": False,
    }


def listed(items: Schema, **more: Any) -> Schema:
    """Describe an array."""
    return {"type": "array", "items": items} | more


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _open(schema: Schema) -> Schema:
    """Let further members be there: other servers' extensions, which are not read."""
    return schema | {"additionalProperties": True}


_DATATYPE: Schema = {"enum": [*DATATYPES]}
_COLUMN = record({"name": _TEXT, "datatype": _DATATYPE, "shape": listed({"type": "integer"})})
_INTERVAL = record({"low": _NUMBER, "high": _NUMBER})
_NUMBERS = {"type": "object", "additionalProperties": _INT64}
_PLACE = {"name": _TEXT, "problems": listed(_TEXT)}
_MODEL = record(_PLACE | {"aliases": _NUMBERS, "versions": listed(_INT64)})
_ENDPOINT = record(
    _PLACE | {"kind": {"const": "endpoint"}, "versions": listed(_TEXT), "models": _NUMBERS}
)


def endpoint_answer(row: Schema) -> Schema:
    """Describe what an endpoint answers, from what its query makes of a row."""
    return record(
        {
            "model": _TEXT,
            "version": _TEXT,
            "models": _NUMBERS,
            "as_of": {"type": "object", "additionalProperties": _TEXT},
            "rows": listed(_LENGTH),
            "answers": listed(row),
        }
    )


SCHEMAS: Mapping[str, Schema] = {
    "Error": record({"error": _TEXT}),
    "Live": record({"live": _FLAG}),
    "Ready": record({"ready": _FLAG, "live": _FLAG, "degraded": _FLAG}, error=_TEXT),
    "Server": record({"name": _TEXT, "version": _TEXT, "extensions": listed(_TEXT)}),
    "ModelReady": record({"name": _TEXT, "ready": _FLAG}),
    "ModelMetadata": record(
        {
            "name": _TEXT,
            "versions": listed(_TEXT),
            "platform": _TEXT,
            "inputs": listed(_COLUMN),
            "outputs": listed(_open(_COLUMN)),
        }
    ),
    "Models": record({"models": listed({"anyOf": [_MODEL, _ENDPOINT]})}),
    "Card": _open(
        record(
            {
                "name": _TEXT,
                "version": {"anyOf": [_INT64, _TEXT]},  # an endpoint's is a text
                "columns": listed({"type": "object"}),
            }
        )
    ),
    "Tensor": _open(
        record(
            {
                "name": _TEXT,
                "shape": listed(_LENGTH, minItems=1, maxItems=2),
                "datatype": _DATATYPE,
            },
            parameters=_open(record({}, binary_data_size=_LENGTH | {"type": ["integer", "null"]})),
            data={"type": ["array", "null"], "items": {}},
        )
    ),
    "InferenceRequest": _open(
        record(
            {"inputs": listed(_reference("Tensor"))},
            id={"type": ["string", "null"]},
            parameters=_open(record({}, binary_data_output=_FLAG)),
            outputs=listed(
                _open(
                    record(
                        {"name": _TEXT},
                        parameters=_open(record({}, binary_data={"type": ["boolean", "null"]})),
                    )
                )
            ),
        )
    ),
    "InferenceResponse": record(
        {
            "model_name": _TEXT,
            "model_version": _TEXT,
            "outputs": listed(
                _open(record({"name": _TEXT, "datatype": _DATATYPE, "shape": listed(_LENGTH)}))
            ),
        },
        id=_TEXT,
        parameters={"type": "object", "additionalProperties": _TEXT},
    ),
    "Predictions": record(
        {
            "model": _TEXT,
            "version": _INT64
            | {
                "type": ["integer", "null"],
                "description": "null where rules of traffic gave rows to several versions.",
            },
            "answers": listed(
                record(
                    {"value": {"type": ["number", "string", "boolean", "array", "null"]}},
                    probability={"type": ["number", "object", "null"]},
                    explanation={"type": "object"},
                    interval=_INTERVAL,
                    version=_INT64,
                )
            ),
        }
    ),
    "EndpointAnswer": endpoint_answer({"type": "object"}),
}

ANSWERS: Mapping[str, str | tuple[str, ...]] = {
    "/v2": "Server",
    "/v2/health/live": "Live",
    "/v2/health/ready": "Ready",
    "/v2/models/{model}": "ModelMetadata",
    "/v2/models/{model}/ready": "ModelReady",
    "/v2/models/{model}/infer": "InferenceResponse",
    "/predict/{model}": ("Predictions", "EndpointAnswer"),
    "/models": "Models",
    "/models/{model}": "Card",
}
"""What a path answers with 200, but for those that answer no such JSON."""

_TEXTS: Mapping[str, tuple[str, str]] = {
    "/": ("text/html", "A page to try the models."),
    "/metrics": ("text/plain", "Metrics for Prometheus."),
}

_RETRY = {
    "Retry-After": {
        "description": "In how many seconds to ask again.",
        "schema": {"type": "string", "pattern": "^[1-9][0-9]*$"},
    }
}
_SCHEME = {"WWW-Authenticate": {"schema": {"const": "Bearer"}}}

REFUSALS: Mapping[int, tuple[str, Schema]] = {
    400: ("The request is not as it should be; the message says where.", {}),
    401: ("No valid key, token or certificate.", _SCHEME),
    403: ("It may not be asked by whoever asks, or from there.", {}),
    404: ("No such model, alias or version, or none that was granted.", {}),
    408: ("The request did not arrive in time.", {}),
    413: ("The body is too large, or has too many rows.", {}),
    415: ("Another content encoding than gzip.", {}),
    422: ("The library itself would refuse a row, or JSON cannot say the answer.", {}),
    429: ("No room, or asked too often.", _RETRY),
    431: ("The head of the request is too large.", {}),
    500: ("A failure of the server; its log says why.", {}),
    503: ("It is not ready, or has as many connections as it takes.", {}),
}
"""What each status means, and its headers. The body of all is an Error."""


def refusals() -> Schema:
    """Give the responses that operations refer to, by status."""
    error = {JSON: {"schema": _reference("Error")}}
    return {
        str(status): {"description": meaning, "content": error}
        | ({"headers": headers} if headers else {})
        for status, (meaning, headers) in REFUSALS.items()
    }


def named_answer(name: str) -> Schema:
    """Describe what is answered with 200 by the name of its schema."""
    return {"description": "Answered.", "content": {JSON: {"schema": _reference(name)}}}


def answer(path: str) -> Schema:
    """Describe what a path answers with 200."""
    path = path.replace("/versions/{version}", "")
    if path in _TEXTS:
        kind, meaning = _TEXTS[path]
        return {"description": meaning, "content": {kind: {"schema": _TEXT}}}
    name = ANSWERS.get(path)
    schema: Schema = {"type": "object"}
    if isinstance(name, tuple):
        schema = {"anyOf": [_reference(each) for each in name]}
    elif name is not None:
        schema = _reference(name)
    content: Schema = {JSON: {"schema": schema}}
    if path.endswith("/infer"):
        content[BINARY] = {"schema": {"type": "string", "format": "binary"}}
    return {"description": "Answered.", "content": content}
