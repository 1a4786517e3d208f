"""The last windows of a query as a join: for few events, far quicker than for all in the slice.

DuckDB computes a window for each row that it reads; of a slice only the events that are ready are
asked for. So each of those is joined with the rows of its frame, and they are aggregated. The
aggregates that windows may have give the same bits either way: they depend on the values alone.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ....scoring.trees import column, giving, placeless, plain_select, reading, unnamed, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import duckdb

    from ....scoring.rewriting.syntax import Node

_TAKEN, _SOURCE, _TIME = "foresql_taken", "foresql_source", "foresql_time"
_NOW = "CURRENT_ROW_RANGE"
_FRAME = ("partitions", "start", "start_expr", "end", "end_expr", "exclude_clause")
"""What windows of one frame have in common."""


def write_joined(
    connection: duckdb.DuckDBPyConnection,
    layer: Node,
    named: Sequence[Node],
    windows: Sequence[Node],
    row: str,
) -> list[tuple[str, str]]:
    """Write a layer whose windows are joins, as CTEs: names and texts. The layer comes last.

    Parameters
    ----------
    connection
        Whose parser reads and writes.
    layer
        The layer, over what it reads, with ``row`` among its entries; without QUALIFY.
    named
        Its entries without windows that have a name, which arguments may use.
    windows
        Its windows.
    row
        The column that knows rows: the ready ones are those that are not negative.
    """
    frames: dict[str, list[int]] = {}
    for place, window in enumerate(windows):
        same = json.dumps(placeless([window[name] for name in _FRAME]))
        frames.setdefault(same, []).append(place)
    parts = [column(row), _as(windows[0]["orders"][0]["expression"], _TIME)]
    for place, window in enumerate(windows):
        parts += _columns(place, window)
    ctes = [(_TAKEN, write(connection, giving(layer, [*named, *parts])))]
    joins: list[str] = []
    for places in frames.values():
        name, of = f"foresql_frame_{places[0]}", f"foresql_of_{places[0]}"
        condition = _condition(connection, windows[places[0]], places[0], row)
        values = [_aggregate(connection, windows[place], place, row) for place in places]
        text = (
            f"SELECT r.{row} AS {of}, {', '.join(values)}\n"
            f"FROM (SELECT * FROM {_TAKEN} WHERE {row} >= 0) AS r\n"
            f"LEFT JOIN {_TAKEN} AS s ON {condition}\nGROUP BY r.{row}"
        )
        ctes.append((name, text))
        joins.append(f"JOIN {name} ON {of} = c.{row}")
    ctes.append(
        (_SOURCE, f"SELECT * FROM {layer['from_table']['table_name']} AS c {' '.join(joins)}")
    )
    added = [f"foresql_of_{places[0]}" for places in frames.values()]
    added += [f"foresql_window_{place}" for place in range(len(windows))]
    numbers = {id(window): place for place, window in enumerate(windows)}
    called = layer["from_table"]["alias"] or layer["from_table"]["table_name"]
    rest = reading(_replaced(layer, numbers, added), _SOURCE, called)
    return [*ctes, ("", write(connection, rest))]


def _as(node: Node, alias: str) -> Node:
    return {**unnamed(node), "alias": alias}


def _columns(place: int, window: Node) -> Iterable[Node]:
    """Have what a window reads be columns: its first argument, its filter, its partitions."""
    for each in window["arguments"][:1]:
        yield _as(each["expression"], f"foresql_argument_{place}")
    if window["filter_expr"]:
        yield _as(window["filter_expr"], f"foresql_filter_{place}")
    for number, each in enumerate(window["partitions"]):
        yield _as(each, f"foresql_key_{place}_{number}")


def _condition(connection: duckdb.DuckDBPyConnection, window: Node, place: int, row: str) -> str:
    """Say which rows ``s`` are in the frame of a row ``r``."""
    keys = [f"foresql_key_{place}_{number}" for number in range(len(window["partitions"]))]
    parts = [f"s.{key} IS NOT DISTINCT FROM r.{key}" for key in keys]
    for sign, end in ((">=", "start"), ("<=", "end")):
        back = ""
        if window[end] != _NOW:
            back = (
                f" - ({plain_select(connection, [window[f'{end}_expr']]).removeprefix('SELECT ')})"
            )
        parts.append(f"s.{_TIME} {sign} r.{_TIME}{back}")
    excluded = {
        "NO_OTHER": [],
        "CURRENT_ROW": [f"s.{row} <> r.{row}"],
        "GROUP": [f"s.{_TIME} <> r.{_TIME}"],
        "TIES": [f"(s.{_TIME} <> r.{_TIME} OR s.{row} = r.{row})"],
    }
    return " AND ".join([*parts, *excluded[window["exclude_clause"]]])


def _aggregate(connection: duckdb.DuckDBPyConnection, window: Node, place: int, row: str) -> str:
    """Write the aggregate of a window over the rows ``s`` of its frame, of which may be none."""
    is_counted = not window["arguments"]
    arguments = "*" if is_counted else f"s.foresql_argument_{place}"
    for each in window["arguments"][1:]:
        arguments += f", {plain_select(connection, [each['expression']]).removeprefix('SELECT ')}"
    distinct = "DISTINCT " if window["distinct"] else ""
    conditions = [f"s.{row} IS NOT NULL"]
    if window["filter_expr"]:
        conditions.append(f"s.foresql_filter_{place}")
    name = "count" if is_counted else window["function_name"]
    return (
        f"{name}({distinct}{arguments}) FILTER (WHERE {' AND '.join(conditions)}) "
        f"AS foresql_window_{place}"
    )


def _replaced(node: Any, numbers: Mapping[int, int], added: Sequence[str]) -> Any:
    """Put columns in the place of windows, and keep those and others out of a star."""
    if isinstance(node, list):
        return [_replaced(each, numbers, added) for each in node]
    if not isinstance(node, dict):
        return node
    if id(node) in numbers:
        return column(f"foresql_window_{numbers[id(node)]}", node["alias"])
    changed = {name: _replaced(value, numbers, added) for name, value in node.items()}
    if node.get("class") == "STAR":
        changed["exclude_list"] = [*node["exclude_list"], *added]
    return changed
