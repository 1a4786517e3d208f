"""A query as DuckDB's own parser reads it, and edits of its text.

DuckDB says where each expression stands, so what is not rewritten stays as the user wrote it, and
no other parser can read a query in another way than the one that runs it.
"""

from __future__ import annotations

import itertools
import json
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import duckdb

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Node: TypeAlias = dict[str, Any]
"""A part of a parsed query, as ``json_serialize_sql`` gives it."""

_NOWHERE = 2**63
_QUERIES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}


class Span(NamedTuple):
    """Where something stands in a query, in bytes."""

    start: int
    end: int


class Edit(NamedTuple):
    """A part of a query's text, and what takes its place."""

    span: Span
    text: str


class Query:
    """A query that is one SELECT, and its text."""

    def __init__(self, text: str, root: Node) -> None:
        """Hold the text and the parsed query."""
        self.text = text
        self.content = text.encode()
        self.root = root

    @cached_property
    def tokens(self) -> list[tuple[int, object, str]]:
        """Give where each token starts, its kind, and its text; comments are left out."""
        found = duckdb.tokenize(self.content.decode())
        ends = [*(place for place, _ in found[1:]), len(self.content)]
        return [
            (place, kind, self.content[place:end].decode().strip())
            for (place, kind), end in zip(found, ends, strict=True)
            if kind != duckdb.token_type.comment
        ]

    def text_of(self, span: Span) -> str:
        """Give what stands in a place."""
        return self.content[span.start : span.end].decode()

    def edited(self, edits: Iterable[Edit]) -> str:
        """Write the query with other text in some places, which do not overlap."""
        return self.part(Span(0, len(self.content)), edits)

    def part(self, span: Span, edits: Iterable[Edit]) -> str:
        """Write a part of the query with other text in some places within it."""
        parts: list[bytes] = []
        done = span.start
        for edit in sorted(edits):
            parts += [self.content[done : edit.span.start], edit.text.encode()]
            done = edit.span.end
        return b"".join([*parts, self.content[done : span.end]]).decode()


def parse(connection: duckdb.DuckDBPyConnection, text: str) -> Query | None:
    """Parse a query; None for what is not one SELECT."""
    try:
        statements = connection.extract_statements(text)
    except duckdb.Error:
        return None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        return None
    [(found,)] = connection.execute("SELECT json_serialize_sql(?)", [text]).fetchall()
    parsed = json.loads(found)
    return None if parsed["error"] else Query(text, parsed["statements"][0]["node"])


def is_syntax(connection: duckdb.DuckDBPyConnection, text: str) -> bool:
    """Whether DuckDB can parse a text."""
    try:
        connection.extract_statements(text)
    except duckdb.Error:
        return False
    return True


def span_of(node: Node) -> Span | None:
    """Say where a part stands; None where DuckDB does not say."""
    start, length = node.get("query_location", _NOWHERE), node.get("query_location_length", 0)
    return None if start >= _NOWHERE or not length else Span(start, start + length)


def is_query(node: Node) -> bool:
    """Whether a part is a query of its own."""
    return node.get("type") in _QUERIES


def parts_of(node: object) -> Iterator[Node]:
    """Give a part and everything in it, but for queries inside of it."""
    if isinstance(node, dict):
        if is_query(node):
            return
        yield node
        for each in node.values():
            yield from parts_of(each)
    elif isinstance(node, list):
        for each in node:
            yield from parts_of(each)


def queries_in(node: object) -> Iterator[Node]:
    """Give the queries that stand directly inside of a part."""
    if isinstance(node, dict):
        if is_query(node):
            yield node
            return
        for each in node.values():
            yield from queries_in(each)
    elif isinstance(node, list):
        for each in node:
            yield from queries_in(each)


def conjuncts(condition: Node | None) -> list[Node]:
    """Split a condition at its ANDs."""
    if condition is None:
        return []
    if condition["type"] == "CONJUNCTION_AND":
        return [part for child in condition["children"] for part in conjuncts(child)]
    return [condition]


def column_path(node: Node) -> list[str] | None:
    """Give the names of a column reference, the last of which is the column; None for others."""
    return node["column_names"] if node.get("class") == "COLUMN_REF" else None


def split_arguments(text: str, naming: tuple[bytes, ...] = (b":=", b"=>")) -> list[str] | None:
    """Split what stands between the parentheses of a call at its commas, names cut off.

    ``naming`` are the signs behind a name.

    None where there are comments, which could swallow what is written behind them.
    """
    content = text.encode()
    kinds = dict(duckdb.tokenize(text))
    if duckdb.token_type.comment in kinds.values():
        return None
    starts = sorted(kinds)
    commas: list[int] = []
    names: dict[int, int] = {}
    depth = 0
    for start, end in zip(starts, [*starts[1:], len(content)], strict=True):
        if kinds[start] != duckdb.token_type.operator:
            continue
        for place, letter in enumerate(content[start:end].decode(), start):
            depth += (letter in "([{") - (letter in ")]}")
            if letter == "," and depth == 0:
                commas.append(place)
        if depth == 0 and content[start:end].rstrip() in naming:
            names.setdefault(len(commas), end)
    bounds = [-1, *commas, len(content)]
    return [
        content[names.get(index, before + 1) : after].decode().strip()
        for index, (before, after) in enumerate(itertools.pairwise(bounds))
    ]
