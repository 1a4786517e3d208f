"""Rewrite a query with models in it: smaller models, fewer columns, the same rows and numbers."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import duckdb

from ...errors import RegistrationError
from ...udfs.duckdb import connect
from ..query import bind_query, register_called
from .calls import find_calls, names_read
from .choosing import Chooser
from .costs import Rows
from .explaining import ExplainedCall, Explanation
from .functions import Functions
from .knowledge import Knowledge
from .left import Left
from .planning import Planner
from .rewritten import Rewritten
from .scopes import Catalog, read_scopes
from .statistics import Statistics
from .syntax import is_syntax, parse

if TYPE_CHECKING:
    from pathlib import Path

    from ..query import Called
    from .syntax import Query

ROUTES = ("auto", "sql", "udf")
_MOST_PASSES = 8
_functions: WeakKeyDictionary[duckdb.DuckDBPyConnection, Functions] = WeakKeyDictionary()
"""The functions of each connection, as they were when it was last asked."""
_left: WeakKeyDictionary[duckdb.DuckDBPyConnection, Left] = WeakKeyDictionary()
"""What stayed as it is in each connection, while it had these functions."""


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
        As the query itself does: if it does not parse, or lacks a model, a table or a column. Of a
        query like one that stayed as it is, these come when it runs.
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
    stays = _left[connection].find(query, (registry, route, statistics))
    if stays is not None:
        return Rewritten(query, stays, connection)
    try:
        made = _with(functions, query, connection, registry, route, statistics=statistics)
    except (duckdb.Error, RegistrationError):
        return None
    if made is None or made.sql == query or functions.are_same(query):
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
        _left[connection] = Left(functions)
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
    if made.sql == query:
        options = (registry, route, statistics)
        _left[connection].add(query, options, made.explain, is_clear=made.clearly_stays)
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
    if made.sql == query or _described(connection, made.described(connection)) == wanted:
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
    catalog, safe = Catalog(connection), functions.safe()
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
        chooser = Chooser(Knowledge(None), sampled, measured, rows, route, safe)
        plan = Planner(connection, query, scopes, chooser).plan(waiting)
        made.owns(plan)
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
