"""Steps of a program over the rows of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .joins import Lookup
    from .types import Closure

Step: TypeAlias = "Compute | Keep | Drop | Lookup"


class Compute(NamedTuple):
    """A step that fills a cell of each row."""

    cell: int
    run: Closure

    def fill(self, rows: Sequence[list[Any]]) -> None:
        """Compute all rows."""
        cell, run = self.cell, self.run
        for cells in rows:
            cells[cell] = run(cells)


class Keep(NamedTuple):
    """A step that marks rows for which all conditions are true.

    Attributes
    ----------
    cell
        Whether a row stays.
    conditions
        They are all asked, also of a row that is dropped already: DuckDB may ask them in another
        order, and one that fails must be seen.
    before
        The mark of the conditions before these.
    """

    cell: int
    conditions: tuple[Closure, ...]
    before: int | None

    def mark(self, rows: Sequence[list[Any]]) -> None:
        """Mark all rows."""
        cell, conditions, before = self.cell, self.conditions, self.before
        for cells in rows:
            holds = [one(cells) for one in conditions]
            cells[cell] = (before is None or cells[before]) and all(holds)


class Drop(NamedTuple):
    """A step that leaves out what was marked so."""

    cell: int
