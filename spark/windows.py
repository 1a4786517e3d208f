"""Scoring queries whose features are windows over event time: what workers run for them.

A window has rows of one key, in a time that ends at its own row. So all of a query is computed where
all rows of a key are together: the frame is divided by key, and each worker runs DuckDB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UnsupportedModelError
from ..scoring.query import connect_quietly
from ..scoring.rewriting.syntax import parse
from ..streams.events.definition import (
    Definition,
    EventsSection,
    SinkSection,
    SourceSection,
    WindowSection,
)
from ..streams.events.windows.query import EVENTS, ROW, read_window_query
from ..streams.query import RowQuery, read_row_query
from ..udfs.duckdb.macros import quote
from .plan import ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta
    from pathlib import Path

    import pyarrow as pa

    from ..scoring.rewriting.syntax import Node

_FEATURES = "foresql_features"
READY = "foresql_ready"
"""The column of a stream that says which rows get a prediction; the others are looked back at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Which rows a query's windows take together, and by which column they are ordered in time."""

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
        given = f"* EXCLUDE ({READY}), CAST({READY} AS BIGINT)" if ready else "*, CAST(1 AS BIGINT)"
        return (
            f"WITH {EVENTS} AS MATERIALIZED (SELECT {given} AS {ROW} FROM {ROWS}),\n"
            f"{_FEATURES} AS (SELECT * FROM ({self.features}) WHERE {ROW} = 1)\n"
            f"{self.scoring.over(quote(_FEATURES))}"
        )


def windowed_table(text: str) -> tuple[str, ...] | None:
    """Name the table that a query with windows reads; None for a query without windows.

    Raises
    ------
    UnsupportedModelError
        If it reads several tables.
    """
    with connect_quietly(":memory:") as connection:
        query = parse(connection, text.strip().rstrip(";"))
    parts = [] if query is None else list(_parts(query.root))
    if not any(part.get("class") == "WINDOW" for part in parts):
        return None
    within = {each["key"].casefold() for part in parts for each in part.get("cte_map", _NONE)["map"]}
    tables = {
        tuple(part["qualified_name"]["path"])
        for part in parts
        if part.get("type") == "BASE_TABLE"
        and tuple(name.casefold() for name in part["qualified_name"]["path"]) not in {(e,) for e in within}
    }
    if len(tables) != 1:
        names = ", ".join(sorted(".".join(each) for each in tables)) or "none"
        raise UnsupportedModelError(
            "FROM in the query",
            f"it reads {names}, and windows are over one table.",
            "join in a view of Spark, and name that view here.",
        )
    return tables.pop()


_NONE: Node = {"map": []}


def _parts(node: object) -> Iterator[Node]:
    """Give all parts of a query, and of the queries in it."""
    if isinstance(node, dict):
        yield node
        for each in node.values():
            yield from _parts(each)
    elif isinstance(node, list):
        for each in node:
            yield from _parts(each)


def read_windowed(
    text: str, table: str, windows: Windows, rows: pa.Schema, registry: Path
) -> WindowedQuery:
    """Read a query with windows.

    Parameters
    ----------
    text
        The query.
    table
        What it calls the events.
    windows
        Their key and time.
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
        query=text,
        source=SourceSection(bus="spark:"),
        events=EventsSection(table=table, time=windows.time),
        window=WindowSection(key=windows.key),
        sink=SinkSection(to="spark:"),
    )
    with connect_quietly(":memory:") as connection:
        found = read_window_query(connection, definition, rows)
        scoring = read_row_query(connection, found.scoring, found.schema.names, registry)
    return WindowedQuery(features=found.features, scoring=scoring, lookback=found.lookback)
