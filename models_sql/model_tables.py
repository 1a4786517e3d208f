"""Tables that belong to a model, where its query reads more than the rows that it scores."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from typing import Any

_LONGEST = 56
"""Bytes of a name: Postgres cuts names of more than 63, and a suffix may follow."""
_DIGITS = 10


@dataclass(frozen=True, slots=True)
class ModelTable:
    """A table that must be there before the query runs.

    Attributes
    ----------
    name
        Its name, without quotes.
    data
        Its rows: columns of int64, float64 and text, or lists of those where the target has lists.
        No number is NaN.
    key
        A column of whole numbers by which its rows are looked up, one by one: the primary key.
    """

    name: str
    data: pa.Table
    key: str | None = None


def table_name(prefix: str, purpose: str, index: int, data: pa.Table) -> str:
    """Name a table after what is in it.

    So a table never changes under a query that reads it, whatever else is compiled later.
    """
    ending = f"_{purpose}{index}_{fingerprint(data)}"
    room = max(_LONGEST - len(ending.encode()), 0)
    return prefix.encode()[:room].decode(errors="ignore") + ending


def fingerprint(data: pa.Table) -> str:
    """Give digits that stand for the names, types and rows of a table."""
    digest = hashlib.sha256()
    for field, column in zip(data.schema, data.columns, strict=True):
        digest.update(f"{field.name}\0{field.type}\0{len(column)}\0".encode())
        _feed(digest, column.combine_chunks())
    return digest.hexdigest()[:_DIGITS]


def _feed(digest: Any, values: Any) -> None:
    """Read an array, and the values of its lists, into a digest."""
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks) if values.num_chunks else values.cast(values.type)
    digest.update(pc.is_null(values).to_numpy(zero_copy_only=False).tobytes())
    if pa.types.is_list(values.type):
        lengths = pc.fill_null(pc.list_value_length(values), 0)
        digest.update(lengths.to_numpy(zero_copy_only=False).tobytes())
        _feed(digest, pc.list_flatten(values))
    elif pa.types.is_string(values.type):
        lengths = pc.fill_null(pc.binary_length(values), 0)
        digest.update(lengths.to_numpy(zero_copy_only=False).tobytes())
        digest.update("".join(each or "" for each in values.to_pylist()).encode())
    else:
        digest.update(pc.fill_null(values, 0).to_numpy(zero_copy_only=False).tobytes())
