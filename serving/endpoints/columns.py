"""The columns of an endpoint's rows: as which type DuckDB has them, and as what they come in."""

from __future__ import annotations

import ctypes
import math
import re
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from ...errors import SignatureError, UnsupportedModelError
from ...ir import ColumnType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

KNOWN = (
    "BOOLEAN, TINYINT, SMALLINT, INTEGER, BIGINT, UTINYINT, USMALLINT, UINTEGER, FLOAT, DOUBLE, "
    "DECIMAL(p, s), VARCHAR, DATE and TIMESTAMP"
)
_INTEGERS: Mapping[str, tuple[int, int, pa.DataType]] = {
    "TINYINT": (-(2**7), 2**7 - 1, pa.int8()),
    "SMALLINT": (-(2**15), 2**15 - 1, pa.int16()),
    "INTEGER": (-(2**31), 2**31 - 1, pa.int32()),
    "UTINYINT": (0, 2**8 - 1, pa.uint8()),
    "USMALLINT": (0, 2**16 - 1, pa.uint16()),
    "UINTEGER": (0, 2**32 - 1, pa.uint32()),
}
_PLAIN: Mapping[str, tuple[ColumnType, pa.DataType]] = {
    "BOOLEAN": (ColumnType.BOOLEAN, pa.bool_()),
    "BIGINT": (ColumnType.BIGINT, pa.int64()),
    "DOUBLE": (ColumnType.DOUBLE, pa.float64()),
    "VARCHAR": (ColumnType.VARCHAR, pa.string()),
    "TIMESTAMP": (ColumnType.TIMESTAMP, pa.timestamp("us")),
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,38}(\.\d{1,38})?", re.ASCII)
_EXACT = Context(prec=80)


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes
    ----------
    type
        DuckDB's type.
    wire
        As what JSON and tensors carry it: smaller integers as BIGINT, FLOAT as DOUBLE, DATE and
        DECIMAL as text.
    arrow
        The type by which DuckDB gets it.
    read
        From what came to the type's own value, or a ValueError; None where they are the same.
    """

    name: str
    type: str
    wire: ColumnType
    arrow: pa.DataType
    read: Callable[[Any], Any] | None = None

    def value(self, value: Any, row: int) -> Any:
        """Give the type's own value of what came.

        Raises
        ------
        SignatureError
            If it is none.
        """
        if value is None or self.read is None:
            return value
        try:
            return self.read(value)
        except ValueError as error:
            message = f"Row {row}: column {self.name!r} is {self.type}, and {error}."
            raise SignatureError(message) from None

    def array(self, values: pa.Array) -> pa.Array:
        """Give the type's own values of all that came.

        Raises
        ------
        SignatureError
            If one is none.
        """
        if self.read is None:
            return values
        own = [self.value(value, row) for row, value in enumerate(values.to_pylist())]
        return pa.array(own, self.arrow)


def column_of(name: str, type_: str) -> Column:
    """Make a column of a type of DuckDB's, by the name that DuckDB gives it.

    Raises
    ------
    UnsupportedModelError
        If rows of a request cannot have it.
    """
    if plain := _PLAIN.get(type_):
        return Column(name, type_, *plain)
    if integer := _INTEGERS.get(type_):
        low, high, arrow = integer
        return Column(name, type_, ColumnType.BIGINT, arrow, _within(low, high))
    if type_ == "FLOAT":
        return Column(name, type_, ColumnType.DOUBLE, pa.float32(), _float32)
    if type_ == "DATE":
        return Column(name, type_, ColumnType.VARCHAR, pa.date32(), _day)
    if found := _DECIMAL.fullmatch(type_):
        digits, scale = int(found[1]), int(found[2])
        arrow = pa.decimal128(digits, scale)
        return Column(name, type_, ColumnType.VARCHAR, arrow, _decimal(digits, scale))
    raise UnsupportedModelError(
        f"the column {name}",
        f"it is {type_}, which rows of a request cannot have.",
        f"CAST it in a view to one of {KNOWN}, and let the query read that.",
    )


def named_types(columns: Mapping[str, str]) -> dict[str, str]:
    """Give types as DuckDB names them, where somebody wrote them in their own way.

    Raises
    ------
    UnsupportedModelError
        If one is no type.
    """
    with duckdb.connect() as connection:
        return {name: _named(connection, name, text) for name, text in columns.items()}


def _named(connection: duckdb.DuckDBPyConnection, name: str, text: str) -> str:
    try:
        return str(connection.sqltype(text))
    except duckdb.Error:
        raise UnsupportedModelError(
            f"the column {name}", f"{text[:80]!r} is no type of DuckDB's.", f"use one of {KNOWN}."
        ) from None


def arrow_type(type_: str) -> pa.DataType | None:
    """Give the Arrow type by which DuckDB gets a type of a feature view; None where it cannot."""
    unsigned = {"UBIGINT": pa.uint64()}
    try:
        return unsigned.get(type_) or column_of("", type_).arrow
    except UnsupportedModelError:
        return None


def own_rows(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Give rows that came as the values of the columns' types.

    Raises
    ------
    SignatureError
        If a value is none of its column's.
    """
    reads = [(place, column) for place, column in enumerate(columns) if column.read]
    if not reads:
        return [tuple(row) for row in rows]
    found: list[tuple[Any, ...]] = []
    for number, row in enumerate(rows):
        values = list(row)
        for place, column in reads:
            values[place] = column.value(values[place], number)
        found.append(tuple(values))
    return found


def _within(low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if not low <= value <= high:
            message = f"{value} is beyond it: {low} to {high}"
            raise ValueError(message)
        return value

    return read


def _float32(value: Any) -> float:
    rounded = ctypes.c_float(value).value
    if math.isinf(rounded) and not math.isinf(value):
        message = f"{value} is beyond it"
        raise ValueError(message)
    return rounded


def _day(value: str) -> date:
    try:
        if _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:  # there is no 31st of February
        pass
    message = f"{value[:80]!r} is no day such as '2013-01-31'"
    raise ValueError(message)


def _decimal(digits: int, scale: int) -> Callable[[Any], Decimal]:
    def read(value: str) -> Decimal:
        if not _NUMBER.fullmatch(value):
            message = f"{value[:80]!r} is no number such as '19.90', as text"
            raise ValueError(message)
        number = Decimal(value).scaleb(scale, _EXACT)
        if number != int(number) or abs(number) >= 10**digits:
            message = f"{value!r} has more digits"
            raise ValueError(message)
        return number.scaleb(-scale, _EXACT)

    return read
