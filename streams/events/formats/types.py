"""The types that an event's columns may have, in SQL's words and in Arrow's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from ....errors import StreamError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckdb.sqltypes import DuckDBPyType

_PLAIN: Mapping[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "varchar": pa.string(),
    "blob": pa.binary(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
}
_NAMES = {type_: name.upper() for name, type_ in _PLAIN.items()}
_KNOWN = (
    "BOOLEAN, TINYINT, SMALLINT, INTEGER, BIGINT, FLOAT, DOUBLE, DECIMAL(p, s), VARCHAR, BLOB, "
    "DATE, TIMESTAMP, TIMESTAMPTZ, and STRUCT(…) and …[] of them"
)


def schema_of(columns: Mapping[str, str]) -> pa.Schema:
    """Read the types of columns as DuckDB reads them.

    Raises
    ------
    StreamError
        If a text is no type, or a type that events cannot have.
    """
    with duckdb.connect() as connection:
        return pa.schema(
            [(name, _read_type(name, text, connection)) for name, text in columns.items()]
        )


def _read_type(name: str, text: str, connection: duckdb.DuckDBPyConnection) -> pa.DataType:
    try:
        type_ = _arrow_type(connection.sqltype(text))
    except duckdb.Error:
        type_ = None
    if type_ is None:
        message = f"Column {name!r}: {text} is no type of an event's column; there are {_KNOWN}."
        raise StreamError(message)
    return type_


def _arrow_type(type_: DuckDBPyType) -> pa.DataType | None:
    """Translate a type; None for what events cannot have."""
    if plain := _PLAIN.get(type_.id):
        return plain if str(type_).lower() == type_.id else None  # JSON is a VARCHAR by its id
    match type_.id:
        case "decimal":
            digits = dict(type_.children)
            return pa.decimal128(digits["precision"], digits["scale"])
        case "list":
            element = _arrow_type(type_.children[0][1])
            return element and pa.list_(element)
        case "struct":
            members = [(name, _arrow_type(child)) for name, child in type_.children]
            return pa.struct(members) if all(each for _, each in members) else None
        case _:
            return None


def sql_type(type_: pa.DataType) -> str:
    """Name a type in SQL's words."""
    if pa.types.is_struct(type_):
        return f"STRUCT({', '.join(f'{each.name} {sql_type(each.type)}' for each in type_)})"
    if pa.types.is_list(type_):
        return f"{sql_type(type_.value_type)}[]"
    if pa.types.is_decimal(type_):
        return f"DECIMAL({type_.precision}, {type_.scale})"
    return _NAMES[type_]
