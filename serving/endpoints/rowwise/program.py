"""A query as steps over the rows of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ....online.one_snapshot import in_one_snapshot
from .joins import Lookup
from .relations import Compute

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....online import OnlineView
    from ....online.one_snapshot import SnapshotsRead
    from .relations import Step
    from .types import Closure

Write = "Callable[[Any], Any] | None"


@dataclass(frozen=True, slots=True, eq=False)
class RowProgram:
    """What answers rows. It never changes, and threads may share it.

    Attributes
    ----------
    outputs
        The names of what it gives.
    types
        Their types in DuckDB.
    views
        The feature views that it looks up.
    """

    outputs: tuple[str, ...]
    types: tuple[str, ...]
    views: tuple[str, ...]
    _blank: tuple[Any, ...]
    _width: int
    _steps: tuple[Step, ...]
    _answers: tuple[tuple[Closure, Any], ...]

    def rows(
        self, rows: Sequence[Sequence[Any]], views: Mapping[str, OnlineView]
    ) -> list[tuple[Any, ...]]:
        """Answer rows: Python's values in the order of the request's columns.

        Raises
        ------
        SignatureError
            If a value is not of its column's type.
        ScoringError
            If a model's library, or DuckDB, refuses a row.
        MissingEntityError
            If a feature view has no row for one, and declares none.
        """
        return [answer for _, answer in self.numbered(rows, views)[0]]

    def numbered(
        self, rows: Sequence[Sequence[Any]], views: Mapping[str, OnlineView]
    ) -> tuple[list[tuple[int, tuple[Any, ...]]], SnapshotsRead]:
        """Answer rows, each with its number: a join or WHERE may leave some out.

        Beside them stand the snapshots that were read. A view that is joined twice is read in one.
        """
        return in_one_snapshot(lambda read: self._numbered(rows, views, read))

    def _numbered(
        self,
        rows: Sequence[Sequence[Any]],
        views: Mapping[str, OnlineView],
        read: SnapshotsRead,
    ) -> list[tuple[int, tuple[Any, ...]]]:
        width, rest = self._width, self._blank
        alive = [[*row, *rest, number] for number, row in enumerate(rows)]
        for cells in alive:
            if len(cells) != width:
                message = f"A row has {len(cells) - len(rest) - 1} values."
                raise ValueError(message)
        for step in self._steps:
            if isinstance(step, Compute):
                cell, run = step.cell, step.run
                for cells in alive:
                    cells[cell] = run(cells)
            elif isinstance(step, Lookup):
                alive, view = step.fill(alive, views[step.view])
                read.note(view)
            else:
                alive = [cells for cells in alive if step.run(cells)]
        answers = self._answers
        return [
            (cells[-1], tuple([w(r(cells)) if w else r(cells) for r, w in answers]))
            for cells in alive
        ]
