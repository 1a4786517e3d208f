"""Input tensors of the Open Inference Protocol: one for each column of the model, by its name."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import msgspec
import numpy as np

from ..ir import ColumnType
from .binary_tensors import read_tensor
from .datatypes import DATATYPES, OF_COLUMN
from .features import ColumnFeatures, read_time
from .http import bad

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .datatypes import Datatype
    from .http import Refusal
    from .models import ServedModel

_MATRIX = 2
_NUMBERS = frozenset({float, int})
_ONLY_FLOATS: set[type] = {float}
# More digits would be kept, and some of them cannot be written into a message.
_Size: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class TensorParameters(msgspec.Struct, frozen=True, gc=False):
    """What may stand beside a tensor."""

    binary_data_size: _Size | None = None


class InputTensor(msgspec.Struct):
    """A tensor of a request; the elements of ``data`` are checked against the datatype."""

    name: str
    shape: list[_Size]
    datatype: str
    parameters: TensorParameters | None = None
    data: list[Any] | None = None


def read_inputs(
    inputs: Sequence[InputTensor], binary: bytes, served: ServedModel
) -> ColumnFeatures:
    """Read the columns of a model out of the tensors of a request.

    Raises
    ------
    Refusal
        If a column is missing, unknown, given twice, of another type or length than it should be.
    SignatureError
        If a text is no time.
    """
    plain = None if binary else _plain_columns(inputs, served)
    if plain is not None:
        return ColumnFeatures(served.schema, plain, len(plain[0]))
    found: dict[str, list[Any] | NDArray[Any]] = {}
    kinds = served.kinds
    rows = _count(inputs[0]) if inputs else 0
    at = 0
    for tensor in inputs:
        name = tensor.name
        kind = kinds.get(name)
        datatype = DATATYPES.get(tensor.datatype)
        if kind is None or name in found:
            raise _unexpected(tensor, served)
        if datatype is None or kind not in datatype.columns:
            raise _of_wrong_type(tensor, kind)
        if tensor.shape != [rows] and _count(tensor) != rows:
            raise bad(f"Input {name!r} has {tensor.shape[0]} rows, and the first one {rows}.")
        size = tensor.parameters.binary_data_size if tensor.parameters else None
        if size is None:
            found[name] = _from_json(tensor, datatype, kind, rows)
            continue
        content = _part(tensor, binary, at, size)
        at += size
        found[name] = _as_column(name, read_tensor(name, datatype, content, rows), kind)
    if at != len(binary):
        raise bad(f"{len(binary) - at} bytes behind the JSON belong to no input.")
    try:
        return ColumnFeatures(served.schema, [found[name] for name in kinds], rows)
    except KeyError as error:
        raise bad(f"Input {error.args[0]!r} is missing. {_inputs(served)}") from error


def _plain_columns(inputs: Sequence[InputTensor], served: ServedModel) -> list[Any] | None:
    """Check all tensors at once, where each is in its place and of floats alone: most are.

    None where one is not, and has to be looked at by itself.
    """
    if [tensor.name for tensor in inputs] != served.names or not served.is_numeric:
        return None
    shape = inputs[0].shape
    columns = [tensor.data or () for tensor in inputs]
    is_plain = (
        len(shape) == 1
        and all(tensor.shape == shape for tensor in inputs)
        and {tensor.datatype for tensor in inputs} == {"FP64"}
        and {tensor.parameters for tensor in inputs} == {None}
        and set(map(len, columns)) == set(shape)
        and set(map(type, chain.from_iterable(columns))) == _ONLY_FLOATS
    )
    return columns if is_plain else None


def _unexpected(tensor: InputTensor, served: ServedModel) -> Refusal:
    if tensor.name in served.kinds:
        return bad(f"Input {tensor.name!r} is given twice.")
    return bad(f"{served.reference} has no input {tensor.name[:200]!r}. {_inputs(served)}")


def _of_wrong_type(tensor: InputTensor, kind: ColumnType) -> Refusal:
    return bad(
        f"Input {tensor.name!r} is {tensor.datatype[:40]!r}, and the column is {kind}: send "
        f"{OF_COLUMN[kind]}."
    )


def _count(tensor: InputTensor) -> int:
    shape = tensor.shape
    is_column = len(shape) == 1 or (len(shape) == _MATRIX and shape[1] == 1)
    if not is_column or shape[0] < 0:
        raise bad(
            f"Input {tensor.name!r} has the shape {shape[:8]}. Each column of the model is an "
            "input of its own, with the shape [rows] or [rows, 1]."
        )
    return shape[0]


def _part(tensor: InputTensor, binary: bytes, at: int, size: int) -> bytes:
    if tensor.data is not None:
        raise bad(f"Input {tensor.name!r} has data, and bytes behind the JSON. Send one of them.")
    if not 0 <= size <= len(binary) - at:
        raise bad(f"Input {tensor.name!r} claims {size} bytes, and {len(binary) - at} are left.")
    return binary[at : at + size]


def _from_json(
    tensor: InputTensor, datatype: Datatype, kind: ColumnType, count: int
) -> list[Any] | NDArray[Any]:
    elements = tensor.data
    if elements is None:
        raise bad(f"Input {tensor.name!r} has no data.")
    types = set(map(type, elements))
    if types == {list} and len(tensor.shape) == _MATRIX:
        elements = [row[0] if len(row) == 1 else row for row in elements]
        types = set(map(type, elements))
    if len(elements) != count:
        raise bad(
            f"Input {tensor.name!r} has {len(elements)} elements, not the {count} of its shape."
        )
    _check_elements(tensor.name, elements, types, datatype)
    if kind is ColumnType.DOUBLE:
        return _as_floats(tensor.name, elements, datatype)
    return _as_column(tensor.name, elements, kind)


def _check_elements(name: str, elements: list[Any], types: set[type], datatype: Datatype) -> None:
    """Check that each element is null, or what the datatype says."""
    allowed = _NUMBERS if datatype.element is float else {datatype.element}
    if types - allowed - {type(None)}:
        wrong = next(e for e in elements if e is not None and type(e) not in allowed)
        raise bad(f"Input {name!r} has an element that is no {datatype.name}: {_short(wrong)}.")
    if datatype.element is int:
        least, most = datatype.bounds
        for each in elements:
            if each is not None and not least <= each <= most:
                raise bad(f"Input {name!r}: {_short(each)} is beyond {datatype.name}.")


def _short(value: object) -> str:
    # A long integer has no text: Python refuses to write one.
    if type(value) is int and value.bit_length() > 64:  # noqa: PLR2004 - of any datatype
        return "an integer of more than 64 bits"
    try:
        return repr(value)[:80]
    except (RecursionError, ValueError):
        return f"a {type(value).__name__} of much"


def _as_floats(name: str, elements: list[Any], datatype: Datatype) -> list[float | None]:
    """Give numbers as float64, having rounded them to as few bits as the datatype has."""
    try:
        numbers = [None if each is None else float(each) for each in elements]
    except OverflowError as error:
        raise bad(f"Input {name!r} has a number that is too large for {datatype.name}.") from error
    if datatype.name not in {"FP16", "FP32"}:
        return numbers
    with np.errstate(over="ignore"):
        given = np.array([0.0 if each is None else each for each in numbers])
        rounded = given.astype(datatype.dtype).astype(np.float64)
    # JSON has no infinities and no NaN; gRPC's elements have, and they stay what they are.
    if (np.isfinite(given) & ~np.isfinite(rounded)).any():
        raise bad(f"Input {name!r} has a number that is too large for {datatype.name}.")
    pairs = zip(numbers, rounded.tolist(), strict=True)
    return [None if each is None else narrow for each, narrow in pairs]


def _as_column(
    name: str, elements: list[Any] | NDArray[Any], kind: ColumnType
) -> list[Any] | NDArray[Any]:
    """Give the elements as the column's own type, to the same value."""
    match kind:
        case ColumnType.DOUBLE:
            return np.asarray(elements).astype(np.float64)
        case ColumnType.BIGINT:
            return _as_int64(name, elements)
        case ColumnType.TIMESTAMP:
            return [read_time(each, name) for each in elements]
        case _:
            return elements


def _as_int64(name: str, elements: list[Any] | NDArray[Any]) -> list[Any] | NDArray[Any]:
    largest = max((int(each) for each in elements if each is not None), default=0)
    if largest > np.iinfo(np.int64).max:
        raise bad(f"Input {name!r} has an integer that INT64 cannot hold.")
    return elements if isinstance(elements, list) else elements.astype(np.int64)


def _inputs(served: ServedModel) -> str:
    names = list(served.kinds)
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""  # noqa: PLR2004 - a message is short
    return f"Its inputs are {', '.join(map(repr, names[:20]))}{more}."
