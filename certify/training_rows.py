"""What a card says of the rows that a model was trained on."""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def describe_rows(table: pa.Table) -> dict[str, Any]:
    """Say for a card how many rows there were, which, and between what their values lie."""
    columns = {name: _profile(table.column(name)) for name in table.column_names}
    return {"rows": len(table), "sha256": _fingerprint(table), "columns": columns}


def _fingerprint(table: pa.Table) -> str:
    """Hash a table's schema and values: equal tables have equal fingerprints."""
    sink = pa.BufferOutputStream()
    whole = table.combine_chunks().replace_schema_metadata(None)
    with pa.ipc.new_stream(sink, whole.schema) as writer:
        writer.write_table(whole)
    return hashlib.sha256(sink.getvalue()).hexdigest()


def _profile(column: pa.ChunkedArray) -> dict[str, Any]:
    """Count what is missing, and find the ends of numbers and times; infinite ones are none."""
    missing = column.null_count
    if pa.types.is_floating(column.type):
        missing += pc.sum(pc.is_nan(column)).as_py() or 0
        column = column.filter(pc.is_finite(column))
    is_time = pa.types.is_timestamp(column.type)
    if not (is_time or pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return {"missing": missing}
    ends = pc.min_max(column).as_py()
    if is_time:
        texts = {name: end and end.isoformat(sep=" ") for name, end in ends.items()}
        return {"missing": missing, "type": "timestamp", **texts}
    # A zero has one spelling, so that equal frames give equal cards.
    ends = {name: None if end is None else end + 0 for name, end in ends.items()}
    return {"missing": missing, **ends}
