"""A call with the smaller model that its rows need, and the function that scores with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from ...ir import ColumnType, Signature
from ...ir.bundle import Bundle
from ...kernels import Scorer, build_program
from ...models_sql.pruning import Domain, prune
from ...udfs.duckdb import make_private
from ...udfs.functions import PROBA
from ..native import write_temporary
from .knowledge import is_droppable, is_plain, is_tame, shadowed
from .recent import Recent, Same
from .statistics import guard
from .syntax import column_path, conjuncts, parts_of

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    import duckdb

    from ...ir import Model
    from ...udfs.duckdb import PrivateFunction
    from .calls import Argument, Call
    from .facts import Fact
    from .knowledge import Knowledge, Known


_SAFE = {
    ColumnType.BIGINT: {
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
    },
    ColumnType.TIMESTAMP: {"DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS"},
}
"""Types of SQL whose every value is a key of a type."""


@dataclass(frozen=True, slots=True)
class Pruning:
    """A call's smaller model.

    Attributes
    ----------
    call
        The call.
    model
        What is left of its model.
    nodes_before, nodes_after
        How many nodes the trees have.
    known
        By column, what is known of the rows.
    guards
        Queries that are true while the statistics hold that were used.
    domains
        What the model was pruned for.
    needed
        Columns that are passed whether the model reads them or not.
    """

    call: Call
    model: Model
    nodes_before: int
    nodes_after: int
    known: Mapping[str, Known]
    guards: tuple[str, ...]
    domains: Mapping[str, Domain]
    needed: frozenset[str]

    @property
    def is_smaller(self) -> bool:
        """Whether there is anything to win."""
        whole = self.call.function.model.signature.names
        return self.nodes_after < self.nodes_before or len(self.columns) < len(whole)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the query still reads for the model."""
        read = {name for step in self.model.steps for name in step.inputs} | self.needed
        return tuple(name for name in self.model.signature.names if name in read)

    def passed(self, name: str) -> str:
        """Write what is passed for a column: NULL for the one that stands in for none."""
        return self.call.arguments[name].text if name in self.columns else "NULL"

    def guarded(self, written: str) -> str:
        """Let an expression end the query where the statistics hold no more."""
        for query in self.guards:
            written = f"CASE WHEN ({query}) THEN {written} END"
        return written


class Smaller(NamedTuple):
    """What is left of a model: ``model`` still has the columns that are needed."""

    model: Model
    nodes_before: int
    nodes_after: int


_smaller = Recent[Smaller](32)
_ready = Recent["tuple[Scorer, str | None]"](32)


def known_of(call: Call, knowledge: Knowledge) -> dict[str, Known]:
    """Say what is known of the columns that a call passes."""
    facts = _facts(call, knowledge)
    found: dict[str, Known] = {}
    for name, argument in call.arguments.items():
        source, column = argument.source, argument.column
        if source is None or column is None or _is_shadowed(call, argument):
            continue
        found[name] = knowledge.of(call.scope, source, column, facts)
    return found


def prune_call(call: Call, knowledge: Knowledge, safe: Container[str]) -> Pruning:
    """Prune a call's model for the rows that reach it."""
    known, needed, model = known_of(call, knowledge), _needed(call, safe), call.function.model
    domains = domains_of(known)
    found = smaller_model(call, model, domains, needed)
    return Pruning(
        call, found.model, found.nodes_before, found.nodes_after, known, (), domains, needed
    )


def prune_more(pruning: Pruning, measured: Knowledge) -> Pruning:
    """Prune for what statistics know too, where that leaves less."""
    known = known_of(pruning.call, measured)
    domains = domains_of(known)
    found = smaller_model(pruning.call, pruning.model, domains, pruning.needed)
    guards = _guards({name: each for name, each in known.items() if name in pruning.columns})
    more = replace(
        pruning,
        model=found.model,
        nodes_after=found.nodes_after,
        known=known,
        guards=guards,
        domains=domains,
    )
    is_less = (
        more.nodes_after < pruning.nodes_after
        or len(more.columns) < len(pruning.columns)
        or len(more.model.steps) < len(pruning.model.steps)
    )
    return more if is_less else pruning


def smaller_model(
    call: Call, model: Model, domains: Mapping[str, Domain], needed: frozenset[str]
) -> Smaller:
    """Prune a model, its call's or what is left of that, once for all queries that need it."""
    answers = _answers(model, call.function.kind)

    def make() -> Smaller:
        found = prune(model, domains, answers)
        kept = _kept(call, found.model, needed)
        return Smaller(kept, found.nodes_before, found.nodes_after)

    return _smaller.of((Same(model), answers, frozenset(domains.items()), needed), make)


def domains_of(known: Mapping[str, Known]) -> dict[str, Domain]:
    """Leave the columns of which something is known."""
    return {name: each.domain for name, each in known.items() if each.domain != Domain()}


def _facts(call: Call, knowledge: Knowledge) -> list[Fact]:
    """Give the conditions that a call may rely on.

    In the WHERE itself, rows that do not pass may be scored too: with any answer, so nothing may be
    computed of it there that could fail.
    """
    if call.clause == "where_clause":
        for condition in conjuncts(call.scope.node["where_clause"]):
            holds = any(part is call.node for part in parts_of(condition))
            if holds and not is_tame(condition):
                return []
    return knowledge.facts(call.scope)


def _is_shadowed(call: Call, argument: Argument) -> bool:
    """Whether a bare name may mean what the SELECT gives that name."""
    path = column_path(argument.expression) if argument.expression else None
    if path is None or len(path) != 1 or call.clause == "where_clause":
        return False
    return shadowed(call.scope, path[0].casefold())


def _answers(model: Model, kind: str) -> frozenset[str]:
    return frozenset(model.outputs.probabilities if kind == PROBA else model.outputs.prediction)


def _needed(call: Call, safe: Container[str]) -> frozenset[str]:
    """Name the columns that something must compute: without it an error could go unnoticed."""
    return frozenset(
        name for name, given in call.arguments.items() if not _can_drop(call, given, safe)
    )


def _kept(call: Call, model: Model, needed: frozenset[str]) -> Model:
    """Let a model keep columns that are needed, or one where it reads none."""
    whole = call.function.model.signature
    names = set(model.signature.names) | needed or {whole.names[0]}
    columns = tuple(column for column in whole.columns if column.name in names)
    return replace(model, signature=Signature(columns))


def _can_drop(call: Call, argument: Argument, safe: Container[str]) -> bool:
    if argument.source is not None and argument.column is not None:
        return is_droppable(argument.source, argument.column, safe)
    expression = argument.expression
    return expression is not None and is_plain(expression, call.scope, safe)


def _guards(known: Mapping[str, Known]) -> tuple[str, ...]:
    """Write one guard for each part of a table."""
    parts: dict[tuple[int, tuple[str, ...]], dict[str, Known]] = {}
    for each in known.values():
        if each.table is not None and each.assumed is not None:
            source, column = each.table
            parts.setdefault((id(source), each.conditions), {})[column] = each
    guards: list[str] = []
    for (_, conditions), columns in parts.items():
        source = next(each.table[0] for each in columns.values() if each.table)
        assumed = {name: each.assumed for name, each in columns.items() if each.assumed}
        guards.append(guard(source, conditions, assumed))
    return tuple(guards)


def make_function(
    connection: duckdb.DuckDBPyConnection, model: Model, kind: str, *, is_native: bool
) -> PrivateFunction:
    """Make a function of a pruned model, native where the whole model's is."""
    scorer, bundle = _ready.of((Same(model), is_native), lambda: _made_ready(model, is_native))
    return make_private(connection, scorer, kind, bundle)


def is_ready(model: Model, *, is_native: bool) -> bool:
    """Whether a model was made ready for functions before."""
    return (Same(model), is_native) in _ready


def _made_ready(model: Model, is_native: bool) -> tuple[Scorer, str | None]:
    # Without margins there is nothing to explain, and nothing is made ready for that.
    model = replace(model, residuals=(), outputs=replace(model.outputs, margins=()))
    program, bundle = b"", None
    if is_native:
        program = build_program(model) or b""
        bundle = write_temporary(Bundle(model, program=program)) if program else None
    return Scorer(model, program), bundle


def call_of(pruning: Pruning, function: PrivateFunction) -> str:
    """Write the call of a pruned model's function."""
    return function.call({name: pruning.passed(name) for name in pruning.model.signature.names})


def value_problem(call: Call) -> str | None:
    """Say which column may hold values that its check refuses: a smaller model has no check."""
    model = call.function.model
    for column in model.signature.columns:
        safe = _SAFE.get(column.type)
        if safe is None or not model.is_key(column.name):
            continue
        if _type_of(call.arguments[column.name]) not in safe:
            return f"column {column.name} may hold values that are no {column.type}"
    return None


def _type_of(argument: Argument) -> str | None:
    source, column = argument.source, argument.column
    if source is None or column is None or source.columns is None:
        return None
    return source.columns[column][1]
