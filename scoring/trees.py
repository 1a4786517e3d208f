"""Parts of a query as DuckDB's parser gives them, written as text again."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from ..errors import UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from .rewriting.syntax import Node


def settle(connection: duckdb.DuckDBPyConnection) -> None:
    """Have features be the same on each machine, and for the outermost SELECT.

    They cross Arrow as what they are: a sum of whole numbers stays HUGEINT. Times are UTC.
    """
    connection.execute("SET arrow_lossless_conversion = true")
    connection.execute("SET TimeZone = 'UTC'")


def write(connection: duckdb.DuckDBPyConnection, select: Node) -> str:
    """Write a SELECT as text, and make sure that DuckDB reads the same from it.

    Raises
    ------
    UnsupportedModelError
        If it does not.
    """
    tree = {"error": False, "statements": [{"node": select, "named_param_map": []}]}
    [(text,)] = connection.execute(
        "SELECT json_deserialize_sql(CAST(? AS JSON))", [json.dumps(tree)]
    ).fetchall()
    [(again,)] = connection.execute("SELECT json_serialize_sql(?)", [text]).fetchall()
    read = json.loads(again)
    if read["error"] or placeless(read["statements"][0]["node"]) != placeless(select):
        raise UnsupportedModelError(
            "the query", f"DuckDB writes a part of it in another way: {text}", "write it simpler."
        )
    return text


def placeless(node: object) -> object:
    """Leave out where parts stand."""
    if isinstance(node, dict):
        return {k: placeless(v) for k, v in node.items() if not k.startswith("query_location")}
    return [placeless(each) for each in node] if isinstance(node, list) else node


def column(name: str, alias: str = "") -> Node:
    """Make a reference to a column."""
    return {"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": alias, "column_names": [name]}


def reading(select: Node, table: str, row: str) -> Node:
    """Give a SELECT that reads another table, whose rows it calls ``row``, and no CTE."""
    changed = copy.deepcopy(select)
    changed["cte_map"] = {"map": []}
    changed["from_table"] = {
        "type": "BASE_TABLE",
        "alias": "" if row == table else row,
        "sample": None,
        "schema_name": "",
        "table_name": table,
        "column_name_alias": [],
        "catalog_name": "",
        "at_clause": None,
        "qualified_name": {"path": [table]},
    }
    return changed


def folded(path: Sequence[str]) -> tuple[str, ...]:
    """Give a path of names as DuckDB compares them."""
    return tuple(name.casefold() for name in path)


def giving(select: Node, entries: Sequence[Node]) -> Node:
    """Give a SELECT with other entries."""
    return {**select, "select_list": list(entries)}


def unnamed(node: Node) -> Node:
    """Give an expression without its alias."""
    return {**node, "alias": ""}


def plain_select(connection: duckdb.DuckDBPyConnection, entries: Sequence[Node]) -> str:
    """Write a SELECT of expressions that read no table."""
    [(found,)] = connection.execute("SELECT json_serialize_sql('SELECT 1')").fetchall()
    select: dict[str, Any] = json.loads(found)["statements"][0]["node"]
    return write(connection, giving(select, entries))
