"""Features of events: the layers of the scoring query below the outermost, run over slices."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from ....scoring.changing_rows import OF_AN_EVENT, Rows, reason_of
from ....scoring.query import connect_quietly
from ....scoring.trees import settle
from .stack import EVENTS, ROW

if TYPE_CHECKING:
    from .memory import Slice
    from .query import WindowQuery

_FEATURES, _JOINED, _PROBE = "foresql_features", "foresql_joined", "foresql_probe"
PAIRS = 16
"""A window over a row costs about as much as so many joined pairs."""


class Failed(NamedTuple):
    """An event that cannot be computed, by its place in what was given, and why."""

    place: int
    reason: str


class Features:
    """The planned features of a query."""

    def __init__(self, query: WindowQuery, events: pa.Schema) -> None:
        """Plan them, once: that takes longer than a small batch."""
        self._connection = connect_quietly(":memory:")
        settle(self._connection)
        schema = events.append(pa.field(ROW, pa.int64()))
        self._rows = Rows(schema.empty_table())
        self._connection.register(EVENTS, self._rows)
        self._connection.execute(
            f"PREPARE {_FEATURES} AS SELECT * FROM (\n{query.features}\n) AS f "
            f"WHERE {ROW} >= 0 ORDER BY {ROW}"
        )
        self._has_join = query.joined is not None
        if query.joined is not None:
            self._connection.execute(f"PREPARE {_JOINED} AS {query.joined}\nORDER BY {ROW}")
        self._connection.execute(f"PREPARE {_PROBE} AS {query.probe}")

    def compute(self, part: Slice) -> pa.Table:
        """Give the features of the rows that are counted, in that order.

        Raises
        ------
        duckdb.Error
            If one cannot be computed.
        """
        is_few = self._has_join and part.pairs <= part.rows.num_rows * PAIRS
        return self._run(_JOINED if is_few else _FEATURES, part.rows)

    def refused(self, events: pa.Table) -> list[Failed]:
        """Say which events cannot be read by the query at all, whatever is before them."""
        failed: list[Failed] = []
        counted = events.append_column(ROW, pa.array(np.arange(events.num_rows)))
        waiting = [(0, counted)]
        while waiting:
            place, part = waiting.pop()
            try:
                self._run(_PROBE, part)
            except OF_AN_EVENT as error:
                middle = part.num_rows // 2
                if middle:
                    waiting += [
                        (place + middle, part.slice(middle)),
                        (place, part.slice(0, middle)),
                    ]
                else:
                    failed.append(Failed(place, reason_of(error)))
        return failed

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _run(self, plan: str, rows: pa.Table) -> pa.Table:
        self._rows.table = rows
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about a copy, which is small
            return self._connection.execute(f"EXECUTE {plan}").to_arrow_table()
