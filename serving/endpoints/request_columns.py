"""The columns of an endpoint's request: where their types are read, and what they must be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import UnsupportedModelError
from ...scoring.trees import folded
from .columns import named_types
from .relations import agree, written
from .warehouse import read_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .columns import Column
    from .definition import Definition
    from .query import Surroundings


def database_of(definition: Definition, around: Surroundings) -> Path | None:
    """Give the warehouse's file of an endpoint."""
    named = definition.request.database
    return around.database if named is None else definition.folder / named


def check_folded(relation: str, columns: Mapping[str, str]) -> None:
    """Refuse names that DuckDB tells apart, which folds A to Z alone, and this does not.

    Raises
    ------
    UnsupportedModelError
        If there are two.
    """
    first: dict[str, str] = {}
    for name in columns:
        before = first.setdefault(name.casefold(), name)
        if before != name:
            raise UnsupportedModelError(
                f"{relation} in the query",
                f"its columns {before} and {name} differ by the case of letters alone.",
                "rename one of them in a view.",
            )


def request_types(
    definition: Definition, relation: tuple[str, ...], database: Path | None
) -> Mapping[str, str]:
    """Give all columns of the request's relation: the declared ones, or those of the warehouse.

    Raises
    ------
    EndpointError
        If the warehouse does not say them.
    UnsupportedModelError
        If nothing says them, or a type is none.
    """
    request = definition.request
    if request.columns:
        return named_types(request.columns)
    known = [c for path, c in definition.known.items() if agree(path, folded(relation))]
    if database is None and len(known) == 1:
        return named_types(known[0])
    if database is None:
        raise UnsupportedModelError(
            f"{written(relation)}, the request's rows",
            "nothing says of which types its columns are.",
            'name the warehouse\'s file, --database or [request] database = "…", or the columns: '
            '[request] columns = { distance = "DOUBLE", … }.',
        )
    is_elsewhere = request.table is not None and request.table.count(".") < len(relation) - 1
    # A file is a catalog of its own, which a declared name without one leaves open.
    return read_columns(database, relation[-2:] if is_elsewhere else relation)


def check_keys(definition: Definition, request: Sequence[Column]) -> None:
    """See that the rows of a request have the columns of the declared key.

    Raises
    ------
    UnsupportedModelError
        If they have not.
    """
    names = [column.name for column in request]
    for key in definition.request.key:
        if key not in names:
            raise UnsupportedModelError(
                f"[request] key, {key}",
                "the rows of a request have no such column.",
                f"name one of {', '.join(names)}.",
            )
