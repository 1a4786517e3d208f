"""Columns of Arrow from decoded values: what does not fit a column is found, and said why."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, assert_never

import pyarrow as pa

from .types import sql_type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REFUSALS = (pa.ArrowException, ValueError, TypeError, ArithmeticError, LookupError)
"""What Arrow and conversions raise for a value that does not fit."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A column without parts: its type, how its values become one, and what they must look like."""

    type: pa.DataType
    convert: Callable[[Sequence[Any]], pa.Array]
    hint: str


@dataclass(frozen=True, slots=True)
class Struct:
    """A column of structs: how one is taken apart, into parts with names."""

    members: Callable[[Any], Sequence[Any]]
    parts: tuple[tuple[str, Shape], ...]

    @property
    def type(self) -> pa.StructType:
        """The type of the column."""
        return pa.struct([(name, part.type) for name, part in self.parts])


@dataclass(frozen=True, slots=True)
class List:
    """A column of lists."""

    element: Shape

    @property
    def type(self) -> pa.ListType:
        """The type of the column."""
        return pa.list_(self.element.type)


Shape: TypeAlias = "Leaf | Struct | List"
Parts: TypeAlias = "Sequence[tuple[str, Shape]]"
Bad: TypeAlias = "dict[int, str]"


class Built(NamedTuple):
    """A column, and the rows whose value does not fit, with the reason; they are null in it."""

    array: pa.Array
    bad: Bad


def build(values: Sequence[Any], shape: Shape, path: str) -> Built:
    """Build a column of values, or of None where there is none."""
    match shape:
        case Leaf():
            try:
                return Built(shape.convert(values), {})
            except REFUSALS:
                return _build_singly(values, shape, path)
        case Struct():
            return _build_structs(values, shape, path)
        case List():
            return _build_lists(values, shape, path)
        case _:
            assert_never(shape)


def _build_singly(values: Sequence[Any], leaf: Leaf, path: str) -> Built:
    """Find the values that do not fit."""
    fitting = list(values)
    bad = {}
    for row, value in enumerate(values):
        try:
            leaf.convert([value])
        except REFUSALS:
            fitting[row] = None
            bad[row] = f"{path} does not fit {sql_type(leaf.type)}: {leaf.hint}."
    return Built(leaf.convert(fitting), bad)


def build_batch(columns: Sequence[Sequence[Any]], parts: Parts) -> tuple[pa.RecordBatch, Bad]:
    """Build the columns of a batch, and say which of its rows do not fit."""
    built = _build_parts(columns, parts, "")
    names = [name for name, _ in parts]
    return pa.RecordBatch.from_arrays([part.array for part in built], names), _first_bad(built)


def transposed(rows: Sequence[Sequence[Any]], width: int) -> Sequence[Sequence[Any]]:
    """Turn rows into columns, also where there are none."""
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _build_parts(columns: Sequence[Sequence[Any]], parts: Parts, path: str) -> list[Built]:
    return [
        build(column, part, f"{path}.{name}" if path else name)
        for column, (name, part) in zip(columns, parts, strict=True)
    ]


def _first_bad(built: Sequence[Built]) -> Bad:
    """Take as the reason of a row that of its first column."""
    return dict(chain.from_iterable(part.bad.items() for part in reversed(built)))


def _build_structs(values: Sequence[Any], shape: Struct, path: str) -> Built:
    missing = (None,) * len(shape.parts)
    rows = [missing if each is None else shape.members(each) for each in values]
    built = _build_parts(transposed(rows, len(missing)), shape.parts, path)
    array = pa.StructArray.from_arrays(
        [part.array for part in built],
        fields=list(shape.type),
        mask=pa.array([each is None for each in values], pa.bool_()),
    )
    return Built(array, _first_bad(built))


def _build_lists(values: Sequence[Any], shape: List, path: str) -> Built:
    lengths = [0 if each is None else len(each) for each in values]
    elements = list(chain.from_iterable(each for each in values if each is not None))
    part = build(elements, shape.element, f"{path}[]")
    array = pa.ListArray.from_arrays(
        pa.array([0, *accumulate(lengths)], pa.int32()),
        part.array,
        type=shape.type,
        mask=pa.array([each is None for each in values], pa.bool_()),
    )
    bad = {}
    if part.bad:
        owners = list(chain.from_iterable([row] * n for row, n in enumerate(lengths)))
        bad = {owners[element]: reason for element, reason in part.bad.items()}
    return Built(array, bad)
