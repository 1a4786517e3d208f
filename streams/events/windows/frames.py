"""Whether a window reads the events of a key within a time before the row's own, and how far."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import duckdb

from ....errors import UnsupportedModelError
from ....scoring.rewriting.syntax import column_path, parts_of
from ....scoring.trees import folded, plain_select

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....scoring.rewriting.syntax import Node

_NOW, _BEFORE = "CURRENT_ROW_RANGE", "EXPR_PRECEDING_RANGE"
_ASCENDING = {"ORDER_DEFAULT", "ASCENDING"}
_FRAME = "write RANGE BETWEEN INTERVAL 10 MINUTES PRECEDING AND CURRENT ROW."
_NO_TIME = timedelta()


def check_window(
    connection: duckdb.DuckDBPyConnection,
    window: Node,
    origins: Mapping[tuple[str, ...], str | None],
    key: Sequence[str],
    time: str,
) -> timedelta:
    """Check PARTITION BY, ORDER BY and the frame of a window, and say how far it looks back.

    Parameters
    ----------
    connection
        Which evaluates the bounds.
    window
        The window, as DuckDB's parser gives it.
    origins
        From paths in lower case to the columns of the events that they are.
    key
        The columns of the events by which rows must be partitioned, at least.
    time
        The column with the event's time.

    Raises
    ------
    UnsupportedModelError
        If it may read other rows than those, with the way out.
    """
    what = f"{window['function_name']} OVER in the query"
    by = {_origin(each, origins) for each in window["partitions"]}
    missing = [name for name in key if name not in by]
    if missing:
        raise UnsupportedModelError(
            what,
            f"it reads the events of other keys: PARTITION BY does not name {', '.join(missing)}.",
            f"write PARTITION BY {', '.join(key)}, the [window] key, or change the key.",
        )
    _check_order(what, window["orders"], origins, time)
    _check_bounds(what, window)
    bounds = [_distance(connection, what, window[end]) for end in ("start_expr", "end_expr")]
    return bounds[0]


def _origin(node: Node, origins: Mapping[tuple[str, ...], str | None]) -> str | None:
    path = column_path(node)
    return None if path is None else origins.get(folded(path))


def _check_order(
    what: str,
    orders: Sequence[Node],
    origins: Mapping[tuple[str, ...], str | None],
    time: str,
) -> None:
    found = [_origin(each["expression"], origins) for each in orders]
    if found != [time] or orders[0]["type"] not in _ASCENDING:
        raise UnsupportedModelError(
            what,
            f"its rows are not ordered by {time}, the event's time, and by nothing else.",
            f"write ORDER BY {time}.",
        )


def _check_bounds(what: str, window: Node) -> None:
    bounds = (window["start"], window["end"])
    if any(each.endswith(("_ROWS", "_GROUPS")) for each in bounds):
        raise UnsupportedModelError(
            what,
            "ROWS and GROUPS count rows, which may be older than any lookback, and the order among "
            "equal times is not certain.",
            _FRAME,
        )
    if any(each.startswith("UNBOUNDED") for each in bounds):
        raise UnsupportedModelError(
            what, "its frame has no bound, or is not written: it would need all events.", _FRAME
        )
    if not {*bounds} <= {_NOW, _BEFORE}:
        raise UnsupportedModelError(
            what, "its frame looks at later events, which have not come yet.", _FRAME
        )


def _distance(connection: duckdb.DuckDBPyConnection, what: str, bound: Node | None) -> timedelta:
    """Evaluate a bound: a constant interval of days and less, which is not negative."""
    if bound is None:
        return _NO_TIME
    if any(part.get("class") in {"COLUMN_REF", "PARAMETER"} for part in parts_of(bound)):
        raise UnsupportedModelError(what, "a bound of its frame is no constant.", _FRAME)
    text = plain_select(connection, [bound])
    try:
        [(type_, months, distance)] = connection.execute(
            "SELECT typeof(v), year(CAST(v AS INTERVAL)) * 12 + month(CAST(v AS INTERVAL)), v "
            f"FROM ({text}) AS t(v)"
        ).fetchall()
    except duckdb.Error as error:
        raise UnsupportedModelError(what, "a bound of its frame is no interval.", _FRAME) from error
    if type_ != "INTERVAL" or months:
        raise UnsupportedModelError(
            what,
            "a bound of its frame has no fixed length: months differ.",
            "write it in days, hours, minutes or seconds.",
        )
    if distance < _NO_TIME:
        raise UnsupportedModelError(
            what, "its frame looks at later events, which have not come yet.", _FRAME
        )
    return distance
