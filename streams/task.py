"""What a stream task is, and where its definition and state are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import StreamError
from .bookkeeping import TASKS, read_rows
from .relation import Name

if TYPE_CHECKING:
    from datetime import datetime

    import duckdb

STARTED, SUSPENDED = "started", "suspended"
MODEL_NAME, MODEL_VERSION, SCORING_HASH = "model_name", "model_version", "scoring_hash"
SCORED_AT, RUN_ID = "scored_at", "run_id"
STAMPS = {
    MODEL_NAME: "VARCHAR",
    MODEL_VERSION: "VARCHAR",
    SCORING_HASH: "VARCHAR",
    SCORED_AT: "TIMESTAMP",
    RUN_ID: "VARCHAR",
}
"""Columns that each prediction carries besides the query's own, and their types."""
FAILURES = 3
"""After so many failures in a row a task suspends itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task that scores what a stream gives: its definition, and the state that it was read at.

    Attributes
    ----------
    name
        The task.
    stream, target
        What it consumes, and the table of predictions.
    query
        The scoring query.
    target_key
        The predictions' columns that tell rows apart, in the order of the stream's key.
    state
        ``started``, or ``suspended``.
    suspend_task_after_num_failures
        After so many failures in a row it suspends itself; 0 for never.
    failures
        How many there were in a row.
    created_on, last_suspended_reason
        When it was made, UTC, and why it was suspended last.
    scoring_hash, stream_id, stream_moves
        What its last run scored by, and the stream and the offset up to which; None before it.
    """

    name: str
    stream: Name
    target: Name
    query: str
    target_key: tuple[str, ...]
    state: str
    suspend_task_after_num_failures: int
    failures: int
    created_on: datetime
    last_suspended_reason: str | None
    scoring_hash: str | None
    stream_id: str | None
    stream_moves: int | None


def load_tasks(connection: duckdb.DuckDBPyConnection) -> list[Task]:
    """Read all tasks of the database, by name."""
    return [_task(row) for row in read_rows(connection, TASKS, "ORDER BY name")]


def find_task(connection: duckdb.DuckDBPyConnection, name: str) -> Task:
    """Find a task by its name.

    Raises
    ------
    StreamError
        If there is none.
    """
    tasks = load_tasks(connection)
    for task in tasks:
        if task.name.casefold() == name.casefold():
            return task
    there = ", ".join(task.name for task in tasks) or "none"
    message = f"There is no task {name}. The database has: {there}."
    raise StreamError(message)


def _task(row: dict[str, Any]) -> Task:
    return Task(
        stream=Name(row.pop("stream_schema"), row.pop("stream_name")),
        target=Name(row.pop("target_schema"), row.pop("target_name")),
        target_key=tuple(row.pop("target_key")),
        **row,
    )
