"""The messages of the Open Inference Protocol over gRPC, as classes of protobuf.

Specification: https://github.com/kserve/open-inference-protocol, ``inference`` version 2. A table
of the fields that are read or written stands for generated code; what else a client sends, such as
parameters of tensors, protobuf skips.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"

_TENSOR = ((1, "name", "string"), (2, "datatype", "string"), (3, "shape", "*int64"))
_OF_MODEL = ((1, "name", "string"), (2, "version", "string"))
_ENTRY = ((1, "key", "string"), (2, "value", "InferParameter"))
_ONE_OF = {"InferParameter": "parameter_choice"}
"""Messages that have one of their fields."""

_MESSAGES: Mapping[str, tuple[tuple[int, str, str], ...]] = {
    "ServerLiveRequest": (),
    "ServerLiveResponse": ((1, "live", "bool"),),
    "ServerReadyRequest": (),
    "ServerReadyResponse": ((1, "ready", "bool"),),
    "ModelReadyRequest": _OF_MODEL,
    "ModelReadyResponse": ((1, "ready", "bool"),),
    "ServerMetadataRequest": (),
    "ServerMetadataResponse": ((1, "name", "string"), (2, "version", "string")),
    "ModelMetadataRequest": _OF_MODEL,
    "ModelMetadataResponse.TensorMetadata": _TENSOR,
    "ModelMetadataResponse": (
        (1, "name", "string"),
        (2, "versions", "*string"),
        (3, "platform", "string"),
        (4, "inputs", "*ModelMetadataResponse.TensorMetadata"),
        (5, "outputs", "*ModelMetadataResponse.TensorMetadata"),
    ),
    "InferTensorContents": (
        (1, "bool_contents", "*bool"),
        (2, "int_contents", "*int32"),
        (3, "int64_contents", "*int64"),
        (4, "uint_contents", "*uint32"),
        (5, "uint64_contents", "*uint64"),
        (6, "fp32_contents", "*float"),
        (7, "fp64_contents", "*double"),
        (8, "bytes_contents", "*bytes"),
    ),
    "InferParameter": (
        (1, "bool_param", "bool"),
        (2, "int64_param", "int64"),
        (3, "string_param", "string"),
    ),
    "ModelInferRequest.ParametersEntry": _ENTRY,
    "ModelInferResponse.ParametersEntry": _ENTRY,
    "ModelInferRequest.InferInputTensor": (*_TENSOR, (5, "contents", "InferTensorContents")),
    "ModelInferRequest.InferRequestedOutputTensor": ((1, "name", "string"),),
    "ModelInferRequest": (
        (1, "model_name", "string"),
        (2, "model_version", "string"),
        (3, "id", "string"),
        (4, "parameters", "*ModelInferRequest.ParametersEntry"),
        (5, "inputs", "*ModelInferRequest.InferInputTensor"),
        (6, "outputs", "*ModelInferRequest.InferRequestedOutputTensor"),
        (7, "raw_input_contents", "*bytes"),
    ),
    "ModelInferResponse.InferOutputTensor": _TENSOR,
    "ModelInferResponse": (
        (1, "model_name", "string"),
        (2, "model_version", "string"),
        (3, "id", "string"),
        (4, "parameters", "*ModelInferResponse.ParametersEntry"),
        (5, "outputs", "*ModelInferResponse.InferOutputTensor"),
        (6, "raw_output_contents", "*bytes"),
    ),
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="foresql/inference.proto", package=PACKAGE, syntax="proto3"
    )
    places: dict[str, Any] = {}
    # The messages that hold others come first.
    for name in sorted(_MESSAGES):
        outer, _, inner = name.partition(".")
        message = places[outer].nested_type.add() if inner else file.message_type.add()
        message.name = inner or outer
        message.options.map_entry = _MESSAGES[name] is _ENTRY
        if name in _ONE_OF:
            message.oneof_decl.add(name=_ONE_OF[name])
        places[name] = message
        for number, field, kind in _MESSAGES[name]:
            _add_field(message, number, field, kind)
    return file


def _add_field(message: Any, number: int, name: str, kind: str) -> None:
    field = message.field.add(name=name, number=number)
    names = descriptor_pb2.FieldDescriptorProto
    field.label = names.LABEL_REPEATED if kind.startswith("*") else names.LABEL_OPTIONAL
    if message.name in _ONE_OF:
        field.oneof_index = 0
    kind = kind.removeprefix("*")
    if kind in _MESSAGES:
        field.type = names.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{kind}"
    else:
        field.type = names.Type.Value(f"TYPE_{kind.upper()}")


# A pool of our own: another package of the process may have the same messages in the common one.
_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(_file())


def message_class(name: str) -> Any:
    """Give the class of a message, such as ``ModelInferRequest``."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))
