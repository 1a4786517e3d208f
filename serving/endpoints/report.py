"""What endpoints would be, said before anything is served: route, inputs, models, views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import ForesqlError
from .query import compile_query
from .routes import row_program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .definition import Definition
    from .query import Surroundings
    from .sources import Source


def check_endpoints(source: Source, around: Surroundings) -> Iterator[dict[str, Any]]:
    """Compile each endpoint, and describe it; one that is refused has a ``problem``.

    Raises
    ------
    EndpointError
        If they cannot be listed.
    """
    for name in source.names():
        try:
            yield _described(source.read(name), around)
        except ForesqlError as error:
            yield {"name": name, "problem": str(error)}


def _described(definition: Definition, around: Surroundings) -> dict[str, Any]:
    query = compile_query(definition, around)
    program = row_program(query, around.registry)
    views = query.views
    return {
        "name": definition.name,
        "problem": None,
        "route": program.route,
        "why_duckdb": program.why_duckdb,
        "request": query.relation,
        "columns": {column.name: column.type for column in query.request},
        "key": list(definition.request.key),
        "models": list(query.pinned.references),
        "views": {
            name: {
                "key": list(view.keys),
                "missing": view.missing.kind,
                "as_of": view.as_of.isoformat(),
            }
            for name, view in views.items()
        },
        "outputs": {output.name: output.type for output in query.outputs},
        "version": query.version,
    }
