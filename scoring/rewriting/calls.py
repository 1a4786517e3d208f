"""The calls of models in a query: which model, which columns, and what is known of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from weakref import ref

from ...errors import BundleError, ForesqlError
from ...ir.bundle import read_bundle
from ...udfs.duckdb import registered_model, registered_tokens
from ...udfs.duckdb.functions import PREDICT, PROBA
from ...udfs.duckdb.macros import quote
from .recent import Recent
from .scopes import parts_behind_from
from .syntax import Span, column_path, parts_of, span_of, split_arguments

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import duckdb

    from ...ir import Model
    from ...ir.bundle import Bundle
    from .scopes import Scope, Source
    from .syntax import Node, Query

_MARK = re.compile(
    r"(?<!\w)(\w+): register the model in this process first \((\w+) ([0-9a-f]{8})\)"
)
_CALLED = re.compile(r"\w*predict\w*(?=\W*\()")
_BUNDLE = re.compile(r"'((?:[^']|'')+)#([0-9a-f]{64})'")
_OWN_FUNCTIONS = """
    SELECT lower(function_name) FROM duckdb_functions() WHERE internal
    AND function_type IN ('scalar', 'macro')
    GROUP BY ALL HAVING bool_and(coalesce(stability, 'CONSISTENT') = 'CONSISTENT')
"""
# Temporary macros hide those of the database.
_FUNCTIONS = """
    SELECT lower(function_name), macro_definition, database_name IN (current_database(), 'temp')
    FROM duckdb_functions() WHERE NOT internal
    ORDER BY database_name = 'temp', database_name, schema_name, function_oid
"""
_own: set[str] = set()
"""DuckDB's own functions, once they were asked for."""
_bundles = Recent["Bundle"](8)
"""Bundles by their digest."""
REWRITTEN = {PREDICT, PROBA}
"""Kinds of functions whose answers a pruned model gives too."""


class Function(NamedTuple):
    """A function of a model in a connection; ``label`` is the model's name, with its version."""

    name: str
    kind: str
    model: Model
    label: str
    is_native: bool


@dataclass(slots=True)
class Argument:
    """What a call passes for a column of the model.

    Attributes
    ----------
    text
        As SQL.
    source, column
        The source's column that it is; None for other expressions.
    expression
        The parsed expression; None where the call passes a row.
    """

    text: str
    source: Source | None = None
    column: str | None = None
    expression: Node | None = None


@dataclass(slots=True)
class Call:
    """A call that can be rewritten."""

    node: Node
    span: Span
    text: str
    clause: str
    scope: Scope
    function: Function
    arguments: Mapping[str, Argument]


@dataclass(slots=True)
class Found:
    """All calls of models in a query, and those that stay as they are, with the reason."""

    calls: list[Call] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)


class Functions:
    """The functions of a connection: those of models, and those of DuckDB's own."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Read the connection's functions, but for DuckDB's."""
        self._connection = ref(connection)
        self._rows = rows = connection.execute(_FUNCTIONS).fetchall()
        self._tokens = registered_tokens()
        self._others = frozenset(name for name, _, _ in rows)
        # The last one of a name counts, whoever made it.
        last = {name: definition for name, definition, is_near in rows if is_near}
        self._macros: dict[str, str] = {
            name: text for name, text in last.items() if text and _MARK.search(text)
        }
        self._found: dict[str, Function | str] = {}

    def may_be_all_of(self, query: str) -> bool:
        """Whether these may be all functions that a query calls, for all that this process knows.

        A model that was registered since, or in a way that is not seen here, is missing: then a
        query would stay as it is for no good reason.
        """
        called = set(_CALLED.findall(query.casefold()))
        return called <= self._others and self._tokens == registered_tokens()

    def are_same(self) -> bool:
        """Whether the connection still has the same functions."""
        connection = self._connection()
        return connection is not None and connection.execute(_FUNCTIONS).fetchall() == self._rows

    def __contains__(self, name: object) -> bool:
        """Whether a function is a model's."""
        return str(name).casefold() in self._macros

    def get(self, name: str) -> Function | str:
        """Find the model behind a function; or say why that cannot be."""
        folded = name.casefold()
        if folded not in self._found:
            self._found[folded] = _function(folded, self._macros[folded])
        return self._found[folded]

    def ready(self, query: str) -> frozenset[str]:
        """Name the functions in a query whose model is there: a macro may outlive it."""
        named = [name for name in self._macros if name in query.casefold()]
        return frozenset(name for name in named if isinstance(self.get(name), Function))

    @cached_property
    def safe(self) -> frozenset[str]:
        """The functions of DuckDB's own that give the same for the same."""
        if not _own:
            connection = self._connection()
            rows = connection.execute(_OWN_FUNCTIONS).fetchall() if connection else []
            _own.update(name for (name,) in rows)
        return frozenset(_own) - self._others


def _function(name: str, definition: str) -> Function | str:
    marks = set(_MARK.findall(definition))
    if len({mark[2] for mark in marks}) != 1:
        return "several models are behind it"
    [(predicting, kind, token)] = marks
    if kind not in REWRITTEN:
        return f"{kind} needs the whole model"
    is_native = "foresql_predict" in definition
    there = registered_model(token)
    if there is not None:
        return Function(name, kind, *there, is_native)
    found = _BUNDLE.search(definition)
    if found is None:
        return "its model is not in this process"
    path, digest = Path(found[1].replace("''", "'")), found[2]
    try:
        bundle = _bundles.of(digest, lambda: _read_bundle(path, digest))
    except ForesqlError as error:
        return f"its bundle cannot be read: {error}"
    return Function(name, kind, bundle.model, str(bundle.card.get("name") or predicting), is_native)


def _read_bundle(path: Path, digest: str) -> Bundle:
    bundle = read_bundle(path)
    if bundle.digest != digest:
        message = f"{path} is another one."
        raise BundleError(message)
    return bundle


def find_calls(query: Query, scopes: list[Scope], functions: Functions) -> Found:
    """Find all calls of models in a query."""
    found = Found()
    seen: set[Span] = set()
    for scope in scopes:
        inside = {
            id(part)
            for _, each in parts_behind_from(scope)
            if each.get("class") == "LAMBDA"
            for part in parts_of(each)
        }
        for clause, node in parts_behind_from(scope):
            if "function_name" not in node or node["function_name"] not in functions:
                continue
            span = span_of(node)
            if span is None or span in seen:
                continue
            seen.add(span)
            text = query.text_of(span)
            problem = "it is in a lambda" if id(node) in inside else None
            read = problem or _read(node, span, query, clause, scope, functions)
            if isinstance(read, str):
                found.left.append((text, read))
            else:
                found.calls.append(read)
    return found


def _read(  # noqa: PLR0913, PLR0917 - one call, and where it stands
    node: Node, span: Span, query: Query, clause: str, scope: Scope, functions: Functions
) -> Call | str:
    function = functions.get(node["function_name"])
    if isinstance(function, str):
        return function
    if node["schema"] or node["catalog"]:
        return "it is qualified by a schema"
    if node["distinct"] or node["filter"] or node["order_bys"]["orders"]:
        return "it is written like an aggregate"
    model = function.model
    arguments = _arguments(node, span, query, scope, model)
    if arguments is None:
        return "which columns it reads is not certain"
    return Call(node, span, query.text_of(span), clause, scope, function, arguments)


def _arguments(
    node: Node, span: Span, query: Query, scope: Scope, model: Model
) -> Mapping[str, Argument] | None:
    given = node["arguments"]
    if len(given) == 1 and not given[0]["name"]:
        expression = given[0]["expression"]
        row = _row(expression, scope)
        if row is not None:
            return _of_row(row, model)
        if expression.get("function_name") == "struct_pack":
            inner = span_of(expression)
            return inner and _of_values(expression["arguments"], inner, query, scope, model)
        if len(model.signature.columns) > 1:
            return None
    return _of_values(given, span, query, scope, model)


def _row(expression: Node, scope: Scope) -> Source | None:
    """Find the source whose row is passed: a name that is no column, in this SELECT or another."""
    path = column_path(expression)
    if path is None or len(path) != 1 or not scope.complete:
        return None
    name = path[0].casefold()
    known = [source.columns for source in scope.sources.values()]
    if any(columns is None or name in columns for columns in known):
        return None
    return scope.sources.get(name)


def _of_row(source: Source, model: Model) -> Mapping[str, Argument] | None:
    columns = source.columns or {}
    found: dict[str, Argument] = {}
    for name in model.signature.names:
        column = columns.get(name.casefold())
        if column is None:
            return None
        text = f"{quote(source.alias)}.{quote(column[0])}"
        found[name] = Argument(text, source, name.casefold())
    return found


def _of_values(
    given: list[Node], span: Span, query: Query, scope: Scope, model: Model
) -> Mapping[str, Argument] | None:
    """Read arguments by position and by name."""
    written = query.text_of(span)
    opening = min((written.index(c) for c in "({" if c in written), default=-1)
    texts = None if opening < 0 else _split(written, opening)
    if texts is None or len(texts) != len(given):
        return None
    names = {name.casefold(): name for name in model.signature.names}
    found: dict[str, Argument] = {}
    for index, (each, text) in enumerate(zip(given, texts, strict=True)):
        name = each["name"].casefold()
        if not name and index >= len(model.signature.names):
            return None
        column = names.get(name) if name else model.signature.names[index]
        if column is None or column in found:
            return None
        found[column] = _argument(each["expression"], text, scope)
    return found if len(found) == len(names) else None


def _split(written: str, opening: int) -> list[str] | None:
    inside = written[opening + 1 : -1]
    if written[opening] == "(":
        return split_arguments(inside)
    return split_arguments(inside, naming=(b":",))


def _argument(expression: Node, text: str, scope: Scope) -> Argument:
    path = column_path(expression)
    found = scope.resolve(path) if path else None
    source, column = found or (None, None)
    return Argument(text, source, column, expression)


def names_read(calls: list[Call]) -> Iterator[tuple[Source, str]]:
    """Give the columns of tables that calls read."""
    for call in calls:
        for argument in call.arguments.values():
            if argument.source is not None and argument.column is not None:
                found = call.scope.base(argument.source, argument.column)
                if found is not None:
                    yield found
