"""The DDL of a model's table, and its rows as INSERTs or as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import UnsupportedModelError
from .builder import USE_THE_UDF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from .model_tables import ModelTable
    from .target import Target

    Write = Callable[[Any], str]

_BATCH_BYTES = 2**20
"""Letters of an INSERT, where the engine would take more."""
_CHUNK = 65_536


def column_list(table: ModelTable, target: Target) -> str:
    """Write the names and types of a table's columns."""
    return ", ".join(
        f"{target.quoted(field.name)} {_type(field.type, has_null, table, target)}"
        + target.storage.key * (field.name == table.key)
        for field, has_null in zip(
            table.data.schema, [bool(c.null_count) for c in table.data.columns], strict=True
        )
    )


def _type(kind: pa.DataType, has_null: bool, table: ModelTable, target: Target) -> str:
    storage = target.storage
    if pa.types.is_list(kind):
        if storage.list_type is None:
            raise UnsupportedModelError(
                f"table {table.name}",
                f"it has lists, which {target.title} lacks.",
                "choose another strategy (strategy=, or --strategy).",
            )
        return storage.list_type.replace("{}", _type(kind.value_type, False, table, target))
    written = {pa.int64(): storage.integer, pa.float64(): storage.double}.get(kind, storage.text)
    return storage.nullable.replace("{}", written) if has_null else written


def too_large(reason: str) -> UnsupportedModelError:
    """Say that files are needed."""
    return UnsupportedModelError(
        "form 'tables'",
        f"{reason}, too much for one text.",
        "let it write files: foresql.compile_files, or --output FOLDER.",
    )


def cells(table: ModelTable) -> int:
    """Count the rows of a table, and what is in their lists."""
    lists = [c for c in table.data.columns if pa.types.is_list(c.type)]
    return len(table.data) + sum(int(pc.sum(pc.list_value_length(c)).as_py() or 0) for c in lists)


def insert_statements(table: ModelTable, name: str, target: Target) -> Iterator[str]:
    """Write a table's rows as INSERTs, each of which the engine takes."""
    opening = f"INSERT INTO {name} VALUES\n"
    most = min(_BATCH_BYTES, target.limits.bytes // 2) - len(opening.encode())
    batch: list[str] = []
    size = 0
    for row in _rows(table, target):
        length = len(row.encode()) + 2
        if length > target.limits.bytes - len(opening.encode()):
            raise too_large(f"a row of {table.name} has {length:,} bytes as text")
        if batch and (size + length > most or len(batch) == target.storage.rows):
            yield opening + ",\n".join(batch)
            batch, size = [], 0
        batch.append(row)
        size += length
    if batch:
        yield opening + ",\n".join(batch)


def _rows(table: ModelTable, target: Target) -> Iterator[str]:
    writers = [_literal_of(field.type, table, target) for field in table.data.schema]
    for cells in _cells(table, writers):
        yield f"({', '.join(cells)})"


def _cells(table: ModelTable, writers: list[Write]) -> Iterator[tuple[str, ...]]:
    for batch in table.data.to_batches(max_chunksize=_CHUNK):
        columns = [
            [write(value) for value in column.to_pylist()]
            for write, column in zip(writers, batch.columns, strict=True)
        ]
        yield from zip(*columns, strict=True)


def _literal_of(kind: pa.DataType, table: ModelTable, target: Target) -> Write:
    """Give what writes a value of a column as a literal."""
    if pa.types.is_list(kind):
        if target.storage.list_numbers and kind.value_type != pa.string():
            return _numbers_of(kind, table, target)
        write = _literal_of(kind.value_type, table, target)
        values = target.storage.list_values
        return lambda value: (
            "NULL" if value is None else values.replace("{}", ", ".join(map(write, value)))
        )
    if kind == pa.int64():
        return lambda value: "NULL" if value is None else str(value)
    if kind == pa.float64():
        return lambda value: "NULL" if value is None else _number(value, table, target)
    return lambda value: "NULL" if value is None else target.message(value)


def _numbers_of(kind: pa.DataType, table: ModelTable, target: Target) -> Write:
    """Give what writes a list of numbers as a text with a type."""
    written = _type(kind, False, table, target)
    template = target.storage.list_numbers.replace("{type}", written)
    before, _, after = template.partition("{}")
    return lambda value: (
        "NULL" if value is None else f"{before}{', '.join(map(repr, value))}{after}"
    )


def _number(value: float, table: ModelTable, target: Target) -> str:
    written = target.literal(value)
    if written is None:
        raise UnsupportedModelError(
            f"table {table.name}",
            f"{target.title} has no number {value!r}.",
            USE_THE_UDF,
        )
    return written


def write_data(table: ModelTable, path: Path, target: Target) -> None:
    """Write a table's rows to a file, as the target reads it."""
    if target.storage.suffix == "parquet":
        pq.write_table(table.data, path, compression="zstd", store_schema=False)
        return
    writers = [_cell_of(field.type, table, target) for field in table.data.schema]
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(",".join(cells) + "\n" for cells in _cells(table, writers))


def write_seed(table: ModelTable, path: Path, target: Target) -> None:
    """Write a table's rows as a seed of dbt, whose types stand in its properties."""
    writers = [_seed_cell(field.type, table, target) for field in table.data.schema]
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(map(_quoted, table.data.column_names)) + "\n")
        file.writelines(",".join(cells) + "\n" for cells in _cells(table, writers))


def _seed_cell(kind: pa.DataType, table: ModelTable, target: Target) -> Write:
    write = _cell_of(kind, table, target)
    return lambda value: "" if value is None else write(value)


def _cell_of(kind: pa.DataType, table: ModelTable, target: Target) -> Write:
    """Give what writes a value of a column into a CSV file: numbers bare, all else in quotes."""
    missing = target.storage.null_in_file
    if pa.types.is_list(kind):
        is_text = kind.value_type == pa.string()
        write = _element if is_text else _cell_of(kind.value_type, table, target)
        within = target.storage.list_in_file
        return lambda value: (
            missing if value is None else _quoted(within.format(",".join(map(write, value))))
        )
    if kind == pa.int64():
        return lambda value: missing if value is None else str(value)
    if kind == pa.float64():
        return lambda value: missing if value is None else _bare(value, table, target)
    return lambda value: missing if value is None else _quoted(value)


def _bare(value: float, table: ModelTable, target: Target) -> str:
    _number(value, table, target)
    return repr(value)


def _element(text: str) -> str:
    """Quote a text in a list."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
