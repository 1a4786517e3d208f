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


class Built(NamedTuple):
    """A column, and the rows whose value does not fit, with the reason; they are null in it."""

    array: pa.Array
    bad: dict[int, str]


def build(values: Sequence[Any], shape: Shape, path: str = "") -> Built:
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


def _build_structs(values: Sequence[Any], shape: Struct, path: str) -> Built:
    missing = (None,) * len(shape.parts)
    rows = [missing if each is None else shape.members(each) for each in values]
    columns = zip(*rows, strict=True) if rows else missing
    parts = [
        build(column or (), part, f"{path}.{name}" if path else name)
        for column, (name, part) in zip(columns, shape.parts, strict=True)
    ]
    array = pa.StructArray.from_arrays(
        [part.array for part in parts],
        fields=list(shape.type),
        mask=pa.array([each is None for each in values], pa.bool_()),
    )
    # The reason of a row is that of its first column.
    return Built(array, dict(chain.from_iterable(part.bad.items() for part in reversed(parts))))


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
