"""Batches of events through the scoring query: predictions, and the events that it refuses.

The query is planned once for a set of versions, and each batch runs the plan: to plan it takes ten
times as long as to score a small batch.
"""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, NamedTuple

import duckdb
import pyarrow as pa

from ...errors import ForesqlError, UnsupportedModelError
from ...scoring.changing_rows import OF_AN_EVENT, Rows, reason_of
from ...scoring.query import connect_quietly, registry_path
from ...scoring.row_query import WaysOut
from ...udfs.duckdb.macros import quote
from ..bookkeeping import moment
from ..query import read_row_query
from ..task import MODEL_NAME, MODEL_VERSION, RUN_ID, SCORED_AT, SCORING_HASH, STAMPS
from .carrying import check_carried
from .dead import TIMESTAMP
from .definition import OFFSET, PARTITION
from .stages import Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from ...scoring.pinning import Pinned
    from ..query import RowQuery
    from .stages import Query

LOOK_EVERY = 1.0
"""Seconds between two looks at the registry."""
_ROWS, _PLAN = "foresql_rows", "foresql_plan"
_IN_THE_EVENT = "compute it before the event is published, or over a window: [window]."
_WAYS_OUT = WaysOut("publish what it joins with the event.", _IN_THE_EVENT)


class Scored(NamedTuple):
    """What a batch becomes: predictions, and the events that the query refused."""

    predictions: pa.Table
    dead: list[Refused]


class Scoring:
    """The scoring query, with the versions of its models as they are now."""

    def __init__(
        self,
        query: Query,
        registry: str | Path | None,
        run_id: str,
        told: Callable[[str], None] = lambda _: None,
        sink: str = "duckdb",
    ) -> None:
        """Read and plan the query.

        Parameters
        ----------
        query
            The query; its table has ``event_partition`` and ``event_offset`` among its columns.
        registry
            Where the models are.
        run_id
            What predictions carry as their run.
        told
            Takes what a reader of a log would miss otherwise: versions that come, or cannot be
            used.
        sink
            The scheme of the sink, which must have the types of the outputs.

        Raises
        ------
        ForesqlError
            If the query is refused, or a model is not there.
        """
        # The copy is small, and a relation would be planned for each batch. It is not ignored for
        # each call alone, since filters are those of all threads.
        warnings.filterwarnings("ignore", "Arrow output on a DB-API result", UserWarning)
        self._connection = connect_quietly(":memory:")
        self._connection.execute("SET threads = 1")
        self._connection.execute("SET TimeZone = 'UTC'")
        self._registry = registry_path(self._connection, registry)
        self._run_id, self._told, self._sink = run_id, told, sink
        self._rows = Rows(query.columns.empty_table())
        self._connection.register(_ROWS, self._rows)
        self.query = _read(self._connection, query, self._registry)
        self._carried = [
            name
            for name in (PARTITION, OFFSET)
            if self.query.plain.get(name, "").casefold() != name
        ]
        self.pinned = self.query.pin(self._registry)
        self._outputs = self._plan(self.pinned)
        self._looked = time.monotonic()
        self._refused = ""

    @property
    def schema(self) -> pa.Schema:
        """The columns of predictions."""
        stamps = [pa.field(name, _arrow_type(type_)) for name, type_ in STAMPS.items()]
        return pa.schema([*self._outputs, *stamps])

    def score(self, rows: pa.Table) -> Scored:
        """Score rows by the versions of now; a refused one costs no other its prediction."""
        self._follow()
        stamp = self._stamp(moment())
        dead: list[Refused] = []
        found: list[pa.Table] = []
        waiting = [rows]
        while waiting:
            part = waiting.pop()
            try:
                found.append(self._run(part))
            except OF_AN_EVENT as error:
                if part.num_rows > 1:
                    middle = part.num_rows // 2
                    waiting += [part.slice(middle), part.slice(0, middle)]
                else:
                    offset = part[OFFSET][0].as_py()
                    dead.append(Refused(part[PARTITION][0].as_py(), offset, reason_of(error)))
        return Scored(
            stamp(pa.concat_tables(found) if found else self._outputs.empty_table()), dead
        )

    def close(self) -> None:
        """Close the connection that the query runs in."""
        self._connection.close()

    def _run(self, rows: pa.Table) -> pa.Table:
        self._rows.table = rows
        return self._connection.execute(f"EXECUTE {_PLAN}").to_arrow_table()

    def _plan(self, pinned: Pinned) -> pa.Schema:
        """Make the functions those of these versions, and give the columns of the query."""
        pinned.register(self._connection, self._registry)
        text = self.query.over(quote(_ROWS), self._carried)
        given = self._connection.sql(text)
        check_carried(dict(zip(given.columns, given.types, strict=True)), self._sink)
        self._connection.execute(f"PREPARE {_PLAN} AS {text}")
        return self._run(self._rows.table.slice(0, 0)).schema

    def _follow(self) -> None:
        """Take other versions where aliases moved; those that cannot be used are told once."""
        now = time.monotonic()
        if now < self._looked + LOOK_EVERY:
            return
        self._looked = now
        try:
            pinned = self.query.pin(self._registry)
        except (ForesqlError, OSError) as error:
            self._refuse(str(error), error)
            return
        if pinned.scoring_hash in {self.pinned.scoring_hash, self._refused}:
            return
        try:
            outputs = self._plan(pinned)
            if not outputs.equals(self._outputs):
                raise UnsupportedModelError(
                    "the query",
                    f"its columns would be {_named(outputs)}, and are {_named(self._outputs)}.",
                    "give the worker of the new model a table of its own.",
                )
        except (ForesqlError, duckdb.Error) as error:
            self._refuse(pinned.scoring_hash, error)
            self._plan(self.pinned)
        else:
            self.pinned, self._refused = pinned, ""
            self._told(f"Now scoring by {pinned.model_name} {pinned.model_version}.")

    def _refuse(self, what: str, error: Exception) -> None:
        if what != self._refused:
            self._refused = what
            self._told(
                f"Going on with {self.pinned.model_name} {self.pinned.model_version}, since what "
                f"the registry has now cannot be used. {error}"
            )

    def _stamp(self, now: datetime) -> Callable[[pa.Table], pa.Table]:
        """Say what all predictions of a batch carry."""
        values = {
            MODEL_NAME: self.pinned.model_name,
            MODEL_VERSION: self.pinned.model_version,
            SCORING_HASH: self.pinned.scoring_hash,
            SCORED_AT: now,
            RUN_ID: self._run_id,
        }
        scalars = [pa.scalar(values[name], _arrow_type(type_)) for name, type_ in STAMPS.items()]

        def stamp(table: pa.Table) -> pa.Table:
            stamps = [pa.repeat(scalar, table.num_rows) for scalar in scalars]
            return pa.Table.from_arrays([*table.columns, *stamps], schema=self.schema)

        return stamp


def _read(connection: duckdb.DuckDBPyConnection, query: Query, registry: Path) -> RowQuery:
    """Read the query, and see that it is over the events."""
    found = read_row_query(connection, query.text, query.columns.names, registry, _WAYS_OUT)
    if [part.casefold() for part in found.table] != [query.table.casefold()]:
        raise UnsupportedModelError(
            f"FROM {'.'.join(found.table)} in the query",
            f"the events are called {query.table}.",
            f"write FROM {query.table}, or say [events] table in the definition.",
        )
    for name in found.outputs:
        folded = name.casefold()
        is_own = folded in {PARTITION, OFFSET} and found.plain.get(name, "").casefold() != folded
        if folded in STAMPS or is_own:
            raise UnsupportedModelError(
                f"the output {name}",
                "each prediction has a column of this name already.",
                "give it another name by AS.",
            )
    return found


def _arrow_type(sql_type: str) -> pa.DataType:
    return TIMESTAMP if sql_type == "TIMESTAMP" else pa.string()


def _named(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)
