"""The rows of a request: as tuples for the row program, or as one Arrow batch."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from ..errors import SignatureError
from ..ir import ColumnType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from ..ir import Model

# What Python's objects take, roughly and rather more than less.
_ROW_BYTES, _VALUE_BYTES, _TEXT_BYTES = 128, 40, 4
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?", re.ASCII)
_ARROW: Mapping[ColumnType, pa.DataType] = {
    ColumnType.DOUBLE: pa.float64(),
    ColumnType.BIGINT: pa.int64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.VARCHAR: pa.string(),
    ColumnType.TIMESTAMP: pa.timestamp("us"),
}


def kinds_of(model: Model) -> dict[str, ColumnType]:
    """Say as what each column enters the model: an integer that is no key is a number."""
    return {
        column.name: ColumnType.DOUBLE
        if column.type is ColumnType.BIGINT and not model.is_key(column.name)
        else column.type
        for column in model.signature.columns
    }


def schema_of(model: Model) -> pa.Schema:
    """Give the Arrow schema of the batches of a model, the same for each request."""
    return arrow_schema(kinds_of(model))


def arrow_schema(kinds: Mapping[str, ColumnType]) -> pa.Schema:
    """Give the Arrow schema of columns that come as these types."""
    return pa.schema([(name, _ARROW[kind]) for name, kind in kinds.items()])


class Features(Protocol):
    """Rows whose values are of their columns' types, in the order of the signature."""

    @property
    def rows(self) -> int:
        """How many rows there are."""
        ...

    def tuples(self) -> Iterable[Sequence[Any]]:
        """Give the rows one by one."""
        ...

    def batch(self) -> pa.RecordBatch:
        """Give the rows as a batch of the model's schema."""
        ...

    def column(self, place: int) -> Sequence[Any]:
        """Give a column's values."""
        ...

    def picked(
        self, schema: pa.Schema, order: Sequence[int], places: Sequence[int] | None
    ) -> Features:
        """Give the rows at some places, or all, with the columns that another model reads."""
        ...

    def weight(self) -> int:
        """Estimate the bytes that keeping the rows takes."""
        ...


class RowFeatures:
    """Rows that came row by row."""

    __slots__ = ("_rows", "_schema", "rows")

    def __init__(self, schema: pa.Schema, rows: list[tuple[Any, ...]]) -> None:
        """Keep the rows."""
        self._schema = schema
        self._rows = rows
        self.rows = len(rows)

    def tuples(self) -> Iterable[Sequence[Any]]:
        """Give the rows as they came."""
        return self._rows

    def batch(self) -> pa.RecordBatch:
        """Turn the rows into columns."""
        columns = zip(*self._rows, strict=True)
        arrays = [
            pa.array(column, field.type)
            for column, field in zip(columns, self._schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def column(self, place: int) -> Sequence[Any]:
        """Give a column's values."""
        return [row[place] for row in self._rows]

    def picked(
        self, schema: pa.Schema, order: Sequence[int], places: Sequence[int] | None
    ) -> RowFeatures:
        """Give rows with the columns that another model reads."""
        rows = self._rows if places is None else [self._rows[place] for place in places]
        if list(order) != list(range(len(self._schema))):
            rows = [tuple(row[place] for place in order) for row in rows]
        return RowFeatures(schema, rows)

    def weight(self) -> int:
        """Estimate the bytes that keeping the rows takes."""
        texts = sum(len(v) for row in self._rows for v in row if type(v) is str)
        return self.rows * (_ROW_BYTES + _VALUE_BYTES * len(self._schema)) + _TEXT_BYTES * texts


class ColumnFeatures:
    """Rows that came column by column, in lists or in arrays of numpy."""

    __slots__ = ("_columns", "_schema", "rows")

    def __init__(
        self, schema: pa.Schema, columns: list[list[Any] | NDArray[Any]], rows: int
    ) -> None:
        """Keep the columns."""
        self._schema = schema
        self._columns = columns
        self.rows = rows

    def tuples(self) -> Iterable[Sequence[Any]]:
        """Turn the columns into rows."""
        lists = [c if type(c) is list else np.asarray(c).tolist() for c in self._columns]
        return zip(*lists, strict=True)

    def batch(self) -> pa.RecordBatch:
        """Give the columns to Arrow."""
        arrays = [
            pa.array(column, field.type)
            for column, field in zip(self._columns, self._schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def column(self, place: int) -> Sequence[Any]:
        """Give a column's values."""
        column = self._columns[place]
        return column if isinstance(column, list) else column.tolist()

    def picked(
        self, schema: pa.Schema, order: Sequence[int], places: Sequence[int] | None
    ) -> ColumnFeatures:
        """Give rows with the columns that another model reads."""
        columns = [self._columns[place] for place in order]
        if places is None:
            return ColumnFeatures(schema, columns, self.rows)
        chosen = [
            [column[place] for place in places] if isinstance(column, list) else column[[*places]]
            for column in columns
        ]
        return ColumnFeatures(schema, chosen, len(places))

    def weight(self) -> int:
        """Estimate the bytes that keeping the rows takes."""
        weight = _ROW_BYTES * self.rows
        for column in self._columns:
            if isinstance(column, list):
                texts = sum(len(value) for value in column if type(value) is str)
                weight += _VALUE_BYTES * len(column) + _TEXT_BYTES * texts
            else:
                weight += column.nbytes
        return weight


def read_time(text: str | None, name: str, what: str = "Column") -> datetime | None:
    """Read a time such as 2013-01-31 or 2013-01-31T23:59:59.123456; None is missing.

    Raises
    ------
    SignatureError
        If it is none, names a time zone, or is more precise than microseconds.
    """
    if text is None:
        return None
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:  # there is no 31st of February
        pass
    raise SignatureError(
        f"{what} {name!r}: {text[:80]!r} is no time. Write it as 2013-01-31T23:59:59.123456, "
        "without a time zone."
    )
