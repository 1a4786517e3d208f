"""Making, listing, suspending and dropping stream tasks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import duckdb

from ..errors import StreamError, UnsupportedModelError
from ..scoring.query import registry_path
from ..udfs.duckdb.macros import quote
from .bookkeeping import HISTORY, TASKS, make_tables, moment, read_rows, transaction
from .query import RowQuery, read_row_query, same_name
from .relation import Name, find_relation, read_name
from .stream import Stream, check_fresh, find_stream
from .task import FAILURES, STAMPS, STARTED, SUSPENDED, Task, find_task, load_tasks

if TYPE_CHECKING:
    from pathlib import Path

_NAME = re.compile(r"\w+", re.ASCII)


def create_task(  # noqa: PLR0913 - keyword options of one call
    connection: duckdb.DuckDBPyConnection,
    name: str,
    *,
    stream: str,
    query: str,
    into: str,
    suspend_task_after_num_failures: int = FAILURES,
    registry: str | Path | None = None,
) -> Task:
    """Make a task that scores a stream's changes; it is suspended until it is resumed.

    Parameters
    ----------
    connection
        A connection that may write.
    name
        What the task is called.
    stream
        The stream that it alone consumes.
    query
        One SELECT over the stream's table, which gives its key: each row is scored when it changes.
    into
        The table of predictions, which is made, empty. The first run scores all rows.
    suspend_task_after_num_failures
        After so many failures in a row it suspends itself; 0 for never.
    registry
        Where the models are.

    Raises
    ------
    UnsupportedModelError
        If the query's rows depend on more than the changed row.
    StreamError
        If there is no such stream, another task consumes it, or a name is taken.
    """
    if not _NAME.fullmatch(name):
        message = f"{name[:80]!r} is no name of a task. Use letters, digits and underscores."
        raise StreamError(message)
    found = find_stream(connection, stream)
    check_fresh(connection, found)
    path = registry_path(connection, registry)
    read = read_row_query(connection, query, found.names, path)
    key = _check(read, found)
    _check_free(connection, name, found)
    read.pin(path).register(connection, path)
    with transaction(connection):
        make_tables(connection)
        target = _make_target(connection, into, read, found)
        connection.execute(
            f"INSERT INTO {TASKS} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, NULL, NULL, NULL, NULL)",
            [
                name,
                *found.name,
                read.text,
                *target,
                list(key),
                SUSPENDED,
                suspend_task_after_num_failures,
                moment(),
            ],
        )
    return find_task(connection, name)


def _check(query: RowQuery, stream: Stream) -> tuple[str, ...]:
    """Check that the query reads the stream's table and gives its key; give the outputs of that."""
    if not same_name(query.table, stream.table):
        raise UnsupportedModelError(
            f"FROM {'.'.join(query.table)}",
            f"the stream {stream.name} has the changes of {stream.table}.",
            f"read {stream.table}, or make a stream on the other table.",
        )
    taken = [name for name in query.outputs if name.casefold() in STAMPS or _is_ours(name)]
    if taken:
        raise UnsupportedModelError(
            f"the column {taken[0]!r}",
            "each stored prediction has a column of that name already.",
            "give the query's column another name by AS.",
        )
    given = {column.casefold(): output for output, column in query.plain.items()}
    lacking = [name for name in stream.key if name.casefold() not in given]
    if lacking:
        raise UnsupportedModelError(
            f"the key {lacking[0]!r}",
            "the query does not give it as it is, so nobody knows whose prediction a row is.",
            f"SELECT {query.row}.{lacking[0]} too.",
        )
    return tuple(given[name.casefold()] for name in stream.key)


def _is_ours(name: str) -> bool:
    return name.casefold().startswith("foresql_")


def _check_free(connection: duckdb.DuckDBPyConnection, name: str, stream: Stream) -> None:
    for task in load_tasks(connection):
        if task.name.casefold() == name.casefold():
            message = (
                f"There is a task {name} already. Drop it (foresql task drop), or name another."
            )
            raise StreamError(message)
        if task.stream.is_same(stream.name):
            message = (
                f"The task {task.name} consumes the stream {stream.name}, and one of two would "
                "miss what the other took. Make a stream of its own for each."
            )
            raise StreamError(message)


def _make_target(
    connection: duckdb.DuckDBPyConnection, into: str, query: RowQuery, stream: Stream
) -> Name:
    target = read_name(connection, into)
    if find_relation(connection, target) is not None:
        message = (
            f"There is a table {target} already, and a task makes its own. Name another one, or "
            "drop it."
        )
        raise StreamError(message)
    outputs = ", ".join(f"q.{quote(name)}" for name in query.outputs)
    stamps = ", ".join(f"CAST(NULL AS {type_}) AS {name}" for name, type_ in STAMPS.items())
    try:
        connection.execute(
            f"CREATE TABLE {target.sql} AS SELECT {outputs}, {stamps} "
            f"FROM (\n{query.over(stream.table.sql)}) AS q LIMIT 0"
        )
    except duckdb.Error as error:
        message = f"The query cannot be run: {error}\n  What to do: run it in DuckDB first."
        raise StreamError(message) from error
    return target


def drop_task(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Drop a task. Its predictions, its history and its stream stay.

    Raises
    ------
    StreamError
        If there is none.
    """
    task = find_task(connection, name)
    connection.execute(f"DELETE FROM {TASKS} WHERE name = ?", [task.name])


def suspend_task(connection: duckdb.DuckDBPyConnection, name: str) -> Task:
    """Let no further run start by itself.

    Raises
    ------
    StreamError
        If there is no such task.
    """
    return _set_state(connection, name, SUSPENDED, "by hand")


def resume_task(connection: duckdb.DuckDBPyConnection, name: str) -> Task:
    """Let runs start by themselves, and count failures anew.

    Raises
    ------
    StreamError
        If there is no such task.
    """
    return _set_state(connection, name, STARTED, None)


def _set_state(
    connection: duckdb.DuckDBPyConnection, name: str, state: str, reason: str | None
) -> Task:
    task = find_task(connection, name)
    connection.execute(
        f"UPDATE {TASKS} SET state = ?, failures = 0, last_suspended_reason = ? WHERE name = ?",
        [state, reason, task.name],
    )
    return find_task(connection, name)


def list_tasks(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Describe all tasks of the database, with the words of Snowflake's ``SHOW TASKS``."""
    return [_described(task) for task in load_tasks(connection)]


def show_task(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, Any]:
    """Describe one task.

    Raises
    ------
    StreamError
        If there is none.
    """
    return _described(find_task(connection, name))


def _described(task: Task) -> dict[str, Any]:
    return {
        "created_on": task.created_on,
        "name": task.name,
        "state": task.state,
        "condition": f"SYSTEM$STREAM_HAS_DATA('{task.stream}')",
        "stream": str(task.stream),
        "into": str(task.target),
        "key": list(task.target_key),
        "definition": task.query,
        "suspend_task_after_num_failures": task.suspend_task_after_num_failures,
        "failures": task.failures,
        "last_suspended_reason": task.last_suspended_reason,
    }


def task_history(
    connection: duckdb.DuckDBPyConnection, name: str | None = None, *, limit: int = 100
) -> list[dict[str, Any]]:
    """Give the last runs, the newest first, with the words of Snowflake's ``TASK_HISTORY``."""
    return read_rows(
        connection,
        HISTORY,
        "WHERE ? IS NULL OR lower(name) = lower(?) ORDER BY query_start_time DESC, run_id LIMIT ?",
        [name, name, limit],
    )
