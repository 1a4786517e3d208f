"""The two ways in which an endpoint's rows are answered: row by row, or by DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from .query import EndpointQuery

ROW_BY_ROW, DUCKDB = "row by row", "DuckDB"


class Route(NamedTuple):
    """The program that answers row by row, or why only DuckDB does."""

    program: Any
    why_duckdb: str | None

    @property
    def route(self) -> str:
        """Which way few rows take."""
        return DUCKDB if self.program is None else ROW_BY_ROW


def row_program(query: EndpointQuery, registry: Path) -> Route:
    """Compile a query row by row, where that is certain to give what DuckDB gives."""
    del query, registry
    return Route(None, "the query was not compiled row by row")
