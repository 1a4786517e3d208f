"""Scoring queries whose features are windows over event time: what workers run for them.

A window has rows of one key, in a time that ends at its own row. So all of a query is computed
where all rows of a key are together: the frame is divided by key, and each worker runs DuckDB.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from ..errors import SignatureError, UnsupportedModelError
from ..scoring.query import connect_quietly
from ..scoring.rewriting.syntax import parse
from ..streams.events.definition import (
    BatchSection,
    Definition,
    EventsSection,
    SinkSection,
    SourceSection,
    WindowSection,
)
from ..streams.events.windows.query import read_window_query
from ..streams.events.windows.stack import EVENTS, ROW
from ..streams.query import RowQuery, read_row_query
from ..udfs.duckdb.macros import quote
from .frames import only_columns, quoted
from .plan import ROWS
from .shipping import answered, ship

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from datetime import timedelta
    from pathlib import Path

    import pyarrow as pa

    from ..scoring.rewriting.syntax import Node

_FEATURES = "foresql_features"
READY = "foresql_ready"
"""The column of a stream that says which rows get a prediction; the others are looked back at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """A query with windows, as its caller gives it.

    Attributes
    ----------
    query
        The query.
    table
        What it calls the events.
    key, time
        Which rows its windows take together, and by which column they are ordered.
    """

    query: str
    table: str
    key: tuple[str, ...]
    time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowedQuery:
    """A query with windows, for workers.

    Attributes
    ----------
    features
        What is below the outermost SELECT.
    scoring
        The outermost SELECT, which is row by row.
    lookback
        How far before its own time a row's features reach.
    """

    features: str
    scoring: RowQuery
    lookback: timedelta

    def text(self, *, ready: bool) -> str:
        """Write it over ``ROWS``; with ``ready``, for the rows alone that are marked so."""
        mark = f"* EXCLUDE ({READY}), CAST({READY} AS BIGINT)" if ready else "*, CAST(1 AS BIGINT)"
        events = f"SELECT {mark} AS {ROW} FROM {ROWS}"  # noqa: S608 - our own names
        answered = f"SELECT * FROM ({self.features}) WHERE {ROW} = 1"  # noqa: S608 - read by DuckDB
        ctes = f"{EVENTS} AS MATERIALIZED ({events}),\n{_FEATURES} AS ({answered})"
        return f"WITH {ctes}\n{self.scoring.over(quote(_FEATURES))}"


def windowed_table(text: str) -> tuple[str, ...] | None:
    """Name the table that a query with windows reads; None for a query without windows.

    Raises
    ------
    UnsupportedModelError
        If it reads several tables.
    """
    parts = list(_parts(_parsed(text)))
    if not any(part.get("class") == "WINDOW" for part in parts):
        return None
    ctes = {
        each["key"].casefold() for part in parts for each in part.get("cte_map", {"map": []})["map"]
    }
    paths = [part["qualified_name"]["path"] for part in parts if part.get("type") == "BASE_TABLE"]
    tables = {tuple(path) for path in paths if len(path) > 1 or path[0].casefold() not in ctes}
    if len(tables) != 1:
        names = ", ".join(sorted(".".join(each) for each in tables)) or "none"
        raise UnsupportedModelError(
            "FROM in the query",
            f"it reads {names}, and windows are over one table.",
            "join in a view of Spark, and name that view here.",
        )
    return tables.pop()


def _parsed(text: str) -> Node:
    with connect_quietly(":memory:") as connection:
        try:
            connection.extract_statements(text)
        except duckdb.Error as error:
            raise UnsupportedModelError(
                "the query", f"it cannot be parsed: {error}", "run it in DuckDB first."
            ) from error
        query = parse(connection, text.strip().rstrip(";"))
    return {} if query is None else query.root


def _parts(node: object) -> Iterator[Node]:
    """Give all parts of a query, and of the queries in it."""
    if isinstance(node, dict):
        yield node
        for each in node.values():
            yield from _parts(each)
    elif isinstance(node, list):
        for each in node:
            yield from _parts(each)


def read_windowed(windows: Windows, rows: pa.Schema, registry: Path) -> WindowedQuery:
    """Read a query with windows.

    Parameters
    ----------
    windows
        The query.
    rows
        The events' columns.
    registry
        Where its models are.

    Raises
    ------
    UnsupportedModelError
        If a feature may depend on more than the rows of its key, or on their order.
    """
    definition = Definition(
        name="spark",
        query=windows.query,
        folder=registry,
        source=SourceSection(bus="spark:"),
        events=EventsSection(table=windows.table, time=windows.time),
        batch=BatchSection(),
        sink=SinkSection(to="spark:"),
        window=WindowSection(key=windows.key),
        alerts=None,
        metrics=None,
    )
    with connect_quietly(":memory:") as connection:
        found = read_window_query(connection, definition, rows)
        scoring = read_row_query(connection, found.scoring, found.schema.names, registry)
    return WindowedQuery(features=found.features, scoring=scoring, lookback=found.lookback)


def windows_of(query: str, table: str, key: Sequence[str], time: str | None) -> Windows:
    """Take what the caller says of the windows.

    Raises
    ------
    UnsupportedModelError
        If he says nothing.
    """
    if not key or time is None or isinstance(key, str):
        raise UnsupportedModelError(
            "a window in the query",
            "workers need all rows of a key together, in order of time.",
            'say of which columns: key=["sensor_id"], time="measured_at".',
        )
    return Windows(query=query, table=table, key=tuple(key), time=time)


@contextmanager
def for_spark() -> Generator[None]:
    """Say of a query that is refused what to do about it in Spark."""
    try:
        yield
    except UnsupportedModelError as error:
        way_out = error.way_out.replace(
            "make the stream on that view", "name that view of Spark in the query"
        )
        reason = error.reason.replace("a stream has the changed ones", "a worker has some of them")
        raise UnsupportedModelError(error.step, reason, way_out) from error


def run_windows(
    frame: Any, windows: Windows, registry: Path, *, ready: bool
) -> tuple[Any, timedelta]:
    """Run a query with windows over a frame, all rows of a key in one worker.

    Gives the answers, and how far the windows look back.

    With ``ready`` the frame has a column ``READY``, and only rows where it is true are answered.
    """
    from pyspark.sql.pandas.types import to_arrow_schema

    given = frame.drop(READY) if ready else frame
    given = only_columns(given, given.columns)
    _check_types(given, windows)
    schema = to_arrow_schema(given.schema, timezone="UTC")
    with for_spark():
        read = read_windowed(windows, schema, registry)
    pinned = read.scoring.pin(registry)
    plan = ship(frame, read.text(ready=ready), pinned, registry, windows.key)
    keys = [frame[quoted(name)] for name in windows.key]
    divided = frame.repartition(*keys).sortWithinPartitions(*keys)
    return answered(divided, plan, pinned, registry), read.lookback


def _check_types(frame: Any, windows: Windows) -> None:
    """Refuse times with a zone, whose days differ in length, and texts equal in any case."""
    types = {str(field.name): str(field.dataType.simpleString()) for field in frame.schema.fields}
    for name in (windows.time, *windows.key):
        if name not in types:
            message = f"Column {name!r} is missing. There are: {', '.join(list(types)[:20])}."
            raise SignatureError(message)
    if types[windows.time] != "timestamp_ntz":
        message = (
            f"Windows go by a TIMESTAMP_NTZ, and {windows.time!r} is {types[windows.time]}. Cast "
            f"it in a view of Spark: CAST({quoted(windows.time)} AS TIMESTAMP_NTZ)."
        )
        raise SignatureError(message)
    collated = [name for name in windows.key if " collate " in types[name]]
    if collated:
        message = f"The keys {collated} have a collation. Cast them in a view of Spark: AS STRING."
        raise SignatureError(message)
