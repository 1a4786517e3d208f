"""What an endpoint answers: the columns of its query, in JSON and as tensors."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import UnsupportedModelError
from ..answers import in_json
from ..binary_tensors import write_tensor
from ..datatypes import BYTES, DATATYPES
from ..http import Refusal, bad
from ..output_tensors import Output as Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import duckdb


_DATATYPES: Mapping[str, str] = {
    "boolean": "BOOL",
    "tinyint": "INT8",
    "smallint": "INT16",
    "integer": "INT32",
    "bigint": "INT64",
    "utinyint": "UINT8",
    "usmallint": "UINT16",
    "uinteger": "UINT32",
    "ubigint": "UINT64",
    "float": "FP32",
    "double": "FP64",
    "varchar": BYTES,
    "date": BYTES,
    "timestamp": BYTES,
    "decimal": BYTES,
}


@dataclass(frozen=True, slots=True)
class Output:
    """A column of the answers.

    Attributes
    ----------
    type
        DuckDB's type.
    show
        From a value to what JSON has; a decimal, a day and a time are texts.
    tensor
        As the Open Inference Protocol has it; None for what it cannot say.
    """

    name: str
    type: str
    show: Callable[[Any], Any]
    tensor: Tensor | None


def output_of(connection: duckdb.DuckDBPyConnection, name: str, type_: str) -> Output:
    """Make an output of a type of DuckDB's.

    Raises
    ------
    UnsupportedModelError
        If an answer cannot have it.
    """
    found: Any = connection.sqltype(type_)
    show = _show_of(found)
    if show is None:
        raise UnsupportedModelError(
            f"the output {name}",
            f"it is {type_}, which an answer cannot have.",
            f"write CAST({name} AS …): to DOUBLE, BIGINT, DECIMAL(p, s), VARCHAR or TIMESTAMP.",
        )
    return Output(name, type_, show, _tensor_of(name, found))


def _show_of(type_: Any) -> Callable[[Any], Any] | None:
    """Give the function from values to JSON; None for types that answers cannot have."""
    match type_.id:
        case "list" | "array":
            return _show_list(_show_of(type_.children[0][1]))
        case "struct":
            return _show_struct([(name, _show_of(child)) for name, child in type_.children])
        case "varchar" if str(type_) != "VARCHAR":  # JSON is one by its id
            return None
        case id_:
            return _SHOWN.get(id_, _as_it_is if id_ in _DATATYPES else None)


def _as_it_is(value: Any) -> Any:
    return value


def _show_number(value: float | None) -> float | None:
    return None if value is None else in_json(value)


def _show_decimal(value: Any) -> str | None:
    return None if value is None else format(value, "f")


def _show_time(value: Any) -> str | None:
    return None if value is None else value.isoformat()


_SHOWN: Mapping[str, Callable[[Any], Any]] = {
    "float": _show_number,
    "double": _show_number,
    "decimal": _show_decimal,
    "date": _show_time,
    "timestamp": _show_time,
}


def _show_list(show: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    if show is None:
        return None
    return lambda values: None if values is None else [show(value) for value in values]


def _show_struct(
    members: Sequence[tuple[str, Callable[[Any], Any] | None]],
) -> Callable[[Any], Any] | None:
    if not all(show for _, show in members):
        return None
    shows = [(name, show) for name, show in members if show]
    return lambda value: (
        None if value is None else {name: show(value[name]) for name, show in shows}
    )


def _tensor_of(name: str, type_: Any) -> Tensor | None:
    """Give the tensor of a column: of several numbers a row, for an array or a struct of them."""
    if type_.id == "array" and type_.children[0][1].id == "double":
        return Tensor(name, "FP64", int(type_.children[1][1]))
    if type_.id == "struct" and all(child.id == "double" for _, child in type_.children):
        labels = tuple(label for label, _ in type_.children)
        return Tensor(name, "FP64", len(labels), labels)
    datatype = _DATATYPES.get(type_.id)
    return None if datatype is None else Tensor(name, datatype, None)


def show_rows(outputs: Sequence[Output], values: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Give the answers in JSON, by the columns' names.

    Raises
    ------
    Refusal
        If a number is infinite.
    """
    shows = [(output.name, output.show) for output in outputs]
    return [
        {name: show(value) for (name, show), value in zip(shows, row, strict=True)}
        for row in values
    ]


def encode(
    outputs: Sequence[Output], values: Sequence[Sequence[Any]], wanted: Mapping[str, bool]
) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Give the outputs that are wanted as tensors, and the bytes of those that go behind JSON.

    Raises
    ------
    Refusal
        If JSON has no such number, or bytes no NULL.
    """
    places = {output.name: place for place, output in enumerate(outputs)}
    tensors: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    for name, in_bytes in wanted.items():
        place = places[name]
        output = outputs[place]
        if output.tensor is None:
            raise bad(f"The output {name!r} is {output.type}: ask /predict for it.")
        column = [row[place] for row in values]
        datatype = output.tensor.datatype
        tensor: dict[str, Any] = {
            "name": name,
            "datatype": datatype,
            "shape": output.tensor.shape(len(column)),
        }
        if output.tensor.width is not None:
            column = _flat(column, output.tensor.width)
        if in_bytes:
            blobs.append(_blob(name, column, datatype, output))
            tensor["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            show = _show_number if output.tensor.width is not None else output.show
            tensor["data"] = [show(value) for value in column]
        tensors.append(tensor)
    return tensors, blobs


def _flat(column: Sequence[Any], width: int) -> list[Any]:
    rows = [
        [None] * width if row is None else row.values() if isinstance(row, dict) else row
        for row in column
    ]
    return list(chain.from_iterable(rows))


def _blob(name: str, column: list[Any], datatype: str, output: Output) -> bytes:
    if None in column:
        if datatype not in {"FP32", "FP64"}:
            message = (
                f"The output {name!r} is NULL in a row, which bytes cannot say. Ask for JSON, or "
                "coalesce it in the query."
            )
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, message)
        column = [np.nan if value is None else value for value in column]
    if datatype == BYTES:
        column = [output.show(value) for value in column]
    return write_tensor(column, DATATYPES[datatype])
