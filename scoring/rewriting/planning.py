"""What becomes of each call: its smaller model, its route, and the edits of the query."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...udfs.duckdb.macros import quote
from ...udfs.functions import PREDICT
from .costs import Refusal, count_nodes, sql_problem
from .exits import describe, find_exit, pays, write_exit
from .explaining import ExplainedCall
from .facts import column_of
from .inlining import columns_read, inline, read_answer, source_problem
from .joins import remove_joins
from .naming import end_of_item, implied_name
from .pruned import call_of, make_function
from .syntax import Edit, Span, parts_of, span_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from ...ir import Model
    from ...models_sql.pruning import Domain
    from ...udfs.duckdb import PrivateFunction
    from .calls import Call
    from .choosing import Chooser
    from .inlining import Inlined, StandIn
    from .pruned import Pruning
    from .scopes import Scope
    from .syntax import Query


@dataclass(slots=True)
class Plan:
    """What is done in one pass over a query."""

    edits: list[Edit] = field(default_factory=list)
    calls: list[ExplainedCall] = field(default_factory=list)
    functions: list[PrivateFunction] = field(default_factory=list)
    stand_ins: list[StandIn] = field(default_factory=list)
    joins_removed: list[str] = field(default_factory=list)
    joins_kept: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    """Calls that stand in the new text as they did before."""
    is_last: bool = True
    """Whether no call holds another one, so that all of them are done."""
    is_clear: bool = True
    """Whether of queries like this one the same calls would stay as they are."""


class Planner:
    """Plans one pass over a query."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        query: Query,
        scopes: Sequence[Scope],
        chooser: Chooser,
    ) -> None:
        """Hold what the pass goes by."""
        self._connection = connection
        self._query = query
        self._scopes = scopes
        self._chooser = chooser
        self._plain, self._route, self._rows = chooser.plain, chooser.route, chooser.rows
        self._functions: dict[str, PrivateFunction] = {}

    def plan(self, calls: Sequence[Call]) -> Plan:
        """Decide what becomes of the calls that hold no other ones."""
        inner = [c for c in calls if not any(_is_within(each.span, c.span) for each in calls)]
        plan = Plan(is_last=len(inner) == len(calls))
        prunings = [found for call in inner if (found := self._pruned(call, plan)) is not None]
        joins = remove_joins(self._connection, self._query, prunings)
        plan.edits += joins.edits
        plan.joins_removed += joins.removed
        plan.joins_kept += joins.kept
        for scope in self._scopes:
            here = [each for each in prunings if each.call.scope is scope]
            if here:
                self._name(scope, here, plan)
                self._rewrite(scope, here, plan)
        return plan

    def _pruned(self, call: Call, plan: Plan) -> Pruning | None:
        """Prune a call's model, where that may pay."""
        chosen = self._chooser.choose(call)
        if not isinstance(chosen, Refusal):
            return chosen
        label = call.function.label
        plan.is_clear = plan.is_clear and chosen.is_clear
        plan.calls.append(
            ExplainedCall(call=call.text, model=label, route="unchanged", reason=chosen.reason)
        )
        return None

    def _rewrite(self, scope: Scope, prunings: Sequence[Pruning], plan: Plan) -> None:
        """Take the route of each call of a SELECT."""
        inlined: list[Inlined] = []
        reasons: dict[int, str] = {}
        problem = source_problem(scope)
        read = columns_read(scope, [pruning.call.node for pruning in prunings], ())
        for pruning in prunings:
            reason = self._not_sql(pruning) or problem
            answer = reason or read_answer(pruning, 0 if isinstance(read, str) else len(read))
            if isinstance(answer, str):
                reasons[id(pruning)] = answer
            else:
                inlined.append(answer)
        if inlined:
            reason = self._inline(scope, inlined, prunings, plan)
            if reason is not None:
                reasons |= {id(each.pruning): reason for each in inlined}
        for pruning in prunings:
            reason = reasons.get(id(pruning))
            said = None if reason is None else self._call(pruning, plan)
            plan.calls.append(_explained(pruning, reason, said))

    def _not_sql(self, pruning: Pruning) -> str | None:
        rows = self._rows.of(pruning.call, self._plain) if self._route == "auto" else None
        return sql_problem(pruning, rows, self._route)

    def _inline(
        self, scope: Scope, inlined: Sequence[Inlined], prunings: Sequence[Pruning], plan: Plan
    ) -> str | None:
        """Add the edits of models as SQL, which take in those within; or say why that cannot be."""
        [source] = scope.sources.values()
        where = span_of(source.node)
        inner = [e for e in plan.edits if where is not None and _is_inside(e.span, where)]
        facts = [fact for fact in self._plain.facts(scope) if fact.source is source]
        conditions = [fact.condition(column_of(source, fact.column)) for fact in facts]
        beside = [each for each in prunings if all(each is not i.pruning for i in inlined)]
        found = inline(self._query, scope, inlined, beside, conditions, inner)
        if isinstance(found, str):
            return found
        edits, stand_ins = found
        plan.edits = [edit for edit in plan.edits if edit not in inner] + edits
        plan.stand_ins += stand_ins
        return None

    def _call(self, pruning: Pruning, plan: Plan) -> str | None:
        """Call a function of the pruned model; give the early exit that stands before it."""
        if pruning.is_smaller:
            written = call_of(pruning, self._function(pruning, pruning.model, plan))
        else:
            written = pruning.call.text
            plan.kept.append(written)
        found = find_exit(pruning)
        said = None
        if found is not None:
            head = self._function(pruning, found.exit.head, plan, kind=PREDICT)
            facts = self._plain.facts(pruning.call.scope)
            conditions = [fact.condition(column_of(fact.source, fact.column)) for fact in facts]
            if self._route != "auto" or pays(self._connection, found, pruning, head, conditions):
                written = write_exit(found, pruning, head, written)
                said = describe(found, count_nodes(found.exit.head))
        plan.edits.append(Edit(pruning.call.span, pruning.guarded(written)))
        return said

    def _function(
        self, pruning: Pruning, model: Model, plan: Plan, *, kind: str | None = None
    ) -> PrivateFunction:
        """Make a function, one for all calls that need the same."""
        function = pruning.call.function
        kind = kind or function.kind
        known = sorted(pruning.domains.items(), key=repr)
        shape = (count_nodes(model), model.signature.names)
        key = repr((id(function.model), known, shape, kind, model is pruning.model))
        if key not in self._functions:
            self._functions[key] = make_function(
                self._connection, model, kind, is_native=function.is_native
            )
            plan.functions.append(self._functions[key])
        return self._functions[key]

    def _name(self, scope: Scope, prunings: Sequence[Pruning], plan: Plan) -> None:
        """Keep the names that DuckDB gives to what is calculated without an alias."""
        nodes = {id(pruning.call.node) for pruning in prunings}
        for item in scope.node["select_list"]:
            if item["alias"] or not any(id(part) in nodes for part in parts_of(item)):
                continue
            end = end_of_item(self._query, item)
            if end is not None:
                name = quote(implied_name(self._connection, item))
                plan.edits.append(Edit(Span(end, end), f" AS {name}"))


def _is_within(inner: Span, outer: Span) -> bool:
    return inner != outer and _is_inside(inner, outer)


def _is_inside(inner: Span, outer: Span) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def _explained(pruning: Pruning, reason: str | None, early_exit: str | None) -> ExplainedCall:
    call, known = pruning.call, pruning.known
    predicates = {text for each in known.values() for text in each.predicates}
    measured = {
        f"{name} {_said(each.assumed)}" for name, each in known.items() if each.assumed is not None
    }
    return ExplainedCall(
        call=call.text,
        model=call.function.label,
        route="sql" if reason is None else "udf",
        reason="its SQL is exact, and estimated to take less time" if reason is None else reason,
        nodes_before=pruning.nodes_before,
        nodes_after=pruning.nodes_after,
        columns_before=call.function.model.signature.names,
        columns_after=pruning.columns,
        predicates=tuple(sorted(predicates)),
        statistics=tuple(sorted(measured)) if pruning.guards else (),
        early_exit=early_exit,
    )


def _said(domain: Domain) -> str:
    """Say what a column holds."""
    missing = "or missing" if domain.missing else "never missing"
    if domain.low <= domain.high:
        return f"{domain.low:g} to {domain.high:g}, {missing}"
    if domain.keys:
        return f"{len(domain.keys)} values, {missing}"
    return f"no value, {missing}"
