"""What scoring is estimated to cost, from measurements: benchmarks/rewrite.py repeats them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

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
_LOOKING = 15e-3
"""Seconds that rewriting takes, whatever the model."""
_PRUNING, _BUILDING = 0.15e-6, 0.5e-6
"""Seconds that pruning takes for each node, and making a function for each that is left."""
_FUNCTION = 8e-3
"""Seconds that making a function takes at least."""
_WORTH = 2
"""Scoring must take so many times as long as looking does: what that finds is not known before."""
_WORTH_ASKING = 40
"""The same of asking for statistics, which seldom say more than the query does."""
_CLEAR = 0.75
"""The part of that at which queries of other literals are taken to score too few rows as well."""
_SAMPLING = 0.03
"""Seconds that it takes to ask a sample of a table what it holds."""
_WORTH_STATISTICS = 0.3
"""The part of the nodes that statistics must drop: they are checked again when the query runs."""


_VECTOR, _BLOCK = 2_048, 512
"""Rows of a vector of DuckDB, and of a block of the native kernel."""
_NUMBER = '"foresql vector"'


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
        """Estimate how many of its rows pass the conditions; None where that is not known.

        A function scores whole blocks of rows, and no block has rows of two of DuckDB's vectors: so
        rows that are far apart count as more.
        """
        counts = [self._count(*part) for part in _parts(call, knowledge)]
        return max((count for count in counts if count is not None), default=None)

    def _count(self, source: Source, conditions: tuple[str, ...]) -> int | None:
        query, share = self._sampled(source, conditions)
        if query is None:
            return None
        if query not in self._counts:
            try:
                [(count, vectors)] = self._connection.execute(query).fetchall()
            except duckdb.Error:
                self._counts[query] = None
            else:
                self._counts[query] = round(_in_blocks(count, vectors) / share)
        return self._counts[query]

    def _sampled(self, source: Source, conditions: tuple[str, ...]) -> tuple[str | None, float]:
        """Write a query that counts rows of a table, or of a Parquet file, and of what part."""
        path = source.node.get("qualified_name", {"path": [""]})["path"][-1]
        table, share = sampled(source, self._tables)
        vector = f"rowid // {_VECTOR}"
        if table is None and path.endswith(".parquet"):
            table, vector = f"read_parquet({literal(path)})", "NULL"
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        rows = f"SELECT {vector} AS {_NUMBER}, * FROM {table}"
        return table and f"SELECT count(*), count(DISTINCT {_NUMBER}) FROM ({rows}){where}", share


def _in_blocks(rows: int, vectors: int) -> int:
    """Count rows with those that fill up their blocks."""
    if not vectors:
        return rows
    return vectors * _BLOCK * math.ceil(rows / vectors / _BLOCK)


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


class Refusal(NamedTuple):
    """Why a call stays as it is, and whether that is clear of queries like it as well."""

    reason: str
    is_clear: bool = False


def too_little(
    call: Call, rows: int | None, threads: int, *, with_statistics: bool = False
) -> Refusal | None:
    """Say that a call scores too little for pruning its model to pay; None where it may."""
    if rows is None:
        return Refusal("how many rows it scores is not known")
    nodes = count_nodes(call.function.model)
    scoring = rows * (_per_row(call, nodes) + _JOINED_ROW * (_tables(call) - 1))
    looking = nodes * _PRUNING + (_SAMPLING if with_statistics else _LOOKING)
    share = scoring / threads / ((_WORTH_ASKING if with_statistics else _WORTH) * looking)
    if share < 1:
        reason = f"it scores about {rows:,} rows at most, too few for rewriting to pay"
        return Refusal(reason, share < _CLEAR)
    return None


def hardly_less(pruning: Pruning, rows: int | None, threads: int) -> Refusal | None:
    """Say that a smaller model saves less than making its function takes; None where it pays."""
    call, nodes, many = pruning.call, pruning.nodes_after, rows or 0
    saved = many * (_per_row(call, pruning.nodes_before) - _per_row(call, nodes))
    saved += many * _JOINED_ROW * (_tables(call) - len(_sources(call, pruning.columns)))
    is_there = is_ready(pruning.model, is_native=call.function.is_native)
    building = _FUNCTION if is_there else _FUNCTION + nodes * _BUILDING
    if saved / threads > building:
        return None
    return Refusal(
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
