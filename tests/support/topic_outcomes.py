"""Batches for sinks that publish messages."""

from datetime import datetime

import pyarrow as pa

from foresql.streams.events.dead import dead_schema
from foresql.streams.events.records import Move, Outcome

STAMPS = {"model_name": "failure", "model_version": "2", "run_id": "run"}


def outcome_of(
    schema: pa.Schema,
    moves: dict[str, tuple[int | None, int]],
    dead: int | None = None,
    note: str | None = None,
    payload: bytes = b"\xff",
) -> Outcome:
    """Each partition's events behind the one offset, up to the other, in a schema's columns."""
    rows = [
        {"event_partition": name, "event_offset": offset, "p": offset / 7, "note": note, **STAMPS}
        for name, (before, after) in moves.items()
        for offset in range((before or 0) + 1, after + 1)
        if offset != dead
    ]
    letters = [
        {
            "event_partition": name,
            "event_offset": dead,
            "published": datetime(2026, 1, 1),  # noqa: DTZ001 - UTC, as all columns
            "step": "decode",
            "reason": "no JSON",
            "payload": payload,
        }
        for name in (moves if dead is not None else ())
    ]
    return Outcome(
        moves={name: Move(*move) for name, move in moves.items()},
        events={},
        predictions=pa.Table.from_pylist(rows, schema=schema),
        dead=pa.Table.from_pylist(letters, schema=dead_schema("BIGINT")),
        tables={},
        forgotten={},
    )
