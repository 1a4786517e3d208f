"""The relations that a scoring query reads: the request's rows, and feature views."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...errors import UnsupportedModelError
from ...scoring.rewriting.scopes import read_scopes
from ...scoring.trees import folded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ...scoring.rewriting.scopes import Columns
    from ...scoring.rewriting.syntax import Node

Path = tuple[str, ...]
"""The parts of a relation's name, folded."""


class Relations(NamedTuple):
    """Which relation of a query is the request's, and which feature view each other one is."""

    request: Path
    views: Mapping[Path, str]


class Known:
    """The columns of relations, for :func:`read_scopes`; it notes which ones a query names."""

    def __init__(self, columns: Mapping[Path, Mapping[str, str]]) -> None:
        """Take each relation's columns with their types."""
        self._columns = columns
        self.named: dict[Path, str] = {}
        self.rows: dict[str, int] = {}

    def look_up(self, path: list[str]) -> tuple[Columns | None, str | None, bool]:
        """Give the columns of a relation, where they are known."""
        own = folded(path)
        self.named.setdefault(own, ".".join(path))
        found = self._columns.get(own)
        if found is None:
            return None, None, True
        return {name.casefold(): (name, type_) for name, type_ in found.items()}, None, True


def named_relations(root: Node) -> dict[Path, str]:
    """List the relations that a query names, CTEs left out, as they are written."""
    known = Known({})
    read_scopes(root, known)  # pyright: ignore[reportArgumentType] - it asks for no more
    return known.named


def tell_apart(
    named: Mapping[Path, str], table: str | None, views: Iterable[str], location: str | None
) -> Relations:
    """Say which relation is the request's: the one that is declared, or that is no feature view.

    Parameters
    ----------
    named
        The relations of the query.
    table
        The declared one, perhaps with its schema.
    views
        The names of feature views.
    location
        Where these are.

    Raises
    ------
    UnsupportedModelError
        If none can be the request's, several can, or one is neither that nor a view.
    """
    known = {tuple(name.split(".")): name for name in views}
    found = {path: view for path in named if (view := _view(path, known))}
    wanted = None if table is None else folded(table.split("."))
    others = [path for path in named if path not in found]
    requests = others if wanted is None else [path for path in named if ends(path, wanted)]
    if len(requests) != 1:
        raise _no_request(named, requests, table, location)
    [request] = requests
    for path in others:
        if path != request:
            where = "there are none without --online" if location is None else f"not of {location}"
            raise UnsupportedModelError(
                f"FROM {named[path]} in the query",
                f"it is neither the request's rows, {named[request]}, nor a feature view: {where}.",
                f"foresql materialize {named[path]} --key COLUMN --into ONLINE, and serve with "
                "--online ONLINE; a misspelt name is named here too.",
            )
    return Relations(request, {path: view for path, view in found.items() if path != request})


def ends(path: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether a name is the one that is wanted, as far as that says."""
    return tuple(path[-len(wanted) :]) == tuple(wanted)


def _view(path: Path, known: Mapping[Path, str]) -> str | None:
    for length in range(len(path), 0, -1):
        if found := known.get(path[-length:]):
            return found
    return None


def _no_request(
    named: Mapping[Path, str], requests: Sequence[Path], table: str | None, location: str | None
) -> UnsupportedModelError:
    written = ", ".join(named.values()) or "nothing"
    if table is not None:
        problem = f"it reads {written}, and the definition says that {table} is the request's rows"
    elif requests:
        both = ", ".join(named[path] for path in requests)
        problem = f"which of {both} is the request's rows is open"
        problem += "" if location else "; without --online there are no feature views"
    else:
        problem = f"it reads {written}: no relation is left for the request's rows"
    return UnsupportedModelError(
        "FROM in the query", f"{problem}.", 'name it beside the query: [request] table = "…".'
    )
