"""The layers of a scoring query: what it reads from, down to the events, each a plain SELECT."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ....errors import UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....scoring.rewriting.syntax import Node

_ONE_CHAIN = (
    "read one subquery or CTE, which reads another or the events; join in a view of a stream task."
)
_ROW_BY_ROW = "leave it out: each event gives one row, or none by WHERE or QUALIFY."
_EMPTY = {
    "modifiers": "ORDER BY, LIMIT or DISTINCT",
    "group_expressions": "GROUP BY",
    "group_sets": "GROUP BY",
    "having": "HAVING",
    "sample": "USING SAMPLE",
}


class Layer(NamedTuple):
    """One SELECT below the outermost: what its text calls what it reads, and its tree."""

    select: Node
    row: str


class Chain(NamedTuple):
    """A query's layers, from the events up, and how the outermost SELECT calls the last one."""

    layers: tuple[Layer, ...]
    row: str


def read_chain(root: Node, table: str) -> Chain:
    """Follow a query from its outermost SELECT down to the events.

    Parameters
    ----------
    root
        The outermost SELECT.
    table
        What the query calls the events.

    Raises
    ------
    UnsupportedModelError
        If it is not one chain of SELECTs, each of which gives a row or none for one that it reads.
    """
    ctes = [(each["key"], each["value"]) for each in root["cte_map"]["map"]]
    layers: list[Layer] = []
    select, read = root, 0
    row = top = _row(root["from_table"])
    while True:
        found, ctes, is_cte = _next(select["from_table"], ctes, table)
        read += is_cte
        if found is None:
            break
        _check(found)
        row = _row(found["from_table"])
        layers.append(Layer(found, row))
        select = found
    if read != len(root["cte_map"]["map"]):
        raise UnsupportedModelError(
            "WITH in the query", "a part of it is not read, or read twice.", _ONE_CHAIN
        )
    return Chain(tuple(reversed(layers)), top)


def _row(source: Node) -> str:
    return source.get("alias") or source.get("table_name") or "unnamed_subquery"


def _next(
    source: Node, ctes: Sequence[tuple[str, Node]], table: str
) -> tuple[Node | None, list[tuple[str, Node]], bool]:
    """Give what a FROM reads, the CTEs that it sees, and whether it is one; None for the events."""
    seen = list(ctes)
    if source.get("sample") or source.get("column_name_alias") or source.get("at_clause"):
        raise UnsupportedModelError(
            "FROM in the query", "it has a sample, a time or names of columns.", "leave them out."
        )
    if source["type"] == "SUBQUERY":
        return source["subquery"]["node"], seen, False
    if source["type"] != "BASE_TABLE":
        raise UnsupportedModelError(
            "FROM in the query", "it is not one table, subquery or CTE.", _ONE_CHAIN
        )
    path = source["qualified_name"]["path"]
    for place in range(len(seen) - 1, -1, -1):
        name, value = seen[place]
        if [name.casefold()] == [each.casefold() for each in path]:
            if value["aliases"]:
                raise UnsupportedModelError(
                    f"WITH {name} in the query", "it names its columns twice.", "name them by AS."
                )
            return value["query_node"], seen[:place], True
    if path[-1].casefold() != table.casefold():
        raise UnsupportedModelError(
            f"FROM {'.'.join(path)} in the query",
            f"it is neither the events, which are {table}, nor a CTE before it.",
            _ONE_CHAIN,
        )
    return None, seen, False


def _check(select: Node) -> None:
    if select["type"] != "SELECT_NODE" or select.get("aggregate_handling") != "STANDARD_HANDLING":
        raise UnsupportedModelError(
            "a set operation, GROUP BY ALL or recursion in the query",
            "it does not give one row for each that it reads.",
            _ROW_BY_ROW,
        )
    if select["cte_map"]["map"]:
        raise UnsupportedModelError(
            "WITH in a subquery", "its layers are not in order.", "write them in the first WITH."
        )
    for key, name in _EMPTY.items():
        if select[key]:
            raise UnsupportedModelError(
                f"{name} below the outermost SELECT",
                "it does not give one row for each that it reads.",
                _ROW_BY_ROW,
            )
