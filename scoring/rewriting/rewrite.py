"""Rewrite a query with models in it: smaller models, fewer columns, the same rows and numbers."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import duckdb

from ...errors import RegistrationError
from ...udfs.duckdb import connect
from ..query import bind_query, register_called
from .calls import Functions, find_calls, names_read
from .choosing import Chooser
from .costs import Rows
from .explaining import ExplainedCall, Explanation
from .knowledge import Knowledge
from .planning import Planner
from .scopes import Catalog, read_scopes
from .statistics import Statistics
from .syntax import is_syntax, parse

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from ...udfs.duckdb import PrivateFunction
    from ..query import Called
    from .syntax import Query

ROUTES = ("auto", "sql", "udf")
_MOST_PASSES = 8
_functions: WeakKeyDictionary[duckdb.DuckDBPyConnection, Functions] = WeakKeyDictionary()
"""The functions of each connection, as they were when it was last asked."""


@dataclass(slots=True, eq=False)
class Rewritten:
    """A query after rewriting.

    Its text calls functions of smaller models, which are there in this connection until
    :meth:`close`; in a ``with`` statement that happens at its end.

    Attributes
    ----------
    sql
        The text. Where it rests on statistics it ends with an error, and never with another
        answer, once the tables hold something else.
    explain
        What was done, and why.
    """

    sql: str
    explain: Explanation
    _connection: duckdb.DuckDBPyConnection = field(repr=False)
    _functions: list[PrivateFunction] = field(default_factory=list, repr=False)
    _is_own: bool = field(default=False, repr=False)
    _called: Called | None = field(default=None, repr=False)

    @property
    def relation(self) -> duckdb.DuckDBPyRelation | None:
        """The query as a relation, which runs each time that it is read."""
        if self._called is not None:
            return bind_query(self._connection, self.sql, self._called)
        return self._connection.sql(self.sql)

    def execute(self) -> duckdb.DuckDBPyConnection:
        """Run the query."""
        return self._connection.execute(self.sql)

    def close(self) -> None:
        """Remove the functions of smaller models."""
        for function in self._functions:
            function.remove()
        self._functions.clear()
        if self._is_own:
            self._connection.close()

    def owns(self, functions: list[PrivateFunction]) -> None:
        """Take functions that go with this query."""
        self._functions += functions

    def calls_of(self, called: Called) -> None:
        """Say which models it calls."""
        self._called = called

    def belongs(self, *, is_own: bool) -> None:
        """Say whether its connection goes with it."""
        self._is_own = is_own

    def __enter__(self) -> Self:
        """Give this."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the functions."""
        self.close()


def rewrite(
    query: str,
    connection: duckdb.DuckDBPyConnection | None = None,
    *,
    registry: str | Path | None = None,
    route: str = "auto",
    statistics: bool = True,
) -> Rewritten:
    """Make a query with models in it faster, with the same result.

    Each call of ``predict_…`` or ``predict_proba_…`` gets the smaller model that its rows need:
    conditions of the query and, with ``statistics``, what its tables hold decide which branches of
    trees no row can reach. Columns that no tree reads any more are not read, and joins that only
    such columns need are left out where that changes no rows.

    Parameters
    ----------
    query
        SQL. Anything but one SELECT stays as it is.
    connection
        Where the query runs; by default a new one in memory, which sees files.
    registry
        The registry's folder, for models that the connection does not have; as in
        :func:`~foresql.run_query`.
    route
        ``"udf"``: calls of functions. ``"sql"``: models as SQL where that is exact, else functions.
        ``"auto"``: for each call what is estimated to take less time, and the query as it is where
        rewriting does not pay.
    statistics
        Whether to ask the tables what they hold.

    Raises
    ------
    RegistrationError, duckdb.Error
        As the query itself does: if it does not parse, or lacks a model, a table or a column.
    """
    if route not in ROUTES:
        message = f"route={route!r} is none of {', '.join(ROUTES)}."
        raise RegistrationError(message)
    started = perf_counter()
    is_own = connection is None
    connection = connect() if connection is None else connection
    with ExitStack() as stack:
        if is_own:
            stack.callback(connection.close)
        made = _as_last_time(query, connection, registry, route, statistics=statistics)
        if made is None:
            made = _anew(query, connection, registry, route, statistics=statistics)
        stack.pop_all()
    made.explain = replace(made.explain, seconds=perf_counter() - started)
    made.belongs(is_own=is_own)
    return made


def _as_last_time(
    query: str,
    connection: duckdb.DuckDBPyConnection,
    registry: str | Path | None,
    route: str,
    *,
    statistics: bool,
) -> Rewritten | None:
    """Rewrite with the functions that the connection had for the last query.

    To read them takes longer than all else that decides that a query stays as it is. One that does
    not stay is given only if they are the same still.
    """
    functions = _functions.get(connection)
    if functions is None or not functions.may_be_all_of(query):
        return None
    try:
        made = _with(functions, query, connection, registry, route, statistics=statistics)
    except (duckdb.Error, RegistrationError):
        return None
    if made is None or made.sql == query or functions.are_same():
        return made
    made.close()
    return None


def _anew(
    query: str,
    connection: duckdb.DuckDBPyConnection,
    registry: str | Path | None,
    route: str,
    *,
    statistics: bool,
) -> Rewritten:
    made = None
    while made is None:
        functions = _functions[connection] = Functions(connection)
        made = _with(functions, query, connection, registry, route, statistics=statistics)
    return made


def _with(  # noqa: PLR0913 - a query, and what it is rewritten by
    functions: Functions,
    query: str,
    connection: duckdb.DuckDBPyConnection,
    registry: str | Path | None,
    route: str,
    *,
    statistics: bool,
) -> Rewritten | None:
    """Rewrite with some functions; None where it calls others, which are registered now."""
    called = register_called(connection, query, registry, functions.ready(query))
    if called.is_new:
        return None
    made = _rewritten(query, connection, called, functions, route, statistics=statistics)
    made.calls_of(called)
    return made


def _rewritten(  # noqa: PLR0913 - a query, and what it is rewritten by
    query: str,
    connection: duckdb.DuckDBPyConnection,
    called: Called,
    functions: Functions,
    route: str,
    *,
    statistics: bool,
) -> Rewritten:
    parsed = parse(connection, query)
    if parsed is None:
        if not is_syntax(connection, query):
            bind_query(connection, query, called)
        return Rewritten(query, Explanation(note="Only a single SELECT is rewritten."), connection)
    bound = bind_query(connection, query, called)
    wanted = None if bound is None else (bound.columns, list(map(str, bound.types)))
    made = _in_passes(parsed, connection, functions, route, statistics=statistics)
    if made.sql == query or _described(connection, made.sql) == wanted:
        return made
    made.close()
    if statistics:
        # What guards the statistics is a subquery, which not every place takes.
        return _rewritten(query, connection, called, functions, route, statistics=False)
    note = "The query stays as it is: DuckDB does not give the rewritten one the same columns."
    return Rewritten(query, Explanation(note=note), connection)


def _described(
    connection: duckdb.DuckDBPyConnection, query: str
) -> tuple[list[str], list[str]] | None:
    try:
        relation = connection.sql(query)
    except duckdb.Error:
        return None
    return relation.columns, list(map(str, relation.types))


def _in_passes(
    query: Query,
    connection: duckdb.DuckDBPyConnection,
    functions: Functions,
    route: str,
    *,
    statistics: bool,
) -> Rewritten:
    """Rewrite the innermost calls, then those around them, until nothing changes."""
    catalog = Catalog(connection)
    rows = Rows(connection, catalog.rows)
    asked = [Statistics(connection, catalog.rows), Statistics(connection)] if statistics else []
    made = Rewritten(query.text, Explanation(), connection)
    calls: list[ExplainedCall] = []
    removed: list[str] = []
    kept: list[str] = []
    unchanged: set[str] = set()
    for _ in range(_MOST_PASSES):
        scopes = read_scopes(query.root, catalog)
        found = find_calls(query, scopes, functions)
        new = [(call, reason) for call, reason in found.left if call not in unchanged]
        calls += [
            ExplainedCall(call=call, model="", route="unchanged", reason=reason)
            for call, reason in new
        ]
        unchanged.update(call for call, _ in new)
        waiting = [call for call in found.calls if call.text not in unchanged]
        if not waiting:
            break
        for each in asked:
            each.expect(names_read(waiting))
        sampled, measured = map(Knowledge, asked) if asked else (None, None)
        chooser = Chooser(Knowledge(None), sampled, measured, rows, route, functions.safe)
        plan = Planner(connection, query, scopes, chooser).plan(waiting)
        made.owns(plan.functions)
        calls += plan.calls
        unchanged.update(call.call for call in plan.calls if call.route == "unchanged")
        unchanged.update(plan.kept)
        removed += plan.joins_removed
        kept += plan.joins_kept
        made.sql = query.edited(plan.edits)
        again = None if plan.is_last else parse(connection, made.sql)
        if again is None:
            break
        query = again
    made.explain = Explanation(
        calls=tuple(calls), joins_removed=tuple(removed), joins_kept=tuple(kept)
    )
    return made
