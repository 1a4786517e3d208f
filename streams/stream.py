"""What a stream is, and where its definition and offset are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import StreamError
from . import appended, compared
from .bookkeeping import STREAMS, read_rows
from .relation import Name, find_relation, read_name

if TYPE_CHECKING:
    from datetime import datetime
    from types import ModuleType

    import duckdb

DEFAULT, APPEND_ONLY = "DEFAULT", "APPEND_ONLY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A stream on a table or view: its definition, and the state that it was read at.

    Attributes
    ----------
    name, table
        The stream, which is a view, and what its changes are of.
    stream_id
        Another one for each stream that was ever made.
    key
        The columns that tell the table's rows apart.
    mode
        ``DEFAULT`` for all changes, ``APPEND_ONLY`` for new rows of a table that only grows.
    watermark
        For append-only: the column that grows with each row; None for the order of the rows.
    columns
        Names and types of the table's columns when the stream was made.
    created_on, moved_on, moves
        When it was made, when its offset moved last, and how often it did; UTC.
    offset, old_rows, old_keys
        For append-only: where new rows begin, and the number and checksum of those before. Else a
        copy of the rows is the offset, and ``offset`` names the DuckDB that made its fingerprints.
    """

    name: Name
    table: Name
    stream_id: str
    key: tuple[str, ...]
    mode: str
    watermark: str | None
    columns: tuple[tuple[str, str], ...]
    created_on: datetime
    moved_on: datetime
    moves: int
    offset: str | None
    old_rows: int | None
    old_keys: int | None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the table's columns."""
        return tuple(name for name, _ in self.columns)

    @property
    def capture(self) -> ModuleType:
        """How its changes are found: a module with the statements."""
        return appended if self.mode == APPEND_ONLY else compared

    def type_of(self, column: str) -> str:
        """Give the type of a column."""
        return dict(self.columns)[column]


def load_streams(connection: duckdb.DuckDBPyConnection) -> list[Stream]:
    """Read all streams of the database, by name."""
    return [_stream(row) for row in read_rows(connection, STREAMS, "ORDER BY schema_name, name")]


def find_stream(connection: duckdb.DuckDBPyConnection, written: str | Name) -> Stream:
    """Find a stream by its name.

    Raises
    ------
    StreamError
        If there is none.
    """
    name = written if isinstance(written, Name) else read_name(connection, written)
    streams = load_streams(connection)
    for stream in streams:
        if stream.name.is_same(name):
            return stream
    there = ", ".join(str(stream.name) for stream in streams) or "none"
    message = (
        f"There is no stream {name}. The database has: {there}. Make one: "
        f"foresql stream create {name} --on TABLE --key COLUMN --database FILE"
    )
    raise StreamError(message)


def why_stale(connection: duckdb.DuckDBPyConnection, stream: Stream) -> str | None:
    """Say why a stream cannot be read any more; None for one that can."""
    found = find_relation(connection, stream.table)
    if found is None:
        return f"{stream.table} is gone"
    was, now = dict(stream.columns), dict(found.columns)
    said = [f"column {name} is gone" for name in was if name not in now]
    said += [f"column {name} is new" for name in now if name not in was]
    said += [
        f"column {name} was {was[name]} and is {now[name]}"
        for name in was
        if name in now and now[name] != was[name]
    ]
    return f"{stream.table} has other columns: {'; '.join(said)}" if said else None


def check_fresh(connection: duckdb.DuckDBPyConnection, stream: Stream) -> None:
    """Refuse a stale stream, and say how to go on."""
    reason = why_stale(connection, stream)
    if reason is not None:
        message = (
            f"The stream {stream.name} is stale: {reason}. Bring the table back as it was, or make "
            f"the stream again: {again(stream)}. Its task then scores all rows once."
        )
        raise StreamError(message)


def again(stream: Stream) -> str:
    """Write the command that replaces a stream by one like it."""
    options = [f"--key {name}" for name in stream.key]
    options += ["--append-only"] if stream.mode == APPEND_ONLY else []
    options += [f"--watermark {stream.watermark}"] if stream.watermark else []
    return (
        f"foresql stream create {stream.name} --on {stream.table} {' '.join(options)} --replace "
        "--database FILE"
    )


def _stream(row: dict[str, Any]) -> Stream:
    return Stream(
        name=Name(row.pop("schema_name"), row.pop("name")),
        table=Name(row.pop("table_schema"), row.pop("table_name")),
        key=tuple(row.pop("key")),
        columns=tuple((each["name"], each["type"]) for each in row.pop("columns")),
        **row,
    )
