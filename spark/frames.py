"""Frames of Spark: found by a query's table, their columns, and types that DuckDB knows too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..errors import RegistrationError, SignatureError
from ..scoring.spark import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

_READ = {
    *("tinyint", "smallint", "int", "bigint", "float", "double", "decimal", "boolean"),
    *("string", "binary", "date", "timestamp", "timestamp_ntz", "array", "struct", "map"),
    *("char", "varchar"),
}
"""Spark's types that mean the same in DuckDB."""
_WIDER = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
    # What DuckDB makes of a column of NULLs when it stores it.
    pa.null(): pa.int32(),
}
"""What becomes of DuckDB's types that Spark has not."""


def find_table(session: Any, parts: Iterable[str]) -> Any:
    """Find the table or view that a query names.

    Raises
    ------
    RegistrationError
        If the session has none.
    SignatureError
        If two of its columns differ in case alone.
    """
    name = ".".join(quoted(part) for part in parts)
    try:
        frame = session.table(name)
        columns = [str(column) for column in frame.columns]
    except Exception as error:
        if "TABLE_OR_VIEW_NOT_FOUND" not in str(error):
            raise
        message = (
            f"The session has no table or view {name}. Make one: "
            f"frame.createOrReplaceTempView({name.strip('`')!r})."
        )
        raise RegistrationError(message) from error
    folded = [column.casefold() for column in columns]
    twice = sorted({column for column in columns if folded.count(column.casefold()) > 1})
    if twice:
        message = f"{name} has columns that differ in case alone: {twice}. Rename them in a view."
        raise SignatureError(message)
    return frame


def only_columns(frame: Any, names: Iterable[str]) -> Any:
    """Leave out the columns that a query does not read, so that Spark does not read them either.

    Raises
    ------
    SignatureError
        If one is of a type that DuckDB has not.
    """
    wanted = {name.casefold() for name in names}
    fields = [field for field in frame.schema.fields if str(field.name).casefold() in wanted]
    for field in fields:
        kind = str(field.dataType.simpleString()).split("(")[0].split("<")[0].split(" ")[0]
        if kind not in _READ:
            message = (
                f"Column {field.name!r} is {field.dataType.simpleString()}, which DuckDB does not "
                "read. Leave it out of the query, or cast it in a view of Spark."
            )
            raise SignatureError(message)
    return frame.select(*[frame[quoted(str(field.name))] for field in fields])


def no_rows(frame: Any, time_zone: str) -> pa.Table:
    """Give a table without rows, with the columns that workers get."""
    from pyspark.sql.pandas.types import to_arrow_schema

    return to_arrow_schema(frame.schema, timezone=time_zone).empty_table()


def spark_schema(schema: pa.Schema) -> pa.Schema:
    """Say which types the columns of a query get in Spark.

    Raises
    ------
    SignatureError
        If Spark has no such type.
    """
    fields: list[pa.Field] = []
    for field in schema:
        kind = _spark_type(field.type)
        if kind is None:
            message = (
                f"The query's column {field.name!r} is {field.type}, which Spark has not. Cast it, "
                "to VARCHAR for example."
            )
            raise SignatureError(message)
        fields.append(pa.field(field.name, kind))
    return pa.schema(fields)


def _spark_type(kind: pa.DataType) -> pa.DataType | None:
    """Give the type that Spark has for one of DuckDB's; None where it has none."""
    types = pa.types
    if kind in _WIDER:
        return _WIDER[kind]
    if types.is_dictionary(kind):
        return _spark_type(kind.value_type)
    if types.is_list(kind) or types.is_fixed_size_list(kind):
        inner = _spark_type(kind.value_type)
        return None if inner is None else pa.list_(inner)
    if types.is_struct(kind):
        inner = [(field.name, _spark_type(field.type)) for field in kind]
        return None if any(each is None for _, each in inner) else pa.struct(inner)
    if types.is_map(kind):
        key, item = _spark_type(kind.key_type), _spark_type(kind.item_type)
        return None if key is None or item is None else pa.map_(key, item)
    plain = (types.is_signed_integer, types.is_boolean, types.is_date32, types.is_decimal128)
    more = (types.is_string, types.is_binary, types.is_float32, types.is_float64)
    is_time = types.is_timestamp(kind) and kind.unit == "us"
    return kind if is_time or any(is_kind(kind) for is_kind in (*plain, *more)) else None
