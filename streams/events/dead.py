"""Dead letters: what could not be read or scored, as rows for the sink."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from .definition import OFFSET, PARTITION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .records import Dead

SIZE, DECODE, TIME, LATE, SCORE, SINK = "size", "decode", "time", "late", "score", "sink"
KEY, ALERT = "key", "alert"
"""The steps at which an event can end; one that ends at ``alert`` has its prediction."""
TIMESTAMP = pa.timestamp("us")
"""Times are UTC, in columns without a zone, as DuckDB's TIMESTAMP."""


def offset_arrow_type(offset_type: str) -> pa.DataType:
    """Give the Arrow type of a source's offsets, which are BIGINT or VARCHAR."""
    return pa.int64() if offset_type == "BIGINT" else pa.string()


def dead_schema(offset_type: str) -> pa.Schema:
    """Give the columns of dead letters: where each stood, at which step it ended, and why."""
    return pa.schema(
        [
            pa.field(PARTITION, pa.string(), nullable=False),
            pa.field(OFFSET, offset_arrow_type(offset_type), nullable=False),
            pa.field("published", TIMESTAMP),
            pa.field("step", pa.string(), nullable=False),
            pa.field("reason", pa.string(), nullable=False),
            pa.field("payload", pa.binary()),
        ]
    )


def dead_table(dead: Sequence[Dead], offset_type: str) -> pa.Table:
    """Make rows of dead letters."""
    rows = [
        (
            record.partition,
            record.offset,
            round(record.published * 1e6),
            step,
            reason.replace(
                "\0", "\\0"
            ),  # an error may quote a value, and Postgres has no such text
            record.payload,
        )
        for record, step, reason in dead
    ]
    schema = dead_schema(offset_type)
    columns = zip(*rows, strict=True) if rows else [[] for _ in schema]
    return pa.Table.from_arrays(
        [pa.array(column, type_) for column, type_ in zip(columns, schema.types, strict=True)],
        schema=schema,
    )
