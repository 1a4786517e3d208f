"""The names that DuckDB gives to columns of a result that have none of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import duckdb

from .syntax import Span, parts_of, span_of

if TYPE_CHECKING:
    from .syntax import Node, Query

_EMPTY = {"type": "EMPTY", "alias": "", "sample": None}
_CLAUSES = {
    "from", "into", "where", "group", "having", "window", "qualify", "order", "limit", "offset",
    "union", "intersect", "except", "using", "fetch",
}  # fmt: skip


def implied_name(connection: duckdb.DuckDBPyConnection, item: Node) -> str:
    """Give the name of an entry of a SELECT without an alias: its text, as DuckDB writes it."""
    node = {
        "type": "SELECT_NODE",
        "modifiers": [],
        "cte_map": {"map": []},
        "select_list": [item],
        "from_table": _EMPTY,
        "where_clause": None,
        "group_expressions": [],
        "group_sets": [],
        "aggregate_handling": "STANDARD_HANDLING",
        "having": None,
        "sample": None,
        "qualify": None,
    }
    statement = {"error": False, "statements": [{"node": node, "named_param_map": []}]}
    query = "SELECT json_deserialize_sql(?)"
    [(text,)] = connection.execute(query, [json.dumps(statement)]).fetchall()
    return text.removeprefix("SELECT ")


def end_of_item(query: Query, item: Node) -> int | None:
    """Say where an entry of a SELECT ends, closing parentheses included."""
    spans = [span for part in parts_of(item) if (span := span_of(part)) is not None]
    if not spans:
        return None
    hull = Span(min(s.start for s in spans), max(s.end for s in spans))
    tokens = query.tokens
    depth = _opened_before(tokens, hull.start)
    if depth is None:
        return None
    for place, kind, text in tokens:
        if place < hull.start:
            continue
        is_operator = kind == duckdb.token_type.operator
        if place >= hull.end and depth == 0:
            ends = text in (",", ")", ";") if is_operator else text.casefold() in _CLAUSES
            if ends:
                return len(query.content[:place].rstrip())
        if is_operator:
            depth += (text in "([{") - (text in ")]}")
    return len(query.content.rstrip())


def _opened_before(tokens: list[tuple[int, object, str]], start: int) -> int | None:
    """Count the parentheses that the entry opened before a place: back to its SELECT."""
    depth = 0
    for place, kind, text in reversed(tokens):
        if place >= start:
            continue
        if kind == duckdb.token_type.operator:
            depth += (text in "([{") - (text in ")]}")
        elif text.casefold() == "select" and depth >= 0:
            return depth
    return None
