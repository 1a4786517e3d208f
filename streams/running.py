"""One run of a task: score what the stream gives, and move the offset, in one transaction."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from ..errors import ForesqlError, StreamError
from ..scoring.query import registry_path
from ..udfs.duckdb.macros import literal, quote
from .bookkeeping import HISTORY, TASKS, moment, refuse_transaction, transaction
from .consuming import Changes, explained, open_changes
from .metadata import ACTION, INSERT
from .query import RowQuery, read_row_query
from .relation import find_relation, listed
from .stream import Stream, check_fresh, find_stream
from .task import STAMPS, SUSPENDED, Task, find_task

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from ..scoring.pinning import Pinned

SUCCEEDED, FAILED, SKIPPED = "SUCCEEDED", "FAILED", "SKIPPED"
CHANGES, ALL = "changes", "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run did; the names are those of its history's columns.

    ``state`` is ``SUCCEEDED``, ``FAILED``, or ``SKIPPED`` where the stream had nothing, which is
    not kept. ``scored`` says whether it was the changes or all rows. The numbers of inserted,
    updated and deleted rows are the stream's.
    """

    run_id: str
    name: str
    state: str
    query_start_time: datetime
    completed_time: datetime
    scored: str | None = None
    model_name: str | None = None
    model_version: str | None = None
    rows_inserted: int = 0
    rows_updated: int = 0
    rows_deleted: int = 0
    rows_scored: int = 0
    error_message: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give the run as a row of the history."""
        return asdict(self)


class UnkeptError(StreamError):
    """A run failed, and the file takes not even that: there is no room, say."""


class _NothingToDoError(Exception):
    """Ends the transaction of a run whose stream is empty."""


@dataclass(frozen=True, slots=True)
class _Work:
    """A run that has begun."""

    task: Task
    stream: Stream
    query: RowQuery
    pinned: Pinned
    run_id: str
    started: datetime

    @property
    def stamps(self) -> dict[str, str]:
        """The columns that all predictions of the run share, as SQL."""
        pinned = self.pinned
        values = (
            pinned.model_name,
            pinned.model_version,
            pinned.scoring_hash,
            self.started.isoformat(sep=" "),
            self.run_id,
        )
        return {
            name: f"CAST({literal(value)} AS {type_})"
            for (name, type_), value in zip(STAMPS.items(), values, strict=True)
        }


def run_task(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    *,
    registry: str | Path | None = None,
    full: bool = False,
) -> Run:
    """Run a task once, whether it is suspended or not.

    The models' versions are found anew. Where they are others than those of the last run, or
    somebody else moved the stream's offset, all rows are scored; else those that changed.

    Parameters
    ----------
    connection
        A connection that may write, not within a transaction.
    name
        The task.
    registry
        Where the models are.
    full
        Score all rows in any case.

    Returns
    -------
    Run
        What it did. A failure is one too: nothing was written but its history, and the offset is
        where it was.

    Raises
    ------
    StreamError
        If there is no such task, the connection is in a transaction, or the file cannot be written
        to, so that a failure cannot be kept.
    """
    task = find_task(connection, name)
    run_id, started = uuid.uuid4().hex, moment()
    refuse_transaction(connection)
    try:
        work = _begin(connection, task, run_id, started, registry)
        with explained(work.stream), transaction(connection):
            return _run(connection, work, full=full)
    except _NothingToDoError:
        return Run(
            run_id=run_id,
            name=task.name,
            state=SKIPPED,
            query_start_time=started,
            completed_time=moment(),
        )
    except (ForesqlError, duckdb.Error) as error:
        return _note_failure(connection, task, run_id, started, error)


def _begin(
    connection: duckdb.DuckDBPyConnection,
    task: Task,
    run_id: str,
    started: datetime,
    registry: str | Path | None,
) -> _Work:
    stream = find_stream(connection, task.stream)
    check_fresh(connection, stream)
    if find_relation(connection, task.target) is None:
        message = (
            f"The table {task.target}, where predictions go, is gone. Drop the task {task.name} "
            "and make it again, which scores all rows."
        )
        raise StreamError(message)
    path = registry_path(connection, registry)
    query = read_row_query(connection, task.query, stream.names, path)
    pinned = query.pin(path)
    pinned.register(connection, path)
    return _Work(task, stream, query, pinned, run_id, started)


def _run(connection: duckdb.DuckDBPyConnection, work: _Work, *, full: bool) -> Run:
    changes = open_changes(connection, work.stream)
    task = work.task
    # Opening the changes counted one move, which no other run can have done too.
    before = (changes.stream.stream_id, changes.stream.moves - 1)
    same = (task.stream_id, task.stream_moves) == before
    whole = full or not same or task.scoring_hash != work.pinned.scoring_hash
    if not whole and changes.rows == 0:
        raise _NothingToDoError
    score = _score_all if whole else _score_changes
    rows = score(connection, work, changes)
    changes.move(connection)
    run = Run(
        run_id=work.run_id,
        name=task.name,
        state=SUCCEEDED,
        query_start_time=work.started,
        completed_time=moment(),
        scored=ALL if whole else CHANGES,
        model_name=work.pinned.model_name,
        model_version=work.pinned.model_version,
        rows_inserted=changes.inserted,
        rows_updated=changes.updated,
        rows_deleted=changes.deleted,
        rows_scored=rows,
    )
    connection.execute(
        f"UPDATE {TASKS} SET failures = 0, scoring_hash = ?, stream_id = ?, stream_moves = ? "
        "WHERE name = ?",
        [work.pinned.scoring_hash, *before[:1], changes.stream.moves, task.name],
    )
    _keep(connection, run)
    return run


def _score_all(connection: duckdb.DuckDBPyConnection, work: _Work, _changes: Changes) -> int:
    connection.execute(f"DELETE FROM {work.task.target.sql}")
    return _add_scores(connection, work, work.stream.table.sql)


def _score_changes(connection: duckdb.DuckDBPyConnection, work: _Work, changes: Changes) -> int:
    """Take out what was said of the changed keys, and score the rows that are there now.

    DuckDB writes that several times faster than a MERGE that updates rows all over the table.
    """
    keys = zip(work.task.target_key, work.stream.key, strict=True)
    matches = " AND ".join(f"p.{quote(own)} = c.{quote(theirs)}" for own, theirs in keys)
    connection.execute(
        f"DELETE FROM {work.task.target.sql} AS p USING {changes.table} AS c WHERE {matches}"
    )
    there = f"WHERE {quote(ACTION)} = {literal(INSERT)}"
    rows = f"(SELECT {listed(work.stream.names)} FROM {changes.table} {there})"
    return _add_scores(connection, work, rows)


def _add_scores(connection: duckdb.DuckDBPyConnection, work: _Work, rows: str) -> int:
    outputs = ", ".join(f"q.{quote(name)}" for name in work.query.outputs)
    stored = listed([*work.query.outputs, *work.stamps])
    [(added,)] = connection.execute(
        f"INSERT INTO {work.task.target.sql} ({stored}) "
        f"SELECT {outputs}, {', '.join(work.stamps.values())} FROM (\n{work.query.over(rows)}) AS q"
    ).fetchall()
    return added


def _note_failure(
    connection: duckdb.DuckDBPyConnection,
    task: Task,
    run_id: str,
    started: datetime,
    error: Exception,
) -> Run:
    """Keep that a run failed, and suspend the task where that was once too often."""
    run = Run(
        run_id=run_id,
        name=task.name,
        state=FAILED,
        query_start_time=started,
        completed_time=moment(),
        error_message=str(error),
    )
    try:
        _count_failure(connection, task, run)
    except duckdb.Error as also:
        message = (
            f"The task {task.name} failed, and that cannot be kept in {HISTORY} either: {error}\n"
            "  What to do: make room on the disk, and see that this user may write to the file. "
            "The offset is where it was."
        )
        raise UnkeptError(message) from also
    return run


def _count_failure(connection: duckdb.DuckDBPyConnection, task: Task, run: Run) -> None:
    most = task.suspend_task_after_num_failures
    suspends = f"{most} > 0 AND failures + 1 >= {most}"
    with transaction(connection):
        connection.execute(
            f"UPDATE {TASKS} SET failures = failures + 1, "
            f"state = CASE WHEN {suspends} THEN '{SUSPENDED}' ELSE state END, "
            f"last_suspended_reason = CASE WHEN {suspends} THEN ? ELSE last_suspended_reason END "
            "WHERE name = ?",
            [f"{most} failures in a row", task.name],
        )
        _keep(connection, run)


def _keep(connection: duckdb.DuckDBPyConnection, run: Run) -> None:
    row = run.as_dict()
    connection.execute(
        f"INSERT INTO {HISTORY} ({listed(list(row))}) VALUES ({', '.join('?' * len(row))})",
        list(row.values()),
    )
