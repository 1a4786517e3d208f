"""DuckDB's own plan of a query, over empty relations of the right types.

DuckDB resolves names, writes macros out, and makes every cast explicit, so that nothing here has
rules of its own for them.
"""

from __future__ import annotations

import json
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

from ....errors import ForesqlError
from ....scoring.query import connect_quietly
from ....scoring.rewriting.syntax import parse
from ....udfs.duckdb import register_scorer
from ....udfs.duckdb.macros import quote
from .refusing import Refused

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from ....scoring.rewriting.syntax import Node
    from .models import RowModel

_KEPT = {"expression_rewriter", "cte_inlining"}
"""Optimizers that rewrite expressions alone: others move relations, and change no value."""
_CONTEXT = {"current_catalog", "current_schema", "current_database", "current_query"}
_OF_NOW = {"current_localtime", "current_localtimestamp", "age"}
"""What reads the clock, though DuckDB calls it consistent."""
_UNSTABLE = """
    SELECT DISTINCT lower(function_name) FROM duckdb_functions()
    WHERE function_type = 'scalar' AND coalesce(stability, '') <> 'CONSISTENT'
"""


class Plan(NamedTuple):
    """A query as DuckDB understands it: the plan, and the names of its outputs."""

    root: Node
    outputs: tuple[str, ...]


def plan_query(
    text: str,
    request: tuple[str, Mapping[str, str]],
    views: Mapping[str, Mapping[str, str]],
    models: Mapping[str, RowModel],
) -> Plan:
    """Let DuckDB plan a query.

    Raises
    ------
    Refused
        If it is no query over these relations, or reads more than rows.
    """
    with _connected() as connection:
        for name, columns in ((request[0], request[1]), *views.items()):
            _create(connection, name, columns)
        for name, model in models.items():
            register_scorer(connection, model.scorer, name, version=model.version, temporary=True)
        query = parse(connection, text)
        if query is None:
            raise Refused("what is no SELECT")
        unstable = {name for (name,) in connection.execute(_UNSTABLE).fetchall()} | _OF_NOW
        unstable.discard("error")  # it gives no value; what is left of it in the plan is refused
        _check_names(query.root, unstable)
        outputs = tuple(column for column, *_ in connection.execute(f"DESCRIBE {text}").fetchall())
        _check_functions(_plan(connection, text, optimize=False), unstable)
        root = _plan(connection, text, optimize=True)
        if root["error"]:
            raise Refused(f"a query that DuckDB cannot plan: {root['error_message']}")
        return Plan(root["plans"][0], outputs)


@contextmanager
def _connected() -> Generator[duckdb.DuckDBPyConnection]:
    """Open a database of its own; the functions of models go with it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        connection = connect_quietly(":memory:")
    try:
        names = connection.execute("SELECT name FROM duckdb_optimizers()").fetchall()
        off = ",".join(name for (name,) in names if name not in _KEPT)
        connection.execute("SET disabled_optimizers = ?", [off])
        yield connection
    except (duckdb.Error, ForesqlError) as error:
        raise Refused(f"a query that DuckDB cannot plan: {error}") from error
    finally:
        connection.close()


def _create(connection: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, str]) -> None:
    """Make an empty relation; a type is read by DuckDB before it is written into a statement."""
    *schema, table = name.split(".")
    if len(schema) > 1:
        raise Refused(f"the relation {name}, whose name has a catalog,")
    for each in schema:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(each)}")
    typed = ", ".join(f"{quote(c)} {duckdb.sqltype(type_)!s}" for c, type_ in columns.items())
    place = ".".join(map(quote, (*schema, table)))
    connection.execute(f"CREATE TABLE {place} ({typed})")


def _plan(connection: duckdb.DuckDBPyConnection, text: str, *, optimize: bool) -> Node:
    asked = (
        "SELECT json_serialize_plan(?, optimize := ?, skip_null := true, skip_empty := true, "
        "skip_default := true)"
    )
    if not optimize:
        asked = asked.replace("optimize := ?", "optimize := false")
    else:
        asked = asked.replace("optimize := ?", "optimize := true")
    [(found,)] = connection.execute(asked, [text]).fetchall()
    # DuckDB writes a NaN in a way of its own.
    return json.loads(found) if "NAN" not in found else _with_nan(found)


def _with_nan(text: str) -> Any:
    """Read a plan with NaN in it: outside of texts, which a quote ends."""
    parts = text.split('"')
    inside = False
    for place, part in enumerate(parts):
        if not inside:
            parts[place] = part.replace("-NAN", "NaN").replace("NAN", "NaN")
        inside ^= place == 0 or not _is_escaped(parts[place])
    return json.loads('"'.join(parts))


def _is_escaped(part: str) -> bool:
    return (len(part) - len(part.rstrip("\\"))) % 2 == 1


def _check_names(root: object, unstable: set[str]) -> None:
    """Refuse what becomes a constant while DuckDB plans, and has another value elsewhere."""
    for part in parts(root):
        path = part.get("column_names")
        if isinstance(path, list) and len(path) == 1 and path[0].casefold() in _CONTEXT:
            raise Refused(path[0])
        function = str(part.get("function_name", "")).casefold()
        if function in unstable | _CONTEXT:
            raise Refused(f"{function}(), which gives another value as time goes by,")
        if part.get("class") == "PARAMETER":
            raise Refused("a parameter")


def _check_functions(plan: Node, unstable: set[str]) -> None:
    for part in parts(plan):
        name = part.get("qname", {}).get("path", [""])[-1].casefold()
        if part.get("expression_class") == "BOUND_FUNCTION" and name in unstable:
            raise Refused(f"{name}(), which gives another value as time goes by,")


def parts(node: object) -> Iterator[Node]:
    """Give a plan and everything in it."""
    if isinstance(node, dict):
        yield node
        for each in node.values():
            yield from parts(each)
    elif isinstance(node, list):
        for each in node:
            yield from parts(each)
