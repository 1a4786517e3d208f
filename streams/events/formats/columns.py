"""Columns of Arrow from decoded values: what does not fit a column is found, and said why."""

from __future__ import annotations

from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from .types import sql_type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REFUSALS = (pa.ArrowException, ValueError, TypeError, OverflowError)
"""What Arrow and conversions raise for a value that does not fit."""


class Built(NamedTuple):
    """A column, and the rows whose value does not fit, with the reason; they are null in it."""

    array: pa.Array
    bad: dict[int, str]


class ColumnBuilder:
    """Builds the columns of one format."""

    def __init__(
        self,
        leaf: Callable[[Sequence[Any], pa.DataType], pa.Array],
        members: Callable[[Any, pa.StructType], Sequence[Any]],
        hints: Callable[[pa.DataType], str],
    ) -> None:
        """Take how a format writes values.

        Parameters
        ----------
        leaf
            From values of a type without parts to a column; raises where one does not fit.
        members
            From a value that is a struct to those of its parts.
        hints
            What a value of a type must look like, for the reason.
        """
        self._leaf = leaf
        self._members = members
        self._hints = hints

    def build(self, values: Sequence[Any], type_: pa.DataType, path: str = "") -> Built:
        """Build a column of values, or of None where there is none."""
        if pa.types.is_struct(type_):
            return self._build_struct(values, type_, path)
        if pa.types.is_list(type_):
            return self._build_list(values, type_, path)
        try:
            return Built(self._leaf(values, type_), {})
        except REFUSALS:
            return self._build_singly(values, type_, path)

    def _build_singly(self, values: Sequence[Any], type_: pa.DataType, path: str) -> Built:
        """Find the values that do not fit."""
        fitting = list(values)
        bad = {}
        for row, value in enumerate(values):
            try:
                self._leaf([value], type_)
            except REFUSALS:
                fitting[row] = None
                bad[row] = f"{path} does not fit {sql_type(type_)}: {self._hints(type_)}."
        return Built(self._leaf(fitting, type_), bad)

    def _build_struct(self, values: Sequence[Any], type_: pa.StructType, path: str) -> Built:
        missing = (None,) * type_.num_fields
        rows = [missing if each is None else self._members(each, type_) for each in values]
        columns = zip(*rows, strict=True) if rows else [()] * type_.num_fields
        parts = [
            self.build(column, field.type, f"{path}.{field.name}" if path else field.name)
            for column, field in zip(columns, type_, strict=True)
        ]
        array = pa.StructArray.from_arrays(
            [part.array for part in parts],
            fields=list(type_),
            mask=pa.array([each is None for each in values], pa.bool_()),
        )
        # The reason of a row is that of its first column.
        bad = dict(chain.from_iterable(part.bad.items() for part in reversed(parts)))
        return Built(array, bad)

    def _build_list(self, values: Sequence[Any], type_: pa.ListType, path: str) -> Built:
        lengths = [0 if each is None else len(each) for each in values]
        elements = list(chain.from_iterable(each for each in values if each is not None))
        part = self.build(elements, type_.value_type, f"{path}[]")
        array = pa.ListArray.from_arrays(
            pa.array([0, *accumulate(lengths)], pa.int32()),
            part.array,
            type=type_,
            mask=pa.array([each is None for each in values], pa.bool_()),
        )
        bad = {}
        if part.bad:
            owners = list(chain.from_iterable([row] * n for row, n in enumerate(lengths)))
            bad = {owners[element]: reason for element, reason in part.bad.items()}
        return Built(array, bad)
