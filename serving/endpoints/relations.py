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
        self.named: dict[Path, Path] = {}
        self.rows: dict[str, int] = {}

    def look_up(self, path: list[str]) -> tuple[Columns | None, str | None, bool]:
        """Give the columns of a relation, where they are known."""
        own = folded(path)
        self.named.setdefault(own, tuple(path))
        found = self._columns.get(own)
        if found is None:
            return None, None, True
        return {name.casefold(): (name, type_) for name, type_ in found.items()}, None, True


def named_relations(root: Node) -> dict[Path, Path]:
    """List the relations that a query names, CTEs left out, with how they are written."""
    known = Known({})
    read_scopes(root, known)  # pyright: ignore[reportArgumentType] - it asks for no more
    return known.named


def tell_apart(
    named: Mapping[Path, Path],
    table: str | None,
    views: Iterable[str],
    location: str | None,
    catalog: str | None,
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
    catalog
        How DuckDB calls the warehouse's file.

    Raises
    ------
    UnsupportedModelError
        If none can be the request's, several can, one is neither that nor a view, or two may be
        one view.
    """
    known = {tuple(name.split(".")): name for name in views}
    found = {path: view for path, own in named.items() if (view := _view(own, known, catalog))}
    wanted = None if table is None else folded(table.split("."))
    others = [path for path in named if path not in found]
    requests = others if wanted is None else _declared(named, wanted)
    if len(requests) != 1:
        raise _no_request(named, requests, table, location)
    [request] = requests
    for path in others:
        if path != request:
            where = "there are none without --online" if location is None else f"not of {location}"
            raise UnsupportedModelError(
                f"FROM {written(named[path])} in the query",
                f"it is neither the request's rows, {written(named[request])}, nor a feature view: "
                f"{where}.",
                f"foresql materialize {written(named[path])} --key COLUMN --into ONLINE, and serve "
                "with --online ONLINE; a misspelt name is named here too.",
            )
    found.pop(request, None)
    _check_once(found, named)
    return Relations(request, found)


def written(path: Path) -> str:
    """Write the name of a relation."""
    return ".".join(path)


def agree(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two names may be of one relation: they are the same as far as both say."""
    shared = min(len(one), len(other))
    return tuple(one[-shared:]) == tuple(other[-shared:])


def _check_once(found: Mapping[Path, str], named: Mapping[Path, Path]) -> None:
    """See that one name stands for one view: that of two schemas may be of two tables."""
    first: dict[str, Path] = {}
    for path, view in found.items():
        if first.setdefault(view, path) != path:
            both = f"{written(named[first[view]])} and {written(named[path])}"
            raise UnsupportedModelError(
                f"{both} in the query",
                f"both may be the feature view {view}, and they may be two tables.",
                "write one name for one table, and materialize another one by a name with its "
                "schema: --name schema.table.",
            )


def _declared(named: Iterable[Path], wanted: Path) -> list[Path]:
    """Find the relations that a declared name may mean; that very name before longer ones."""
    found = [path for path in named if path[-len(wanted) :] == wanted]
    return [wanted] if wanted in found else found


_SCHEMA = "main"
"""Where DuckDB finds a name without a schema."""


def _view(own: Path, known: Mapping[Path, str], catalog: str | None) -> str | None:
    """Find the view that a name is of: what it says more must be where DuckDB looks by itself."""
    path = folded(own)
    for length in range(len(path), 0, -1):
        found = known.get(path[-length:])
        # Names of views are ASCII, and casefold makes some other letters ASCII.
        if found is None or not written(own[-length:]).isascii():
            continue
        more = path[:-length]
        is_home = length > 1 or not more or more[-1] == _SCHEMA
        if is_home or (len(more) == 1 and more[0] == catalog):
            return found
    return None


def _no_request(
    named: Mapping[Path, Path], requests: Sequence[Path], table: str | None, location: str | None
) -> UnsupportedModelError:
    read = ", ".join(map(written, named.values())) or "nothing"
    if table is not None:
        problem = f"it reads {read}, and the definition says that {table} is the request's rows"
    elif requests:
        both = ", ".join(written(named[path]) for path in requests)
        problem = f"which of {both} is the request's rows is open"
        problem += "" if location else "; without --online there are no feature views"
    else:
        problem = f"it reads {read}: no relation is left for the request's rows"
    return UnsupportedModelError(
        "FROM in the query", f"{problem}.", 'name it beside the query: [request] table = "…".'
    )
