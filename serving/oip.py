"""The Open Inference Protocol, version 2, over REST, with Triton's binary tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from .binary_tensors import HEADER, split_body
from .http import Response, bad, json_response
from .models import ServedModel
from .output_tensors import check_output
from .rows_form import check_rows
from .tensors import InputTensor, read_inputs
from .traffic.rules import ENTITY

if TYPE_CHECKING:
    from .http import Header, Request
    from .served import Served
    from .service import Service

_BINARY = b"application/octet-stream"


class OutputParameters(msgspec.Struct):
    """How an output is to be sent."""

    binary_data: bool | None = None


class RequestedOutput(msgspec.Struct):
    """An output that is asked for."""

    name: str
    parameters: OutputParameters | None = None


class RequestParameters(msgspec.Struct):
    """How all outputs are to be sent, unless one says otherwise."""

    binary_data_output: bool = False
    entity: int | str | None = msgspec.field(name=ENTITY, default=None)


class InferenceRequest(msgspec.Struct):
    """The JSON of a request; further members and parameters are other servers' extensions."""

    inputs: list[InputTensor]
    id: str | None = None
    parameters: RequestParameters | None = None
    outputs: list[RequestedOutput] | None = None


_DECODER = msgspec.json.Decoder(InferenceRequest)


async def infer(request: Request, service: Service) -> Response:
    """Predict tensors that are given by column name."""
    served = request.served
    body = await service.bodies.read(request)
    text, binary = split_body(body, request.headers.get(HEADER))
    asked = _decoded(text)
    features = read_inputs(asked.inputs, binary, served)
    check_rows(features.rows, service)
    wanted = _wanted(asked, served)
    split = None
    if service.traffic is None or not isinstance(served, ServedModel):
        answers = await served.score(features)
    else:
        entity = asked.parameters and asked.parameters.entity
        split = service.traffic.split(request, served, features, whole=True, entity=entity)
        served, answers = await split.score_whole()
    outputs, blobs = served.encode(answers, wanted)
    content: dict[str, Any] = {"model_name": served.name, "model_version": str(served.version)}
    if asked.id is not None:
        content["id"] = asked.id
    notes = served.notes(answers)
    if notes is not None:
        content["parameters"] = notes
    content["outputs"] = outputs
    answer = msgspec.json.encode(content)
    headers: tuple[Header, ...] = ()
    if split is not None:
        headers = split.headers
        split.note()
    if not blobs:
        return Response(answer, headers=headers)
    headers = ((HEADER, b"%d" % len(answer)), *headers)
    return Response(b"".join([answer, *blobs]), content_type=_BINARY, headers=headers)


def _decoded(text: bytes) -> InferenceRequest:
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad(f"The body is no inference request: {error}.") from error


def _wanted(asked: InferenceRequest, served: Served) -> dict[str, bool]:
    """Say which outputs are sent, and whether as bytes."""
    in_bytes = asked.parameters is not None and asked.parameters.binary_data_output
    if not asked.outputs:
        return dict.fromkeys(served.outputs, in_bytes)
    wanted: dict[str, bool] = {}
    for output in asked.outputs:
        check_output(output.name, served)
        own = output.parameters.binary_data if output.parameters else None
        wanted[output.name] = in_bytes if own is None else own
    return wanted


async def server_metadata(request: Request, service: Service) -> Response:
    """Name the server, its version, and the extensions of the protocol that it has."""
    del request
    metadata = {"name": "foresql", "version": service.version, "extensions": ["binary_tensor_data"]}
    return json_response(metadata)


async def model_metadata(request: Request, service: Service) -> Response:
    """Name a model's versions, inputs and outputs."""
    del service
    return json_response(described(request.served))


def described(served: Served) -> dict[str, Any]:
    """Give a model's metadata, as the protocol has it."""
    return {
        "name": served.name,
        "versions": [str(served.version)],
        "platform": "foresql",
        "inputs": [
            {"name": name, "datatype": datatype, "shape": [-1]}
            for name, datatype in served.datatypes.items()
        ],
        "outputs": [output.metadata() for output in served.outputs.values()],
    }


async def model_ready(request: Request, service: Service) -> Response:
    """Say that a model is ready: it is loaded and warm, and the threads that score run."""
    problem = service.problem_of(request.served)
    body = {"name": request.served.name, "ready": problem is None}
    return json_response(body, 200 if problem is None else 503)
