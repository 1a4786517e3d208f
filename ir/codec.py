"""A model as plain JSON values and named arrays, and back. Nothing is executed on the way.

The annotation of a field picks its coder, so a new step needs no code here.
"""

from __future__ import annotations

import math
from dataclasses import fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import BundleError, SignatureError
from . import steps as s
from .model import Model, Outputs
from .signature import Column, ColumnType, Scalar, Signature
from .trees import Trees

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
Array: TypeAlias = NDArray[Any]
Arrays: TypeAlias = dict[str, Array]
Json: TypeAlias = Any

_STEPS = {step.__name__: step for step in get_args(s.Step)}
_SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def encode_model(model: Model) -> tuple[dict[str, Json], Arrays]:
    """Split a model into JSON values and arrays; :func:`decode_model` is the inverse."""
    arrays: Arrays = {}
    steps = [_encode_step(step, f"{i}", arrays) for i, step in enumerate(model.steps)]
    arrays["residuals"] = np.array(model.residuals, np.float64)
    document = {
        "signature": [
            {
                "name": column.name,
                "type": column.type.value,
                "nullable": column.nullable,
                "categories": _encode_optional(column.categories),
            }
            for column in model.signature.columns
        ],
        "steps": steps,
        "outputs": {
            "prediction": list(model.outputs.prediction),
            "classes": _encode_optional(model.outputs.classes),
            "probabilities": list(model.outputs.probabilities),
            "margins": list(model.outputs.margins),
        },
        "background": {name: _encode_float(v) for name, v in model.background.items()},
    }
    return document, arrays


def decode_model(document: Json, arrays: Mapping[str, Array]) -> Model:
    """Rebuild a model, checking every name, type and shape.

    Raises
    ------
    BundleError
        If anything is missing, extra, of the wrong type, or unknown to this version.
    """
    try:
        top = _members(document, "signature", "steps", "outputs", "background")
        columns = tuple(_decode_column(item) for item in _list(top["signature"]))
        steps = tuple(_decode_step(item, arrays) for item in _list(top["steps"]))
        residuals = tuple(_array(np.float64)(arrays, "residuals").tolist())
        background = {str(k): _float(v) for k, v in _mapping(top["background"]).items()}
        outputs = _decode_outputs(top["outputs"])
        model = Model(Signature(columns), steps, outputs, background, residuals)
    except SignatureError as error:
        raise BundleError(str(error)) from error
    _check_spelling(model, document, arrays)
    return model


def decode_surface(document: Json) -> tuple[Signature, Outputs]:
    """Read what a model takes and answers, without its steps.

    Raises
    ------
    BundleError
        If it is not what :func:`encode_model` writes.
    """
    top = _mapping(document)
    columns = tuple(_decode_column(item) for item in _list(top.get("signature")))
    try:
        return Signature(columns), _decode_outputs(top.get("outputs"))
    except SignatureError as error:
        raise BundleError(str(error)) from error


def _check_spelling(model: Model, document: Json, arrays: Mapping[str, Array]) -> None:
    """Refuse what this codec would write differently: shared, renamed or unused arrays."""
    again, names = encode_model(model)
    if again != document or set(names) != set(arrays):
        raise _fail("each array to be used once, under the name of its field", sorted(arrays))


def _encode_optional(values: tuple[Scalar, ...] | None) -> Json:
    return None if values is None else [_encode_scalar(value) for value in values]


def _encode_scalar(value: Scalar) -> Json:
    return _encode_float(value) if isinstance(value, float) else value


def _encode_item(value: Scalar | StrEnum) -> Json:
    return value.value if isinstance(value, StrEnum) else _encode_scalar(value)


def _encode_float(value: float) -> Json:
    """JSON has no NaN and no infinity; a key distinguishes them from strings."""
    return value if math.isfinite(value) else {"float": repr(value)}


def _encode_step(step: s.Step, prefix: str, arrays: Arrays) -> dict[str, Json]:
    document: dict[str, Json] = {"step": type(step).__name__}
    for field in fields(step):
        key = f"{prefix}.{field.name}"
        document[field.name] = _encode_value(getattr(step, field.name), key, arrays)
    return document


def _encode_value(value: object, key: str, arrays: Arrays) -> Json:
    match value:
        case np.ndarray():
            arrays[key] = value
            return key
        case Trees():
            for field in fields(value):
                arrays[f"{key}.{field.name}"] = getattr(value, field.name)
            return key
        case tuple():
            return [_encode_item(item) for item in value]
        case StrEnum():
            return value.value
        case None | bool() | int() | float() | str():
            return None if value is None else _encode_scalar(value)
        case _:
            message = f"No coder for a value of type {type(value).__name__} in {key}."
            raise TypeError(message)


def _decode_step(document: Json, arrays: Mapping[str, Array]) -> s.Step:
    kind = _mapping(document).get("step")
    if not isinstance(kind, str) or kind not in _STEPS:
        message = f"Unknown step {kind!r}: a later foresql wrote this bundle, or it was edited."
        raise BundleError(message)
    step = _STEPS[kind]
    values = _members(document, "step", *(field.name for field in fields(step)))
    decoded = {
        field.name: _DECODERS[str(field.type)](values[field.name], arrays) for field in fields(step)
    }
    return step(**decoded)


def _decode_column(document: Json) -> Column:
    values = _members(document, "name", "type", "nullable", "categories")
    return Column(
        _text(values["name"]),
        _choice(ColumnType)(values["type"], {}),
        _flag(values["nullable"], {}),
        _optional_scalars(values["categories"]),
    )


def _decode_outputs(document: Json) -> Outputs:
    values = _members(document, "prediction", "classes", "probabilities", "margins")
    return Outputs(
        _texts(values["prediction"], {}),
        _optional_scalars(values["classes"]),
        _texts(values["probabilities"], {}),
        _texts(values["margins"], {}),
    )


def _fail(expected: str, value: object) -> BundleError:
    return BundleError(f"Malformed model: expected {expected}, found {str(value)[:80]!r}.")


def _mapping(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise _fail("an object", value)
    return value


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise _fail("a list", value)
    return value


def _members(value: Json, *names: str) -> dict[str, Json]:
    members = _mapping(value)
    if set(members) != set(names):
        raise _fail(f"the members {sorted(names)}", sorted(members))
    return members


def _text(value: Json, _arrays: object = None) -> str:
    if not isinstance(value, str):
        raise _fail("text", value)
    return value


def _texts(value: Json, _arrays: object) -> tuple[str, ...]:
    return tuple(_text(item) for item in _list(value))


def _flag(value: Json, _arrays: object) -> bool:
    if not isinstance(value, bool):
        raise _fail("true or false", value)
    return value


def _integer(value: Json, _arrays: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _fail("an integer", value)
    return _int64(value)


def _float(value: Json, _arrays: object = None) -> float:
    if isinstance(value, dict):
        special = value.get("float")
        if len(value) == 1 and isinstance(special, str) and special in _SPECIAL:
            return _SPECIAL[special]
        raise _fail("a number", value)
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise _fail("a number", value)
    return float(_int64(value)) if isinstance(value, int) else value


def _optional_float(value: Json, _arrays: object) -> float | None:
    return None if value is None else _float(value)


def _scalar(value: Json) -> Scalar:
    if isinstance(value, str | bool):
        return value
    return _int64(value) if isinstance(value, int) else _float(value)


def _int64(value: int) -> int:
    """No engine holds a larger key, and a larger number may not even become a float."""
    if not -(2**63) <= value < 2**63:
        raise _fail("an integer of 64 bits", value)
    return value


def _scalars(value: Json, _arrays: object = None) -> tuple[Scalar, ...]:
    return tuple(_scalar(item) for item in _list(value))


def _optional_scalars(value: Json) -> tuple[Scalar, ...] | None:
    return None if value is None else _scalars(value)


def _choice(kind: type[StrEnum]) -> Callable[[Json, object], Any]:
    def decode(value: Json, _arrays: object) -> object:
        try:
            return kind(value)
        except ValueError as error:
            raise _fail(f"one of {[member.value for member in kind]}", value) from error

    return decode


def _choices(kind: type[StrEnum]) -> Callable[[Json, object], Any]:
    decode = _choice(kind)
    return lambda value, arrays: tuple(decode(item, arrays) for item in _list(value))


def _array(dtype: type[np.generic], dimensions: int = 1) -> Callable[..., Array]:
    def decode(arrays: Mapping[str, Array], key: Json) -> Array:
        array = arrays.get(key) if isinstance(key, str) else None
        if array is None:
            raise _fail("the name of an array", key)
        if array.dtype != dtype or array.ndim != dimensions:
            raise _fail(
                f"array {key!r} to be {np.dtype(dtype)} with {dimensions} dimensions",
                f"{array.dtype} with {array.ndim}",
            )
        return array

    return decode


def _decode_weights(value: Json, arrays: Mapping[str, Array]) -> Array:
    """Read float64 arrays: a matrix where the field is a matrix is checked by the model."""
    array = arrays.get(value) if isinstance(value, str) else None
    dimensions = array.ndim if array is not None and array.ndim in {1, 2} else 1
    return _array(np.float64, dimensions)(arrays, value)


def _decode_trees(value: Json, arrays: Mapping[str, Array]) -> Trees:
    key = _text(value)
    return Trees(
        **{
            field.name: _array(_dtype_of(str(field.type)))(arrays, f"{key}.{field.name}")
            for field in fields(Trees)
        }
    )


def _dtype_of(annotation: str) -> type[np.generic]:
    name = annotation.removeprefix("NDArray[np.").removesuffix("]")
    return getattr(np, name)


_DECODERS: Mapping[str, Callable[[Json, Mapping[str, Array]], object]] = {
    "str": _text,
    "bool": _flag,
    "int": _integer,
    "float": _float,
    "float | None": _optional_float,
    "tuple[str]": _texts,
    "tuple[str, ...]": _texts,
    "tuple[Scalar, ...]": _scalars,
    "Operator": _choice(s.Operator),
    "Function": _choice(s.Function),
    "Norm": _choice(s.Norm),
    "Precision": _choice(s.Precision),
    "Metric": _choice(s.Metric),
    "Weighting": _choice(s.Weighting),
    "tuple[Cell, ...]": _choices(s.Cell),
    "tuple[Kernel, ...]": _choices(s.Kernel),
    "NDArray[np.float64]": _decode_weights,
    "NDArray[np.int32]": lambda value, arrays: _array(np.int32)(arrays, value),
    "NDArray[np.int64]": lambda value, arrays: _array(np.int64)(arrays, value),
    "NDArray[np.uint8]": lambda value, arrays: _array(np.uint8)(arrays, value),
    "Trees": _decode_trees,
}
