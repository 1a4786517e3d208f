"""The statements of an endpoint, written from its parsed query: what answers, and what looks up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import UnsupportedModelError
from ...scoring.rewriting.syntax import column_path
from ...scoring.trees import write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import duckdb

    from ...scoring.rewriting.syntax import Node
    from .shape import Join, Layer

OURS = "foresql_"
"""What names of ours begin with; those of a query do not."""
REQUEST, ROW = "foresql_request", "foresql_row"
"""The request's rows, and the column with their number, which goes through all SELECTs."""


class Stage(NamedTuple):
    """Keys that are looked up at once.

    Attributes
    ----------
    text
        The statement that gives them; None where all are columns of the request.
    columns
        Those columns' names, folded, then.
    joins
        The number of each view, and how many columns its key has.
    """

    text: str | None
    columns: tuple[str, ...]
    joins: tuple[tuple[int, int], ...]


class Statements(NamedTuple):
    """What runs for a request: the lookups in their order, and the statement that answers."""

    stages: tuple[Stage, ...]
    text: str


def view_name(number: int) -> str:
    """Name the relation with the rows that were looked up for a join."""
    return f"foresql_view_{number}"


def column(name: str, relation: str = "", alias: str = "") -> Node:
    """Make a reference to a column."""
    path = [relation, name] if relation else [name]
    return {"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": alias, "column_names": path}


def write_statements(
    connection: duckdb.DuckDBPyConnection, layers: Sequence[Layer], columns: Mapping[str, str]
) -> Statements:
    """Write the statements of a query.

    Parameters
    ----------
    connection
        That writes and reads them.
    layers
        The query's SELECTs.
    columns
        The request's columns.

    Raises
    ------
    UnsupportedModelError
        If DuckDB would read another query from what it writes.
    """
    writer = _Writer(connection, layers)
    names = frozenset(name.casefold() for name in columns)
    stages = tuple(stage for index in range(len(layers)) for stage in writer.stages(index, names))
    return Statements(stages, write(connection, writer.select(len(layers) - 1)))


class _Writer:
    def __init__(self, connection: duckdb.DuckDBPyConnection, layers: Sequence[Layer]) -> None:
        self._connection = connection
        self._layers = layers
        joins = [id(join.node) for layer in layers for join in layer.joins]
        self._numbers = {node: number for number, node in enumerate(joins)}
        text = "SELECT 1 FROM (SELECT 1 FROM t AS b) AS a"
        [(found,)] = connection.execute("SELECT json_serialize_sql(?)", [text]).fetchall()
        self._subquery: Node = json.loads(found)["statements"][0]["node"]["from_table"]
        self._table: Node = self._subquery["subquery"]["node"]["from_table"]

    def select(self, index: int) -> Node:
        """Give a layer over the rows of the request, with those that were looked up."""
        layer = self._layers[index]
        own = [] if _has_star(layer) else [column(ROW, layer.row)]
        node = layer.scope.node
        return {
            **node,
            "cte_map": {"map": []},
            "from_table": self._from(node["from_table"], index),
            "select_list": [*own, *node["select_list"]],
        }

    def stages(self, index: int, columns: frozenset[str]) -> Iterator[Stage]:
        """Give the lookups of a layer: those by its own rows at once, then others one by one."""
        layer = self._layers[index]
        first = layer.scope.node["from_table"]
        while first["type"] == "JOIN":
            first = first["left"]
        plain = [join for join in layer.joins if join.is_plain]
        if plain:
            yield self._stage(index, plain, first, columns)
        for join in layer.joins:
            if not join.is_plain:
                yield self._stage(index, [join], join.node["left"], columns)

    def _stage(
        self, index: int, joins: Sequence[Join], source: Node, columns: frozenset[str]
    ) -> Stage:
        parts = tuple((self._numbers[id(join.node)], len(join.keys)) for join in joins)
        keys = [key for join in joins for key in join.keys]
        paths = [column_path(key) for key in keys]
        if index == 0 and all(path and path[-1].casefold() in columns for path in paths):
            names = tuple(path[-1].casefold() for path in paths if path)
            if all(join.is_plain for join in joins):
                return Stage(None, names, parts)
        entries = [{**key, "alias": f"{OURS}key_{place}"} for place, key in enumerate(keys)]
        select = {
            **self._layers[index].scope.node,
            "cte_map": {"map": []},
            "from_table": self._from(source, index),
            "where_clause": None,
            "select_list": entries,
        }
        return Stage(write(self._connection, select), (), parts)

    def _from(self, node: Node, index: int) -> Node:
        layer = self._layers[index]
        if node["type"] == "JOIN":
            number = self._numbers[id(node)]
            right = self._named(view_name(number), layer.joins_by_node[id(node)].alias)
            return {**node, "left": self._from(node["left"], index), "right": right}
        if index == 0:
            return self._named(REQUEST, layer.row)
        inner: dict[str, Any] = {**self._subquery["subquery"], "node": self.select(index - 1)}
        return {**self._subquery, "alias": layer.row, "subquery": inner}

    def _named(self, table: str, alias: str) -> Node:
        names = {"table_name": table, "qualified_name": {"path": [table]}, "alias": alias}
        return {**self._table, **names}


def _has_star(layer: Layer) -> bool:
    """Whether a star gives the row's number along with the other columns.

    Raises
    ------
    UnsupportedModelError
        If two do.
    """
    names = {"", layer.row.casefold()}
    stars = [
        each
        for each in layer.scope.node["select_list"]
        if each.get("class") == "STAR" and each["relation_name"].casefold() in names
    ]
    if len(stars) > 1:
        raise UnsupportedModelError(
            "* twice in the query", "it gives each column twice.", "write one of them."
        )
    return bool(stars)
