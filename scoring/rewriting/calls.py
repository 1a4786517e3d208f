"""The calls of models in a query: which model, which columns, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...udfs.duckdb.macros import quote
from .scopes import parts_behind_from
from .syntax import Span, column_path, parts_of, span_of, split_arguments

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ...ir import Model
    from .functions import Function, Functions
    from .scopes import Scope, Source
    from .syntax import Node, Query


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
