"""A filter on a score asks the first trees of a forest, and the others for rows that may pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import duckdb

from ...models_sql.pruning import early_exit
from ...udfs.duckdb.macros import quote
from ...udfs.functions import PREDICT, PROBA
from .recent import Recent, Same
from .syntax import conjuncts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...models_sql.pruning import EarlyExit
    from ...udfs.duckdb import PrivateFunction
    from .calls import Call
    from .pruned import Pruning
    from .syntax import Node

_OPERATORS = {
    "COMPARE_GREATERTHAN": (">", "<"),
    "COMPARE_GREATERTHANOREQUALTO": (">=", "<="),
    "COMPARE_LESSTHAN": ("<", ">"),
    "COMPARE_LESSTHANOREQUALTO": ("<=", ">="),
    "COMPARE_EQUAL": ("=", "="),
}
"""The sign of a comparison, and of its mirror image."""
_BINARY = 2
_SAMPLE = 8_192
_MOST_PASSING = 0.6
"""If more of the first rows pass than this part, a test before the model does not pay."""
_found = Recent["EarlyExit | None"](32)


class Exit(NamedTuple):
    """A test of the first trees, and the filter that it is for."""

    exit: EarlyExit
    filter: str


def in_filter(call: Call) -> bool:
    """Whether a call is compared with a number, where that alone can drop a row."""
    is_where = call.clause == "where_clause"
    return is_where and _comparison(call.scope.node["where_clause"], call.node) is not None


def find_exit(pruning: Pruning) -> Exit | None:
    """Find the test for the filter that a call stands in; None where there is none."""
    call, model = pruning.call, pruning.model
    compared = _comparison(call.scope.node["where_clause"], call.node)
    output = _output(pruning)
    if call.clause != "where_clause" or compared is None or output is None:
        return None
    sign, text = compared
    key = (Same(model), output, sign, text)
    found = _found.of(key, lambda: early_exit(model, output, sign, float(text)))
    if found is None:
        return None
    # What only the whole model reads must be nothing that something else must compute.
    lacking = set(model.signature.names) - set(found.head.signature.names)
    if any(name in pruning.needed for name in lacking):
        return None
    return Exit(found, f"{sign} {text}")


def _comparison(where: Node | None, call: Node) -> tuple[str, str] | None:
    """Find what a score is compared with, where that alone can drop a row."""
    for part in conjuncts(where):
        signs = _OPERATORS.get(part["type"])
        if signs is None:
            continue
        for one, other, sign in (("left", "right", signs[0]), ("right", "left", signs[1])):
            if part[one] is call and part[other].get("class") == "CONSTANT":
                constant = part[other].get("literal", {"kind": ""})
                # A literal of few digits is the same float64 whatever type it is read as.
                if constant["kind"] in ("INTEGER", "NUMERIC") and len(constant["text"]) <= 15:  # noqa: PLR2004
                    return sign, constant["text"]
    return None


def _output(pruning: Pruning) -> str | None:
    """Name the column that the call gives, if it is one number."""
    outputs, kind = pruning.model.outputs, pruning.call.function.kind
    if kind == PREDICT and outputs.classes is None and len(outputs.prediction) == 1:
        return outputs.prediction[0]
    if kind == PROBA and len(outputs.probabilities) == _BINARY:
        return outputs.probabilities[1]
    return None


def write_exit(found: Exit, pruning: Pruning, head: PrivateFunction, whole: str) -> str:
    """Write a call that scores the rows which pass the test; the others give NULL, and go."""
    return f"CASE WHEN {_test(found, pruning, head)} THEN {whole} END"


def describe(found: Exit, trees: int) -> str:
    """Say what is tested."""
    sign = ">=" if found.exit.above else "<="
    return (
        f"score {found.filter}: {trees:,} nodes first, then all where they sum to "
        f"{sign} {found.exit.threshold:g}"
    )


def _test(found: Exit, pruning: Pruning, head: PrivateFunction) -> str:
    arguments = pruning.call.arguments
    call = head.call({name: arguments[name].text for name in found.exit.head.signature.names})
    sign = ">=" if found.exit.above else "<="
    return f"{call} {sign} '{found.exit.threshold!r}'::DOUBLE"


def pays(
    connection: duckdb.DuckDBPyConnection,
    found: Exit,
    pruning: Pruning,
    head: PrivateFunction,
    conditions: Sequence[str],
) -> bool:
    """Whether the test drops enough of the first rows of the table that the call reads."""
    sources = {id(a.source): a.source for a in pruning.call.arguments.values() if a.source}
    source = next(iter(sources.values()), None)
    if len(sources) != 1 or source is None or source.table is None:
        return False
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    alias = quote(source.alias)
    query = (
        f"SELECT avg(CASE WHEN {_test(found, pruning, head)} THEN 1 ELSE 0 END) "
        f"FROM (SELECT * FROM {source.table} AS {alias}{where} LIMIT {_SAMPLE}) AS {alias}"
    )
    try:
        [(share,)] = connection.execute(query).fetchall()
    except duckdb.Error:
        # A row that the model refuses: the query will say so.
        return False
    return share is not None and share <= _MOST_PASSING
