"""An endpoint's query in DuckDB: planned once, and run for the rows of each request."""

from __future__ import annotations

import itertools
import warnings
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from ...errors import ScoringError
from ...scoring.changing_rows import OF_AN_EVENT, Rows, reason_of
from ...scoring.query import connect_quietly
from ...scoring.trees import settle
from .snapshots import in_one_snapshot
from .writing import REQUEST, ROW, view_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from ...online import FeatureView, OnlineView
    from .query import EndpointQuery, Looked
    from .writing import Stage

    Key = tuple[Any, ...]

_PLAN, _STAGE = "foresql_plan", "foresql_stage_{}"


class Answered(NamedTuple):
    """What a query answers.

    Attributes
    ----------
    rows
        The number of the request's row that each answer is for; they ascend.
    values
        The answers: Python's values of the outputs, in their order.
    as_of
        When the warehouse was read, of each feature view.
    """

    rows: Sequence[int]
    values: Sequence[Sequence[Any]]
    as_of: Mapping[str, datetime]


class Engine:
    """One connection with the plans of a query. One thread at a time uses it."""

    def __init__(
        self, query: EndpointQuery, registry: Path, views: Mapping[str, OnlineView]
    ) -> None:
        """Register the models, and plan the statements.

        Raises
        ------
        ForesqlError
            If a model cannot be registered.
        """
        # It is said for each batch; that the copy is small is known.
        warnings.filterwarnings("ignore", "Arrow output on a DB-API result", UserWarning)
        self._query, self._views = query, views
        self._connection = connect_quietly(":memory:")
        try:
            self._plan(registry)
        except BaseException:
            self._connection.close()
            raise

    def _plan(self, registry: Path) -> None:
        settle(self._connection)
        self._connection.execute("SET threads = 1")
        self._request = Rows(self._query.schema.empty_table())
        self._connection.register(REQUEST, self._request)
        self._looked = [Rows(looked.schema.empty_table()) for looked in self._query.joined]
        for number, rows in enumerate(self._looked):
            self._connection.register(view_name(number), rows)
        self._query.pinned.register(self._connection, registry)
        statements = self._query.statements
        for number, stage in enumerate(statements.stages):
            if stage.text is not None:
                self._connection.execute(f"PREPARE {_STAGE.format(number)} AS {stage.text}")
        self._connection.execute(f"PREPARE {_PLAN} AS {statements.text}")

    def run(self, rows: pa.RecordBatch) -> Answered:
        """Answer rows.

        Raises
        ------
        MissingEntityError
            If a feature view has no row for one, and declares none.
        ScoringError
            If the library, or DuckDB, refuses a row; the message says which.
        """
        table = pa.Table.from_batches([rows])
        try:
            return self._answered(table, 0)
        except _OF_A_ROW as error:
            raise self._refused(table, error) from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _answered(self, rows: pa.Table, first: int) -> Answered:
        numbers = pa.array(range(first, first + rows.num_rows), pa.int64())
        self._request.table = rows.append_column(ROW, numbers)
        as_of = in_one_snapshot(self._views, self._look_up)
        found = self._executed(_PLAN)
        order = found[ROW].to_pylist()
        if any(a > b for a, b in itertools.pairwise(order)):
            found = found.sort_by(ROW)
            order = found[ROW].to_pylist()
        names = [output.name for output in self._query.outputs]
        columns = [_values(found[name], f"the answer {name!r}") for name in names]
        return Answered(order, list(zip(*columns, strict=True)), as_of)

    def _look_up(self, views: Mapping[str, OnlineView]) -> dict[str, datetime]:
        """Fill the relations of the feature views with the rows that are asked for."""
        as_of: dict[str, datetime] = {}
        for number, stage in enumerate(self._query.statements.stages):
            keys = self._keys(number, stage)
            at = 0
            for place, width in stage.joins:
                looked = self._query.joined[place]
                wanted = dict.fromkeys(zip(*keys[at : at + width], strict=True))
                at += width
                whole = [key for key in wanted if None not in key]
                view, rows = look_up(views[looked.view.name], whole)
                as_of[view.name] = view.as_of
                self._looked[place].table = _as_table(view, looked, rows)
        return as_of

    def _keys(self, number: int, stage: Stage) -> list[list[Any]]:
        if stage.text is None:
            table = self._request.table
            names = {name.casefold(): name for name in table.column_names}
            return [table[names[name]].to_pylist() for name in stage.columns]
        found = self._executed(_STAGE.format(number))
        views = ", ".join(self._query.joined[place].view.name for place, _ in stage.joins)
        return [_values(column, f"a key of {views}") for column in found.columns]

    def _executed(self, plan: str) -> pa.Table:
        return self._connection.execute(f"EXECUTE {plan}").to_arrow_table()

    def _refused(self, rows: pa.Table, error: Exception) -> ScoringError:
        """Say which row is refused: halves are asked until it is alone."""
        first = 0
        while rows.num_rows > 1:
            half = rows.num_rows // 2
            try:
                self._answered(rows.slice(0, half), first)
            except _OF_A_ROW as found:
                error, rows = found, rows.slice(0, half)
            else:
                rows, first = rows.slice(half), first + half
        is_ours = isinstance(error, _BeyondError)
        return ScoringError(f"Row {first}: {error if is_ours else reason_of(error)}")


class _BeyondError(Exception):
    """A row has a time that Python does not have."""


_OF_A_ROW = (*OF_AN_EVENT, _BeyondError)


def _values(column: pa.ChunkedArray, what: str) -> list[Any]:
    """Give Python's values of a column.

    Raises
    ------
    _BeyondError
        If a time is infinite, or not of the years that can be said.
    """
    try:
        return column.to_pylist()
    except (OverflowError, ValueError):
        message = (
            f"{what} leaves the years 1 to 9999, or is infinite, which no answer can say. Use "
            "CASE in the query, or CAST it to VARCHAR."
        )
        raise _BeyondError(message) from None


def look_up(online: OnlineView, keys: Sequence[Key]) -> tuple[FeatureView, list[tuple[Any, ...]]]:
    """Look entities up in one snapshot, with the declared rows of those that are missing.

    Those that are missing and mean NULL have no row: the JOIN says what becomes of them.

    Raises
    ------
    MissingEntityError
        If one is missing, and that is an error.
    """
    view, found = online.look_up(keys)
    rows: list[tuple[Any, ...]] = []
    for key, row in zip(keys, found, strict=True):
        if row is not None:
            rows.append(row)
        elif view.missing.kind != "null":
            rows.append(view.missing_row(key))
    return view, rows


def _as_table(view: FeatureView, looked: Looked, rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    places = [list(view.columns).index(name) for name in looked.columns]
    arrays = [
        pa.array([row[place] for row in rows], field.type)
        for place, field in zip(places, looked.schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=looked.schema)


class Engines:
    """As many engines as there are scoring threads, so that each finds one free."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        """Take the engines."""
        self._free: SimpleQueue[Engine] = SimpleQueue()
        for engine in engines:
            self._free.put(engine)

    def run(self, rows: pa.RecordBatch) -> Answered:
        """Answer rows by a free engine."""
        engine = self._free.get()
        try:
            return engine.run(rows)
        finally:
            self._free.put(engine)

    def close(self) -> None:
        """Close all engines; none is asked any more."""
        while not self._free.empty():
            self._free.get_nowait().close()
