"""A model as SQL inside of a query: its source becomes one with the scores as further columns."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import duckdb

from ...errors import UnsupportedModelError
from ...models_sql import compile_query, target_of
from ...udfs.duckdb.macros import literal, quote
from ...udfs.functions import PROBA
from .costs import count_nodes
from .recent import Recent, Same
from .scopes import is_plain_star, output_name, parts_behind_from
from .syntax import Edit, Span, column_path, parts_of, queries_in, span_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from ...ir import Model
    from ...models_sql.compile import Query as CompiledQuery
    from .pruned import Pruning
    from .scopes import Scope, Source
    from .syntax import Node, Query

_ROWS, _SCORED = "foresql rows", "foresql scored"
_BINARY = 2
_MOST_CASES = 400
"""Up to so many nodes, forests may be nested CASEs."""
_texts = Recent["CompiledQuery"](16)
_types = Recent["tuple[str, ...] | None"](64)


class Inlined(NamedTuple):
    """A call whose model has exact SQL, and the expression of its answer there."""

    pruning: Pruning
    answers: tuple[str, ...]
    answer: str


class StandIn(NamedTuple):
    """A model's SQL in a rewritten query, and what makes others of the same types of it.

    ``whole`` is the whole model with the types of what the call passes; None where these are not
    known. ``kept`` and ``answers`` are the columns that it gives.
    """

    text: str
    rows: str
    kept: tuple[str, ...]
    answers: tuple[str, ...]
    whole: tuple[Hashable, ...] | None

    def written(self, connection: duckdb.DuckDBPyConnection, text: str) -> str:
        """Write a query with columns of the same types in place of the model.

        To plan the model's SQL takes long. So the types of its answers are asked for once.
        """
        if self.whole is None or self.text not in text:
            return text
        types = _types.of(self.whole, lambda: self._types(connection))
        if types is None:
            return text
        given = [
            *self.kept,
            *(
                f"CAST(NULL AS {kind}) AS {quote(name)}"
                for name, kind in zip(self.answers, types, strict=True)
            ),
        ]
        return text.replace(self.text, f"SELECT {', '.join(given)} FROM {self.rows}")

    def _types(self, connection: duckdb.DuckDBPyConnection) -> tuple[str, ...] | None:
        try:
            found = connection.sql(self.text)
        except duckdb.Error:
            return None
        types = dict(zip(found.columns, map(str, found.types), strict=True))
        return tuple(types[name] for name in self.answers)


def source_problem(scope: Scope) -> str | None:
    """Say why the source of a SELECT cannot be replaced; None where it can."""
    node = scope.node
    if scope.joins or len(scope.sources) != 1 or not scope.complete:
        return "SQL needs a SELECT from one table or subquery"
    [source] = scope.sources.values()
    if source.columns is None or source.node.get("sample") or span_of(source.node) is None:
        return "SQL needs a source whose columns are known"
    others = {key: value for key, value in node.items() if key not in ("from_table", "cte_map")}
    if any(True for _ in queries_in(list(others.values()))):
        return "a subquery in the SELECT may read the source too"
    if any(each["type"].startswith("LIMIT") for each in node.get("modifiers", ())):
        return "SQL would score rows that the LIMIT does without"
    return None


def read_answer(pruning: Pruning, kept: int = 0) -> Inlined | str:
    """See that a call's model has exact SQL, and how its answer is written; or say why not.

    ``kept`` is how many columns will stand beside it: then it is not compiled again.
    """
    outputs, kind = pruning.model.outputs, pruning.call.function.kind
    if outputs.classes is None and len(outputs.prediction) > 1:
        return "its answer is a vector"
    labels = [str(label) for label in outputs.classes or ()]
    names, answer = ["prediction"], quote("prediction")
    if kind == PROBA and len(labels) == _BINARY:
        names, answer = ["probability"], quote("probability")
    elif kind == PROBA:
        names = [f"probability_{label}" for label in labels]
        fields = zip(map(literal, labels), map(quote, names), strict=True)
        answer = "{" + ", ".join(f"{label}: {name}" for label, name in fields) + "}"
    try:
        compiled = _compiled(pruning.model, kept)
    except UnsupportedModelError as error:
        return str(error)
    if not compiled.approximate.isdisjoint(names):
        return "its SQL is exact up to 2 ulp only"
    if compiled.tables:
        return "its SQL needs tables"
    if "error(" in compiled.text:
        return "it refuses rows, and SQL may see more of them than the query asks for"
    return Inlined(pruning, tuple(names), answer)


def _compiled(model: Model, kept: int) -> CompiledQuery:
    """Compile a model for a query that is planned once for each run.

    DuckDB plans nested CASEs for longer than they run, and lookups in masks at once.
    """

    def make() -> CompiledQuery:
        target, rows = target_of("duckdb"), quote(_ROWS)
        keep = [_keep(place) for place in range(kept)]
        if count_nodes(model) > _MOST_CASES:
            with suppress(UnsupportedModelError):
                return compile_query(model, target, rows, keep=keep, strategy="mask")
        return compile_query(model, target, rows, keep=keep)

    return _texts.of((Same(model), kept), make)


def _keep(place: int) -> str:
    return f"foresql keep {place}"


def inline(  # noqa: PLR0913, PLR0917 - one SELECT, and all around it
    query: Query,
    scope: Scope,
    calls: Sequence[Inlined],
    beside: Sequence[Pruning],
    conditions: Sequence[str],
    inner: Sequence[Edit],
) -> tuple[list[Edit], list[StandIn]] | str:
    """Replace the source of a SELECT by one with the scores; or say why that cannot be.

    ``beside`` are other rewritten calls of the SELECT. ``conditions`` are on the source's columns,
    and hold for all rows that are asked for; ``inner`` are edits within the source. Equal calls are
    one column.
    """
    [source] = scope.sources.values()
    where, stars = span_of(source.node), _stars(scope)
    read = columns_read(scope, [call.pruning.call.node for call in calls], beside)
    if isinstance(read, str) or where is None or stars is None:
        return read if isinstance(read, str) else "it has a star, and it is not certain which"
    distinct: dict[str, tuple[Inlined, str]] = {}
    edits: list[Edit] = []
    for call in calls:
        score = quote(f"foresql score {len(distinct)}")
        _, score = distinct.setdefault(_key(call), (call, score))
        written = call.pruning.guarded(f"{quote(source.alias)}.{score}")
        edits.append(Edit(call.pruning.call.span, written))
    hidden = ", ".join(score for _, score in distinct.values())
    edits += [Edit(Span(star.end, star.end), f" EXCLUDE ({hidden})") for star in stars]
    text = query.part(where, inner)
    if not source.node["alias"]:
        text += f" AS {quote(source.alias)}"
    if conditions:
        text += f" WHERE {' AND '.join(conditions)}"
    written, stand_ins = _scored(source, text, read, list(distinct.values()))
    return [*edits, Edit(where, written)], stand_ins


def _key(call: Inlined) -> str:
    """Give what equal calls share."""
    arguments = [argument.text for argument in call.pruning.call.arguments.values()]
    function = call.pruning.call.function
    return repr((function.name, function.kind, arguments, call.pruning.guards))


def _scored(
    source: Source, origin: str, read: frozenset[str], calls: list[tuple[Inlined, str]]
) -> tuple[str, list[StandIn]]:
    """Nest one query a model around the source; each carries what those around it read."""
    alias, names = quote(source.alias), source.columns or {}
    carried = [quote(names[each][0]) for each in names if each in read]
    done: list[str] = []
    stand_ins: list[StandIn] = []
    for index, (call, score) in enumerate(calls):
        later = {
            name for each, _ in calls[index + 1 :] for _, name in argument_columns(each.pruning)
        }
        wanted = carried + [
            written
            for name in names
            if name in later and (written := quote(names[name][0])) not in carried
        ]
        kept = [_keep(place) for place in range(len(wanted) + len(done))]
        given = [
            *(
                f"{alias}.{each} AS {quote(keep)}"
                for each, keep in zip([*wanted, *done], kept, strict=True)
            ),
            *(
                f"{call.pruning.passed(name)} AS {quote(name)}"
                for name in call.pruning.model.signature.names
            ),
        ]
        # As a common table, what is scored has no names of the model's own around it.
        rows = f"(SELECT {', '.join(given)} FROM {origin})"
        compiled = _compiled(call.pruning.model, len(kept)).text
        text = f"WITH {quote(_ROWS)} AS {rows} SELECT * FROM ({compiled})"
        back = [
            f"{quote(keep)} AS {each}" for keep, each in zip(kept, [*wanted, *done], strict=True)
        ]
        done.append(score)
        origin = (
            f"(SELECT {', '.join([*back, f'{call.answer} AS {score}'])} "
            f"FROM ({text}) AS {quote(_SCORED)}) AS {alias}"
        )
        beside = tuple(map(quote, kept))
        stand_ins.append(StandIn(text, rows, beside, call.answers, _whole(call.pruning)))
    return origin, stand_ins


def _whole(pruning: Pruning) -> tuple[Hashable, ...] | None:
    """Give what decides of which types a model's SQL is; None where that is not known."""
    passed = [pruning.call.arguments[name] for name in pruning.model.signature.names]
    types = [
        each.source.columns[each.column][1]
        if each.source and each.source.columns and each.column
        else None
        for each in passed
    ]
    if None in types:
        return None
    function = pruning.call.function
    return Same(function.model), function.kind, pruning.model.signature.names, tuple(types)


def argument_columns(pruning: Pruning) -> set[tuple[Source, str]]:
    """Give the columns that a pruned call reads."""
    found: set[tuple[Source, str]] = set()
    for name in pruning.columns:
        argument = pruning.call.arguments[name]
        if argument.source is not None and argument.column is not None:
            found.add((argument.source, argument.column))
        for part in parts_of(argument.expression):
            path = column_path(part)
            resolved = pruning.call.scope.resolve(path) if path else None
            if resolved is not None:
                found.add(resolved)
    return found


def columns_read(
    scope: Scope, replaced: Sequence[Node], beside: Sequence[Pruning]
) -> frozenset[str] | str:
    """Give the columns that a SELECT reads beside the calls; or say which name is not certain."""
    nodes = [*replaced, *(pruning.call.node for pruning in beside)]
    inside = {id(part) for node in nodes for part in parts_of(node)}
    given = {output_name(item) for item in scope.node["select_list"] if item["class"] != "STAR"}
    found = {name for pruning in beside for _, name in argument_columns(pruning)}
    for _, part in parts_behind_from(scope):
        if id(part) in inside:
            continue
        if part.get("class") == "STAR":
            found.update(*(source.columns or {} for source in scope.sources.values()))
        path = column_path(part)
        if path is None:
            continue
        resolved = scope.resolve(path)
        if resolved is not None:
            found.add(resolved[1])
        elif len(path) > 1 or path[0].casefold() not in given:
            return f"what {'.'.join(path)} means is not certain"
    return frozenset(found)


def _stars(scope: Scope) -> list[Span] | None:
    """Say where the stars of a SELECT are; None where there are others than plain ones."""
    found: list[Span] = []
    for _, part in parts_behind_from(scope):
        if part.get("class") == "STAR":
            span = span_of(part)
            if span is None or not is_plain_star(part):
                return None
            found.append(span)
    return found
