"""What runs over events in DuckDB: rows that change under one name, and errors of one event."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    import pyarrow as pa

OF_AN_EVENT = (duckdb.DataError, duckdb.InvalidInputException, duckdb.InvalidTypeException)
"""What DuckDB raises for a value; anything else is not an event's fault, and ends the batch."""
_LONGEST = 500
_VALUES = re.compile(
    r"""
    (?P<type>DECIMAL\(\d+,\s?\d+\))
    | (?P<quote>["']).*(?P=quote)                        # a value may have quotes in it
    | (?<![A-Za-z0-9_.])[+-]?\d[\d.]*(?:[eE][+-]?\d+)?   # INT32 is no value
    | [^\ -~]+
    """,
    re.DOTALL | re.VERBOSE,
)


def reason_of(error: Exception) -> str:
    """Say what DuckDB says, without the query, and without the event's values.

    Those are in the payload; a reason goes to logs and terminals.
    """
    text = str(error).partition("\nLINE ")[0].strip()
    return _VALUES.sub(lambda found: found["type"] or "…", text)[:_LONGEST]


class Rows:
    """A table for DuckDB that stays the same one while its rows change."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the rows of now, to each scan."""
        return self.table.__arrow_c_stream__(requested_schema)
