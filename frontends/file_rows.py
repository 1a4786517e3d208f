"""Rows for a model file: its columns in its order, with the categories that the file holds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import SignatureError
from .frames import CANONICAL, Training, pick_columns, read_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..ir import Column
    from .model_file import ModelFile


def rows_for(like: object, file: ModelFile) -> pa.Table:
    """Read a frame as rows of the model.

    Raises
    ------
    SignatureError, UnsupportedModelError
        If it lacks a column, or does not tell which columns hold the categories.
    """
    table = _with_categories(read_frame(like)[0])
    table = table.select(pick_columns(table.column_names, file))
    return typed(table, file.columns(table))


def no_rows_for(file: ModelFile) -> pa.Table:
    """Make a table of the columns that the file knows, without rows."""
    columns = file.columns(None)
    empty = {column.name: pa.array([], CANONICAL[column.type]) for column in columns}
    return typed(pa.table(empty), columns)


def typed(table: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """Give categories as the file holds them, and all numbers 64 bits, as SQL's have."""
    arrays = [_typed(table.column(column.name).combine_chunks(), column) for column in columns]
    return pa.table(arrays, names=[column.name for column in columns])


def training_of(rows: pa.Table, file: ModelFile, *, for_library: bool) -> Training:
    """Describe the columns; ``for_library`` if the library will be shown such rows, by pandas.

    The library is taken to read the numbers of an array or of pandas, not of Arrow.
    """
    frame: Any = rows.to_pandas() if for_library else rows
    return replace(Training.of(frame, file), is_arrow=False)


def _with_categories(table: pa.Table) -> pa.Table:
    """Give back the categories that pandas wrote to Parquet, where Arrow keeps those of text."""
    described = (table.schema.pandas_metadata or {}).get("columns", [])
    wanted = {each.get("name") for each in described if each.get("pandas_type") == "categorical"}
    for index, field in enumerate(table.schema):
        if field.name in wanted and not pa.types.is_dictionary(field.type):
            table = table.set_column(index, field.name, table[index].dictionary_encode())
    return table


def _typed(values: Any, column: Column) -> Any:
    kind = values.type
    try:
        if column.categories is not None:
            return _coded(values, column)
        if pa.types.is_decimal(kind):
            # Arrow's own cast from decimal is not correctly rounded; reading its text is.
            return values.cast(pa.string()).cast(pa.float64())
        if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
            whole = pa.bool_() if pa.types.is_boolean(kind) else pa.int64()
            return values.cast(pa.float64() if values.null_count else whole)
        return values.cast(pa.float64()) if pa.types.is_floating(kind) else values
    except pa.ArrowInvalid as error:
        message = f"Column {column.name!r} does not fit the model: {error}"
        raise SignatureError(message) from error


def _coded(values: Any, column: Column) -> Any:
    """Code the values by the file's categories; others are missing."""
    levels = pa.array(column.categories, CANONICAL[column.type])
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    codes = pc.index_in(values.cast(levels.type), value_set=levels)
    return pa.DictionaryArray.from_arrays(codes, levels)
