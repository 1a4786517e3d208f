"""What the columns of the rows that reach a SELECT can hold."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ...models_sql.pruning import Domain
from .facts import Fact, facts_of, intersected
from .scopes import output_name
from .syntax import column_path, parts_of, queries_in

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from .scopes import Scope, Source
    from .statistics import Statistics
    from .syntax import Node

_TAME = {
    "COMPARISON",
    "CONJUNCTION",
    "BETWEEN",
    "OPERATOR",
    "CONSTANT",
    "COLUMN_REF",
    "STAR",
    "CASE",
}
_TAME_OPERATORS = {"+", "-", "*", "/"}
_READ_ANEW = ("group_expressions", "having", "qualify", "sample")
"""Clauses in which a row decides what becomes of others."""


@dataclass(slots=True)
class Known:
    """What is known of one column.

    Attributes
    ----------
    domain
        What it can hold.
    table
        The source in a FROM that it comes from, and its name there; None for an expression.
    predicates
        The conditions that were used, for people.
    conditions
        Those that the table's rows pass.
    assumed
        What statistics say of the table's rows that pass them; None without.
    """

    domain: Domain = field(default_factory=Domain)
    table: tuple[Source, str] | None = None
    predicates: list[str] = field(default_factory=list)
    conditions: tuple[str, ...] = ()
    assumed: Domain | None = None


class Knowledge:
    """Derives what holds for columns from conditions around and below them, and statistics."""

    def __init__(self, statistics: Statistics | None) -> None:
        """Hold the statistics; None where none are to be used."""
        self._statistics = statistics
        self._facts: dict[int, list[Fact]] = {}

    def facts(self, scope: Scope) -> list[Fact]:
        """Give what a SELECT's own conditions say, and those of the SELECT that reads it."""
        if id(scope) not in self._facts:
            self._facts[id(scope)] = [*facts_of(scope), *self._from_reader(scope)]
        return self._facts[id(scope)]

    def of(self, scope: Scope, source: Source, column: str, facts: list[Fact]) -> Known:
        """Say what is known of a source's column in the rows for which some facts hold."""
        return self._of(source, column, [f for f in facts if f.source is source], _grouped(scope))

    def _of(self, source: Source, column: str, facts: list[Fact], nulls: bool) -> Known:
        """Go down to the table; ``facts`` hold for the rows of this source that are asked for."""
        known = self._below(source, column, facts)
        if source.nullable:
            known.domain = replace(known.domain, missing=True)
        for fact in facts:
            if fact.column == column:
                known.domain = intersected(known.domain, fact.domain)
                name = source.columns[column][0] if source.columns else column
                known.predicates.append(fact.condition(name))
        if nulls:
            known.domain = replace(known.domain, missing=True)
        return known

    def _below(self, source: Source, column: str, facts: list[Fact]) -> Known:
        if source.scope is None:
            return self._of_table(source, column, facts)
        inner = source.scope
        found = inner.projection(column)
        if not isinstance(found, tuple):
            return Known()
        below, name = found
        nulls = _grouped(inner)
        own = [fact for fact in facts_of(inner) if fact.source is below]
        moved = () if nulls else _moved(facts, inner, below)
        return self._of(below, name, [*own, *moved], nulls)

    def _of_table(self, source: Source, column: str, facts: list[Fact]) -> Known:
        known = Known(table=(source, column), conditions=tuple(_conditions(facts)))
        if self._statistics is not None and source.table is not None:
            found = self._statistics.of(source, column, known.conditions)
            if found is not None:
                known.domain, known.assumed = found, found
        return known

    def _from_reader(self, scope: Scope) -> Iterator[Fact]:
        """Carry down what the one reader of a SELECT asks for, where a row stands for itself.

        Rows that the reader drops may then have any score: nothing may be computed of it there
        that could fail.
        """
        if len(scope.readers) != 1 or not _is_row_by_row(scope):
            return
        reader, alias = scope.readers[0]
        source = reader.sources.get(alias)
        if source is None or not all(map(_is_plain_join, reader.joins)):
            return
        if is_tame([scope.node["select_list"], reader.node["where_clause"], reader.on]):
            facts = [fact for fact in self.facts(reader) if fact.source is source]
            for below in scope.sources.values():
                yield from _moved(facts, scope, below)


def is_tame(expression: object) -> bool:
    """Whether an expression can fail for no value of its numbers, models in it apart."""
    if any(True for _ in queries_in(expression)):
        return False
    return all(
        part["class"] in _TAME or (part["class"] == "FUNCTION" and _is_tame_function(part))
        for part in parts_of(expression)
        if "class" in part
    )


def _is_tame_function(part: Node) -> bool:
    is_model = part["function_name"].casefold().startswith("predict")
    return is_model or (part["is_operator"] and part["function_name"] in _TAME_OPERATORS)


def _is_plain_join(join: Node) -> bool:
    return join["join_type"] == "INNER" and join["ref_type"] in ("REGULAR", "CROSS")


def _moved(facts: list[Fact], scope: Scope, source: Source) -> Iterator[Fact]:
    """Say of a source's columns what is said of the columns of a SELECT over it."""
    for fact in facts:
        found = scope.projection(fact.column)
        if isinstance(found, tuple) and found[0] is source:
            yield replace(fact, source=source, column=found[1])


def _conditions(facts: list[Fact]) -> Iterator[str]:
    for fact in facts:
        name = fact.source.columns[fact.column][0] if fact.source.columns else fact.column
        yield fact.condition('"' + name.replace('"', '""') + '"')


def _grouped(scope: Scope) -> bool:
    """Whether groups may be of several sets, so that what is grouped by may be NULL."""
    return len(scope.node["group_sets"]) > 1


def _is_row_by_row(scope: Scope) -> bool:
    """Whether each row of a SELECT's result depends on one row of its FROM alone."""
    node = scope.node
    if node.get("modifiers") or any(node[clause] for clause in _READ_ANEW):
        return False
    if node["group_sets"] or node["aggregate_handling"] != "STANDARD_HANDLING":
        return False
    parts = list(parts_of({k: v for k, v in node.items() if k in ("select_list", "where_clause")}))
    return not any(part.get("class") == "WINDOW" for part in parts)


def is_droppable(source: Source, column: str, safe: Container[str]) -> bool:
    """Whether leaving a column unread changes nothing but the time.

    It does not if it is a table's, or an expression of DuckDB's own functions.
    """
    if source.scope is None:
        return source.is_plain
    found = source.scope.projection(column)
    if isinstance(found, tuple):
        return is_droppable(*found, safe)
    return found is not None and is_plain(found, source.scope, safe)


def is_plain(expression: Mapping[str, object], scope: Scope, safe: Container[str]) -> bool:
    """Whether an expression calls nothing but DuckDB's own functions, and reads such columns."""
    if any(True for _ in queries_in(expression)):
        return False
    for part in parts_of(expression):
        if "function_name" in part and str(part["function_name"]).casefold() not in safe:
            return False
        path = column_path(part)
        if path is not None:
            found = scope.resolve(path)
            if found is None or not is_droppable(*found, safe):
                return False
    return True


def shadowed(scope: Scope, name: str) -> bool:
    """Whether a SELECT gives a name of its own to something else."""
    return any(
        item["class"] != "STAR" and item["alias"].casefold() == name and output_name(item) == name
        for item in scope.node["select_list"]
    )
