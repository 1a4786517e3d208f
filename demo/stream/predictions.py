"""Reading the predictions while the worker writes them: for a moment the file is the reader's."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, NamedTuple

import duckdb

from ...errors import StreamError
from ...streams import open_to_write
from .board import Score

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["News", "Predictions"]

_LATEST = """\
SELECT rowid, machine, measured_at, failure_probability, is_unusual, vibration_now, temperature_now,
       model_name, model_version
FROM predictions WHERE rowid > ? ORDER BY rowid
"""
_COUNTS = """\
SELECT (SELECT count(*) FROM predictions), (SELECT count(*) FROM foresql.dead_letters)
"""


class News(NamedTuple):
    """What came since the last look.

    Attributes
    ----------
    scores
        New predictions, in the order of writing.
    models
        The versions that made the last one, by name: ``failure 2, anomaly 1``.
    scored, dead
        How many predictions and dead letters there are in all.
    """

    scores: list[Score]
    models: str
    scored: int
    dead: int


class Predictions:
    """The sink's file, for a reader."""

    def __init__(self, database: Path) -> None:
        """Name the file."""
        self._database = database
        self._last = -1

    def look(self, wait: float) -> News | None:
        """Read what is new; None where the file could not be had within so many seconds."""
        if not self._database.exists():
            return None
        with ExitStack() as stack, suppress(duckdb.CatalogException):
            try:
                connection = stack.enter_context(open_to_write(self._database, wait=wait))
            except StreamError:
                return None
            rows = connection.execute(_LATEST, [self._last]).fetchall()
            [(scored, dead)] = connection.execute(_COUNTS).fetchall()
            models = ""
            if rows:
                self._last = rows[-1][0]
                names, versions = (str(each).split(",") for each in rows[-1][-2:])
                models = ", ".join(map(" ".join, zip(names, versions, strict=True)))
            return News([Score(*row[1:7]) for row in rows], models, scored, dead)
        return None
