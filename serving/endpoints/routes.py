"""The two ways in which an endpoint's rows are answered: row by row, or by DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...kernels import Scorer
from ...scoring import open_model
from .rowwise import NotRowwise, RowModel, compile_rowwise

if TYPE_CHECKING:
    from pathlib import Path

    from .query import EndpointQuery
    from .rowwise import RowProgram

ROW_BY_ROW, DUCKDB = "row by row", "DuckDB"
_NESTED = ("STRUCT", "DOUBLE[]")
"""How a program names types whose parts it does not write."""


class Route(NamedTuple):
    """The program that answers row by row, or why only DuckDB does.

    ``places`` are where the program has the columns that are answered.
    """

    program: RowProgram | None
    why_duckdb: str | None
    places: tuple[int, ...] = ()

    @property
    def route(self) -> str:
        """Which way few rows take."""
        return DUCKDB if self.program is None else ROW_BY_ROW


def _own(written: str) -> str:
    """Leave the schema out in which DuckDB looks by itself; DuckDB finds both there."""
    schema, _, name = written.partition(".")
    return name if schema.casefold() == "main" and name and "." not in name else written


def row_program(query: EndpointQuery, registry: Path) -> Route:
    """Compile a query row by row, where that is certain to give what DuckDB gives."""
    models: dict[str, RowModel] = {}
    for function, version in query.pinned.functions:
        bundle = open_model(version.reference, registry).bundle
        models[function] = RowModel(Scorer(bundle.model, bundle.program), version.version)
    views = {_own(written): query.views[name] for written, name in query.named_views.items()}
    request = {column.name: column.type for column in query.request}
    found = compile_rowwise(query.query, request, views, models, source=_own(query.relation))
    if isinstance(found, NotRowwise):
        return Route(None, found.reason)
    types = dict(zip(found.outputs, found.types, strict=True))
    for output in query.outputs:
        own = types.get(output.name, "nothing")
        if own != output.type and not own.startswith(_NESTED):
            return Route(None, f"{output.name} would be {own}, and is {output.type} in DuckDB.")
    places = tuple(found.outputs.index(output.name) for output in query.outputs)
    return Route(found, None, places)
