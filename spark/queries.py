"""The scoring query of everywhere, over a table or a stream of Spark.

Workers run the query in DuckDB over their part of the rows: it means what it means everywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from ..errors import RegistrationError, UnsupportedModelError
from ..registry import Registry, default_path
from ..scoring.query import connect_quietly
from ..scoring.row_query import WaysOut, parse_row_query
from ..streams.query import read_row_query
from ..udfs.duckdb.macros import quote
from ..udfs.duckdb.ownership import KINDS, function_name
from .frames import find_table, only_columns
from .plan import ROWS
from .shipping import answered, ship
from .windows import for_spark, run_windows, windowed_table, windows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..streams.query import Pinned, RowQuery

_WAYS_OUT = WaysOut(
    "join in a view of Spark, and name that view here.",
    "compute it in a view of Spark, and name that view here.",
)


def run_query(
    session: Any,
    query: str,
    *,
    key: Sequence[str] = (),
    time: str | None = None,
    registry: str | Path | None = None,
) -> Any:
    """Score a table, a view or a stream of Spark by a scoring query, as it runs in DuckDB.

    Parameters
    ----------
    session
        A ``SparkSession``, classic or Connect.
    query
        One SELECT in DuckDB's SQL over one table or view that the session knows, row by row; of a
        table also over windows of time. ``predict_delay`` is the champion of ``delay``, found and
        registered by itself; its version is the one that it means at the call.
    key, time
        For windows: the columns of their PARTITION BY, and the one of their ORDER BY.
    registry
        The registry's folder; by default ``FORESQL_REGISTRY`` or ``./foresql_registry``.

    Returns
    -------
    pyspark.sql.DataFrame
        What the query gives. Nothing runs before it is asked for.

    Raises
    ------
    UnsupportedModelError
        If its rows depend on other rows than windows have, with the way out.
    RegistrationError, SignatureError
        If it does not fit the table, or gives a type that Spark has not.

    Examples
    --------
    >>> query = "SELECT id, predict_delay(f) AS late FROM flights f"
    >>> foresql.spark.run_query(spark, query)  # doctest: +SKIP
    """
    check_session(session)
    folder = Path(registry) if registry else default_path()
    table = windowed_table(query)
    if table is None:
        return _run_rows(session, query, folder)
    frame = find_table(session, table)
    if frame.isStreaming:
        raise UnsupportedModelError(
            "a window over a stream",
            "its rows come in any order, and what is looked back at has to be kept.",
            "use foresql.spark.window_batches(query, folder, key=…, time=…, lateness=…).",
        )
    windows = windows_of(query, table[-1], key, time)
    return run_windows(frame, windows, folder, ready=False)[0]


def _run_rows(session: Any, query: str, registry: Path) -> Any:
    """Run a query that is row by row."""
    _, table = parse_row_query(query, _WAYS_OUT)
    frame = find_table(session, [part.name for part in table.parts])
    return score_rows(frame, query, registry)[0]


def score_rows(frame: Any, query: str, registry: Path) -> tuple[Any, Pinned]:
    """Run a query that is row by row over a frame, and say by which versions."""
    select, _ = parse_row_query(query, _WAYS_OUT)
    with for_spark(), connect_quietly(":memory:") as connection:
        read = read_row_query(connection, query, frame.columns, registry)
    pinned = read.pin(registry)
    frame = only_columns(frame, columns_read(select, read, pinned, registry, frame.columns))
    plan = ship(frame, read.over(quote(ROWS)), pinned, registry, ())
    return answered(frame, plan, pinned, registry), pinned


def check_session(session: Any) -> None:
    """Refuse what is no session of Spark."""
    if not hasattr(session, "addArtifact"):
        message = f"run_query(session, query) takes a SparkSession, not {type(session).__name__}."
        raise RegistrationError(message)


def columns_read(
    select: exp.Expr, read: RowQuery, pinned: Pinned, registry: Path, columns: list[str]
) -> list[str]:
    """Say which columns a query may read: those that it names, and those of its models.

    All of them, where something else than a model takes the row.
    """
    calls = {function_name(name, kind).casefold() for name, _ in pinned.functions for kind in KINDS}
    for column in select.find_all(exp.Column):
        if not column.table and column.name.casefold() == read.row.casefold():
            call = column.parent
            if not isinstance(call, exp.Anonymous) or call.name.casefold() not in calls:
                return columns
    store = Registry.open(registry)
    of_models = {
        name.casefold()
        for _, version in pinned.functions
        for name in store.load(version).model.signature.names
    }
    text = read.text.casefold()
    return [
        name
        for name in columns
        if name.casefold() in of_models or '"' in name or name.casefold() in text
    ]
