"""The six methods of the Open Inference Protocol over gRPC, each with who may ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .access import Anyone, AnyPrincipal, OnModel, Verb
from .grpc_messages import message_class
from .http import bad
from .models import ServedModel
from .oip import described
from .output_tensors import check_output
from .rows_form import check_rows
from .tensors import InputTensor, TensorParameters, read_inputs
from .traffic.rules import ENTITY, REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from .access import Decision
    from .http import Request
    from .served import Served
    from .service import Service

    Handler = Callable[[Any, Request, Service], Awaitable[Any]]

_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Where the elements of a datatype stand, if they are not raw."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method, who may call it, and what answers; the messages are ``NAMERequest``, ``…Response``.

    ``model`` and ``version`` are the request's fields that say for which model.
    """

    name: str
    decision: Decision
    handler: Handler
    model: str = "name"
    version: str = "version"


async def server_live(message: Any, request: Request, service: Service) -> Any:
    """Say that the process answers."""
    del message, request, service
    return message_class("ServerLiveResponse")(live=True)


async def server_ready(message: Any, request: Request, service: Service) -> Any:
    """Say whether models are loaded and their threads run."""
    del message, request
    return message_class("ServerReadyResponse")(ready=service.problem is None)


async def model_ready(message: Any, request: Request, service: Service) -> Any:
    """Say whether a model is ready; it is loaded, or would not have been found."""
    del message
    return message_class("ModelReadyResponse")(ready=service.problem_of(request.served) is None)


async def server_metadata(message: Any, request: Request, service: Service) -> Any:
    """Name the server and its version."""
    del message, request
    return message_class("ServerMetadataResponse")(name="foresql", version=service.version)


async def model_metadata(message: Any, request: Request, service: Service) -> Any:
    """Name a model's version, inputs and outputs."""
    del message, service
    metadata = described(request.served)
    metadata["outputs"] = [_tensor(each) for each in metadata["outputs"]]
    return message_class("ModelMetadataResponse")(**metadata)


async def infer(message: Any, request: Request, service: Service) -> Any:
    """Predict tensors that are given by column name; the answer's are raw."""
    served = request.served
    tensors, raw = _inputs(message)
    features = read_inputs(tensors, raw, served)
    check_rows(features.rows, service)
    wanted = _wanted(message, served)
    split = None
    if service.traffic is None or not isinstance(served, ServedModel):
        answers = await served.score(features)
    else:
        entity = _entity(message)
        split = service.traffic.split(request, served, features, whole=True, entity=entity)
        served, answers = await split.score_whole()
    outputs, blobs = served.encode(answers, wanted)
    response = message_class("ModelInferResponse")(
        model_name=served.name,
        model_version=str(served.version),
        id=message.id,
        outputs=[_tensor(each) for each in outputs],
        raw_output_contents=blobs,
    )
    if split is not None:
        response.parameters[REQUEST_ID].string_param = split.request_id
        split.note()
    return response


def _entity(message: Any) -> str | int | None:
    """Give the request's parameter that names its entity; None without one."""
    if ENTITY not in message.parameters:
        return None
    parameter = message.parameters[ENTITY]
    which = parameter.WhichOneof("parameter_choice")
    if which not in {"string_param", "int64_param"}:
        raise bad(f"The parameter {ENTITY} is a string_param or an int64_param.")
    return getattr(parameter, which)


def _inputs(message: Any) -> tuple[list[InputTensor], bytes]:
    """Give the tensors as REST has them: all raw, behind one another, or all by their elements."""
    raw = message.raw_input_contents
    if not raw:
        return [_of_elements(each) for each in message.inputs], b""
    if len(raw) != len(message.inputs):
        raise bad(f"{len(message.inputs)} inputs have {len(raw)} raw contents. Send one for each.")
    tensors = [
        InputTensor(
            each.name, list(each.shape), each.datatype, TensorParameters(len(content)), _none(each)
        )
        for each, content in zip(message.inputs, raw, strict=True)
    ]
    return tensors, b"".join(raw)


def _none(tensor: Any) -> list[Any] | None:
    """Give elements that stand there besides raw contents, so that they are refused."""
    return [] if tensor.HasField("contents") else None


def _of_elements(tensor: Any) -> InputTensor:
    field = _CONTENTS.get(tensor.datatype)
    if field is None:
        known = ", ".join(_CONTENTS)
        raise bad(
            f"Input {tensor.name!r} is {tensor.datatype[:40]!r}, whose elements have no field. "
            f"Send raw_input_contents, or one of {known}."
        )
    elements = list(getattr(tensor.contents, field))
    if field == "bytes_contents":
        try:
            elements = [each.decode() for each in elements]
        except UnicodeDecodeError as error:
            raise bad(f"Input {tensor.name!r}: {error}. BYTES are UTF-8.") from error
    return InputTensor(tensor.name, list(tensor.shape), tensor.datatype, None, elements)


def _wanted(message: Any, served: Served) -> dict[str, bool]:
    """Say which outputs are sent: all as bytes."""
    names = [each.name for each in message.outputs] or served.outputs
    for name in names:
        check_output(name, served)
    return dict.fromkeys(names, True)


def _tensor(tensor: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a tensor for REST what the messages do not have."""
    return {field: tensor[field] for field in ("name", "datatype", "shape")}


METHODS = (
    Method("ServerLive", Anyone(), server_live),
    Method("ServerReady", Anyone(), server_ready),
    Method("ServerMetadata", AnyPrincipal(), server_metadata),
    Method("ModelReady", OnModel(Verb.READ), model_ready),
    Method("ModelMetadata", OnModel(Verb.READ), model_metadata),
    Method("ModelInfer", OnModel(Verb.PREDICT), infer, "model_name", "model_version"),
)
