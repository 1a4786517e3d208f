"""What scoring is estimated to cost, from measurements: benchmarks/rewrite.py repeats them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from ...ir import steps as s
from ...udfs.duckdb.macros import literal
from .pruned import is_ready
from .statistics import sampled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...ir import Model
    from .calls import Call
    from .knowledge import Knowledge
    from .pruned import Pruning
    from .scopes import Source

_NATIVE_ROW, _ARROW_ROW = 0.05e-6, 0.25e-6
"""Seconds a row that a function takes, whatever the model."""
_JOINED_ROW = 0.1e-6
"""Seconds a row that a join takes for the columns of another table."""
_NODE = 0.0125e-9
"""Seconds a row and node in the native kernel."""
_SQL_PLAN, _SQL_NODE = 0.3e-3, 1.5e-9
"""Seconds to plan a node as SQL, and to run it on a row."""
_PRUNING, _BUILDING = 0.4e-6, 1.8e-6
"""Seconds that pruning takes for each node, and making a function for each that is left."""
_FUNCTION = 5e-3
"""Seconds that making a function takes at least."""
_WORTH = 20
"""Scoring must take so many times as long as pruning does: what that finds is not known before."""
_SAMPLING = 0.03
"""Seconds that it takes to ask a sample of a table what it holds."""
_WORTH_STATISTICS = 0.3
"""The part of the nodes that statistics must drop: they are checked again when the query runs."""


class Rows:
    """Estimates how many rows a call scores."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, tables: Mapping[str, int]) -> None:
        """Hold the connection, and how many rows its tables have."""
        self._connection = connection
        self._tables = tables
        self._counts: dict[str, int | None] = {}
        [(self.threads,)] = connection.execute("SELECT current_setting('threads')").fetchall()

    def most(self, call: Call, knowledge: Knowledge) -> int | None:
        """Give the rows of the largest table that a call reads; None where that is not known."""
        sources = [source for source, _ in _parts(call, knowledge)]
        sizes = [self._tables.get(str(source.table)) for source in sources]
        known = [size for size in sizes if size is not None]
        return max(known, default=None) if len(known) == len(sizes) else None

    def of(self, call: Call, knowledge: Knowledge) -> int | None:
        """Estimate how many of its rows pass the conditions; None where that is not known."""
        counts = [self._count(*part) for part in _parts(call, knowledge)]
        return max((count for count in counts if count is not None), default=None)

    def _count(self, source: Source, conditions: tuple[str, ...]) -> int | None:
        query, share = self._sampled(source, conditions)
        if query is None:
            return None
        if query not in self._counts:
            try:
                [(count,)] = self._connection.execute(query).fetchall()
            except duckdb.Error:
                count = None
            self._counts[query] = None if count is None else round(count / share)
        return self._counts[query]

    def _sampled(self, source: Source, conditions: tuple[str, ...]) -> tuple[str | None, float]:
        """Write a query that counts rows of a table, or of a Parquet file, and of what part."""
        path = source.node.get("qualified_name", {"path": [""]})["path"][-1]
        table, share = sampled(source, self._tables)
        if table is None and path.endswith(".parquet"):
            table = f"read_parquet({literal(path)})"
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return table and f"SELECT count(*) FROM (SELECT * FROM {table}){where}", share


def _parts(call: Call, knowledge: Knowledge) -> list[tuple[Source, tuple[str, ...]]]:
    """Give the tables that a call reads, with the conditions that their rows pass."""
    facts = knowledge.facts(call.scope)
    found: dict[tuple[int, tuple[str, ...]], Source] = {}
    for argument in call.arguments.values():
        if argument.source is not None and argument.column is not None:
            known = knowledge.of(call.scope, argument.source, argument.column, facts)
            if known.table is not None:
                found[id(known.table[0]), known.conditions] = known.table[0]
    return [(source, conditions) for (_, conditions), source in found.items()]


def too_little(
    call: Call, rows: int | None, threads: int, *, with_statistics: bool = False
) -> str | None:
    """Say that a call scores too little for pruning its model to pay; None where it may."""
    if rows is None:
        return "how many rows it scores is not known"
    nodes = count_nodes(call.function.model)
    scoring = rows * (_per_row(call, nodes) + _JOINED_ROW * (_tables(call) - 1))
    looking = nodes * _PRUNING + (_SAMPLING if with_statistics else 0.0)
    if scoring / threads < _WORTH * looking:
        return f"it scores about {rows:,} rows at most, too few for rewriting to pay"
    return None


def hardly_less(pruning: Pruning, rows: int | None, threads: int) -> str | None:
    """Say that a smaller model saves less than making its function takes; None where it pays."""
    call, nodes, many = pruning.call, pruning.nodes_after, rows or 0
    saved = many * (_per_row(call, pruning.nodes_before) - _per_row(call, nodes))
    saved += many * _JOINED_ROW * (_tables(call) - len(_sources(call, pruning.columns)))
    is_there = is_ready(pruning.model, is_native=call.function.is_native)
    building = _FUNCTION if is_there else _FUNCTION + nodes * _BUILDING
    if saved / threads > building:
        return None
    return (
        f"{nodes:,} of {pruning.nodes_before:,} nodes are left, and it scores about {many:,} rows: "
        "making a function of them would take longer than it saves"
    )


def statistics_pay(pruning: Pruning, less: Pruning, rows: int | None, threads: int) -> bool:
    """Whether what statistics drop is worth asking for them, and checking them in the query."""
    is_less = less.nodes_after <= (1 - _WORTH_STATISTICS) * pruning.nodes_after
    return is_less and hardly_less(less, rows, threads) is None


def _per_row(call: Call, nodes: int) -> float:
    return nodes * _NODE + (_NATIVE_ROW if call.function.is_native else _ARROW_ROW)


def _tables(call: Call) -> int:
    return len(_sources(call, call.function.model.signature.names))


def _sources(call: Call, names: Iterable[str]) -> set[int]:
    """Tell the tables apart that some of the model's columns come from."""
    found: set[int] = set()
    for name in names:
        argument = call.arguments[name]
        if argument.source is not None and argument.column is not None:
            base = call.scope.base(argument.source, argument.column)
            found |= {id(base[0])} if base else set()
    return found


def sql_problem(pruning: Pruning, rows: int | None, route: str) -> str | None:
    """Say why a model should not be SQL; None where it should."""
    if route == "udf":
        return "functions were asked for"
    if route == "sql":
        return None
    nodes, many = pruning.nodes_after, rows or 0
    function = many * _per_row(pruning.call, nodes)
    if _SQL_PLAN * nodes + many * nodes * _SQL_NODE < function:
        return None
    return "a function is estimated to take less time than SQL"


def count_nodes(model: Model) -> int:
    """Give how many nodes the trees of a model have."""
    return sum(
        len(step.trees.feature)
        for step in model.steps
        if isinstance(step, s.Forest | s.LinearForest)
    )
