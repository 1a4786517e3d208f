"""The tables in which streams, tasks and their history are kept: schema ``foresql`` of the file."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import StreamError
from ..udfs.duckdb.macros import quote

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import duckdb

SCHEMA = "foresql"
STREAMS, TASKS, HISTORY = (f"{SCHEMA}.{name}" for name in ("streams", "tasks", "task_history"))
_TABLES = (
    f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}",
    f"""CREATE TABLE IF NOT EXISTS {STREAMS} (
        schema_name VARCHAR NOT NULL, name VARCHAR NOT NULL, stream_id VARCHAR NOT NULL,
        table_schema VARCHAR NOT NULL, table_name VARCHAR NOT NULL, key VARCHAR[] NOT NULL,
        mode VARCHAR NOT NULL, watermark VARCHAR,
        columns STRUCT("name" VARCHAR, "type" VARCHAR)[] NOT NULL,
        created_on TIMESTAMP NOT NULL, moved_on TIMESTAMP NOT NULL, moves BIGINT NOT NULL,
        "offset" VARCHAR, old_rows BIGINT, old_keys HUGEINT
    )""",
    f"""CREATE TABLE IF NOT EXISTS {TASKS} (
        name VARCHAR NOT NULL, stream_schema VARCHAR NOT NULL, stream_name VARCHAR NOT NULL,
        query VARCHAR NOT NULL, target_schema VARCHAR NOT NULL, target_name VARCHAR NOT NULL,
        target_key VARCHAR[] NOT NULL, state VARCHAR NOT NULL,
        suspend_task_after_num_failures INTEGER NOT NULL, failures INTEGER NOT NULL,
        created_on TIMESTAMP NOT NULL, last_suspended_reason VARCHAR,
        scoring_hash VARCHAR, stream_id VARCHAR, stream_moves BIGINT
    )""",
    f"""CREATE TABLE IF NOT EXISTS {HISTORY} (
        run_id VARCHAR NOT NULL, name VARCHAR NOT NULL, state VARCHAR NOT NULL,
        query_start_time TIMESTAMP NOT NULL, completed_time TIMESTAMP NOT NULL,
        scored VARCHAR, model_name VARCHAR, model_version VARCHAR,
        rows_inserted BIGINT, rows_updated BIGINT, rows_deleted BIGINT, rows_scored BIGINT,
        error_message VARCHAR
    )""",
)


def make_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make what is not there yet."""
    for statement in _TABLES:
        connection.execute(statement)


def read_rows(
    connection: duckdb.DuckDBPyConnection, table: str, clauses: str, values: Sequence[object] = ()
) -> list[dict[str, Any]]:
    """Read rows of a table of the bookkeeping, as ``clauses`` say behind its name."""
    if not _is_kept(connection, table):
        return []
    found = connection.execute(f"SELECT * FROM {table} {clauses}", values)
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _is_kept(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Whether a table of the bookkeeping is there: a database may never have had a stream."""
    found = connection.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE database_name = current_database() "
        "AND schema_name || '.' || table_name = ?",
        [table],
    ).fetchall()
    return found != [(0,)]


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Generator[None]:
    """Commit what the block does, or nothing of it.

    Raises
    ------
    StreamError
        If the connection is in a transaction already: its end would not be ours to decide.
    """
    refuse_transaction(connection)
    with begun(connection):
        yield


@contextmanager
def begun(connection: duckdb.DuckDBPyConnection) -> Generator[None]:
    """Commit what the block does, or nothing of it, on a connection that is in no transaction."""
    connection.begin()
    try:
        yield
        connection.commit()
    except BaseException:
        _undo(connection)
        raise


def refuse_transaction(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse a connection that is in a transaction; to begin another one would abort it.

    Raises
    ------
    StreamError
        If it is in one: its end is not ours to decide.
    """
    ids = [connection.execute("SELECT txid_current()").fetchall() for _ in range(2)]
    if ids[0] == ids[1]:
        message = (
            "The connection is in a transaction already, and an offset moves with one of its own. "
            "Commit it first, and do in the block what belongs together."
        )
        raise StreamError(message)


def _undo(connection: duckdb.DuckDBPyConnection) -> None:
    import duckdb

    try:
        connection.rollback()
    except duckdb.Error:
        # A failed COMMIT has ended the transaction itself, and a closed connection has none.
        return


def moment() -> datetime:
    """Tell the time as it is stored: UTC, without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def same_key(left: str, right: str, key: tuple[str, ...]) -> str:
    """Write that two rows have one key; keys are never NULL."""
    return " AND ".join(f"{left}.{quote(name)} = {right}.{quote(name)}" for name in key)
