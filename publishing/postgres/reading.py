"""Rows of the warehouse as the lines that Postgres's COPY reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import PublishingError
from ...scoring.postgres_types import copy_query, lines_of
from ...udfs.duckdb.macros import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...scoring.postgres_types import TargetColumn
    from ..warehouse import SourceTable, Warehouse

_BATCH = 20_000


def copy_lines(
    warehouse: Warehouse,
    source: SourceTable,
    columns: Sequence[TargetColumn],
    relation: str | None = None,
) -> Callable[[], Iterator[memoryview]]:
    """Read a table as lines of COPY, and refuse the one thing that Postgres's text cannot hold.

    ``relation`` is read instead of the table where it is given.
    """
    query = copy_query(relation or source.sql, columns)

    def read() -> Iterator[memoryview]:
        with warehouse.reading(source):
            reader = warehouse.connection.sql(query).to_arrow_reader(_BATCH)
            for part in lines_of(reader):
                if b"\0" in bytes(part):
                    reader.close()  # the connection answers no other query before
                    raise _zero(warehouse, source, columns, relation)
                yield part

    return read


def _zero(
    warehouse: Warehouse,
    source: SourceTable,
    columns: Sequence[TargetColumn],
    relation: str | None,
) -> PublishingError:
    """Say in which column and row the letter is that Postgres has not."""
    place = relation or source.sql
    for column in columns:
        if column.may_need_escapes:
            text = f"contains(CAST({quote(column.name)} AS VARCHAR), chr(0))"
            rows = warehouse.rows(
                f"SELECT number FROM (SELECT row_number() OVER () AS number, {text} AS has_zero "
                f"FROM {place}) WHERE has_zero ORDER BY number LIMIT 1"
            )
            if rows:
                return PublishingError(
                    f"The column {column.name} of {source.title} holds a zero byte in row "
                    f"{rows[0][0]:,}, which text in Postgres cannot hold.\n"
                    "  What to do: replace it in the model of dbt: "
                    f"replace({column.name}, chr(0), '')."
                )
    return PublishingError(f"{source.title} holds a zero byte, which Postgres cannot hold.")
