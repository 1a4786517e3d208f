"""Joins that only dropped columns needed, and that change no rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...udfs.duckdb.macros import quote
from .facts import is_integer
from .inlining import argument_columns
from .scopes import output_name, parts_behind_from
from .syntax import Edit, column_path, conjuncts, parts_of, queries_in, span_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from .pruned import Pruning
    from .scopes import Scope, Source
    from .syntax import Node, Query

_PATH = 2
_DISTINCT = "DISTINCT_MODIFIER"


@dataclass(slots=True)
class Joins:
    """What became of the joins: edits, those removed, and why others stay."""

    edits: list[Edit] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def remove_joins(
    connection: duckdb.DuckDBPyConnection, query: Query, prunings: Sequence[Pruning]
) -> Joins:
    """Find joins that only dropped columns needed, and remove those that change no rows."""
    joins = Joins()
    seen: set[int] = set()
    for pruning in prunings:
        for scope, source in _dropped_sources(pruning):
            join = next((j for j in scope.joins if j["right"] is source.node), None)
            if join is None or id(source) in seen:
                continue
            seen.add(id(source))
            _remove(connection, query, scope, source, join, prunings, joins)
    return joins


def _dropped_sources(pruning: Pruning) -> Iterator[tuple[Scope, Source]]:
    """Give the sources of columns that a call reads no more, in its SELECT and the one below."""
    names = set(pruning.columns)
    for name, argument in pruning.call.arguments.items():
        source, column = argument.source, argument.column
        if name in names or source is None or column is None:
            continue
        yield pruning.call.scope, source
        if source.scope is not None:
            found = source.scope.projection(column)
            if isinstance(found, tuple):
                yield source.scope, found[0]


def _remove(  # noqa: PLR0913, PLR0917 - one join, and all around it
    connection: duckdb.DuckDBPyConnection,
    query: Query,
    scope: Scope,
    source: Source,
    join: Node,
    prunings: Sequence[Pruning],
    joins: Joins,
) -> None:
    span = span_of(join)
    if span is None:
        return
    text = query.text_of(span)
    edits = _unread(scope, source, join, prunings)
    if edits is None:
        return
    problem = _row_problem(connection, scope, source, join)
    if problem is None:
        joins.removed.append(text)
        joins.edits += [*edits, Edit(span, "")]
    else:
        joins.kept.append(f"{text}: {problem}")


def _unread(
    scope: Scope, source: Source, join: Node, prunings: Sequence[Pruning]
) -> list[Edit] | None:
    """Write NULL for what the SELECT takes of a source and nobody reads; None where it is read."""
    read = _outputs_read(scope, prunings)
    mine = _names_read(scope, prunings)
    if mine is None:
        return None
    edits: list[Edit] = []
    items = {id(part): item for item in scope.node["select_list"] for part in parts_of(item)}
    conditions = [
        part for each in scope.joins if each is not join for part in parts_of(each.get("condition"))
    ]
    if any(_is_of(part, scope, source) for part in conditions):
        return None
    for part in mine:
        if not _is_of(part, scope, source):
            continue
        item = items.get(id(part))
        if item is None or read is None or output_name(item) is None or output_name(item) in read:
            return None
        edit = _null(part, item, scope)
        if edit is None:
            return None
        edits.append(edit)
    return edits


def _is_of(part: Node, scope: Scope, source: Source) -> bool:
    """Whether a part reads a source: its column, its row, or a star that has it."""
    if part.get("class") == "STAR":
        return part["relation_name"].casefold() in ("", source.alias.casefold())
    path = column_path(part)
    if path is None:
        return False
    found = scope.resolve(path)
    if found is None:
        return path[0].casefold() == source.alias.casefold()
    return found[0] is source


def _names_read(scope: Scope, prunings: Sequence[Pruning]) -> list[Node] | None:
    """Give what a SELECT reads beside its FROM, without what rewritten calls read no more."""
    others = {k: v for k, v in scope.node.items() if k not in ("from_table", "cte_map")}
    if any(True for _ in queries_in(list(others.values()))):
        return None
    inside: set[int] = set()
    found: list[Node] = []
    for pruning in prunings:
        if pruning.call.scope is scope:
            inside |= {id(part) for part in parts_of(pruning.call.node)}
            found += [
                {"class": "COLUMN_REF", "column_names": [source.alias, column]}
                for source, column in argument_columns(pruning)
            ]
    given = {output_name(item) for item in scope.node["select_list"] if item["class"] != "STAR"}
    for _, part in parts_behind_from(scope):
        if id(part) in inside:
            continue
        path = column_path(part)
        if path is not None and scope.resolve(path) is None:
            folded = path[0].casefold()
            if folded not in scope.sources and not (len(path) == 1 and folded in given):
                return None
        if path is not None or part.get("class") == "STAR":
            found.append(part)
    return found


def _outputs_read(scope: Scope, prunings: Sequence[Pruning]) -> set[str] | None:
    """Give what the one reader of a SELECT reads of its result; None where that may be all."""
    node = scope.node
    is_plain = not node["group_sets"] and node["aggregate_handling"] == "STANDARD_HANDLING"
    if len(scope.readers) != 1 or not is_plain:
        return None
    if any(each["type"] == _DISTINCT for each in node.get("modifiers", ())):
        return None
    reader, alias = scope.readers[0]
    source = reader.sources.get(alias)
    names = _names_read(reader, prunings)
    if source is None or names is None:
        return None
    names += [part for join in reader.joins for part in parts_of(join.get("condition"))]
    if any(join.get("using_columns") or join["ref_type"] == "NATURAL" for join in reader.joins):
        return None
    read: set[str] = set()
    for part in names:
        if not _is_of(part, reader, source):
            continue
        found = reader.resolve(column_path(part) or [])
        if found is None:
            return None
        read.add(found[1])
    return read


def _null(part: Node, item: Node, scope: Scope) -> Edit | None:
    """Write NULL, in its own type, in place of a column that nobody reads."""
    path, span = column_path(part), span_of(part)
    found = scope.resolve(path) if path else None
    if found is None or span is None or found[0].columns is None:
        return None
    name, kind = found[0].columns[found[1]]
    if kind is None:
        return None
    needs_name = part is item and not item["alias"]
    return Edit(span, f"CAST(NULL AS {kind})" + (f" AS {quote(name)}" if needs_name else ""))


def _row_problem(
    connection: duckdb.DuckDBPyConnection, scope: Scope, source: Source, join: Node
) -> str | None:
    """Say why a join may change the rows; None where each row finds one partner at most."""
    if join["ref_type"] != "REGULAR" or join.get("using_columns") or source.table is None:
        return "it is not a table joined ON columns"
    pairs = list(_pairs(join["condition"], scope, source))
    known = [pair for pair in pairs if pair is not None]
    if join["join_type"] == "LEFT":
        keys = _constraints(connection, source.table)
        columns = {column for column, _, _ in known}
        if any(key <= columns for kind, key, _ in keys if kind in ("PRIMARY KEY", "UNIQUE")):
            return None
        return f"no PRIMARY KEY or UNIQUE constraint says that {source.alias} has one row at most"
    if join["join_type"] == "INNER" and len(known) == len(pairs):
        return (
            None if _is_foreign_key(connection, source, known) else "no FOREIGN KEY keeps all rows"
        )
    return f"a {join['join_type']} JOIN may drop rows"


def _pairs(
    condition: Node, scope: Scope, source: Source
) -> Iterator[tuple[str, Source, str] | None]:
    """Give, for each condition, the source's column and the other's that it equals, uncast."""
    for part in conjuncts(condition):
        sides = [part.get("left"), part.get("right")]
        paths = [column_path(side) if side else None for side in sides]
        found = [scope.resolve(path) if path else None for path in paths]
        mine = [each for each in found if each is not None and each[0] is source]
        others = [each for each in found if each is not None and each[0] is not source]
        if part["type"] != "COMPARE_EQUAL" or len(mine) != 1 or len(others) != 1:
            yield None
            continue
        kinds = [each[0].columns[each[1]][1] for each in (*mine, *others) if each[0].columns]
        is_same = len(kinds) == _PATH and kinds[0] == kinds[1] and kinds[0] is not None
        if is_same or all(map(is_integer, kinds)):
            yield mine[0][1], others[0][0], others[0][1]
        else:
            yield None


def _constraints(
    connection: duckdb.DuckDBPyConnection, table: str
) -> list[tuple[str, frozenset[str], tuple[str | None, list[str], list[str]]]]:
    rows = connection.execute(
        "SELECT database_name, schema_name, table_name, constraint_type, constraint_column_names, "
        "referenced_table, referenced_column_names FROM duckdb_constraints()"
    ).fetchall()
    return [
        (row[3], frozenset(name.casefold() for name in row[4]), (row[5], row[4], row[6] or []))
        for row in rows
        if ".".join(map(quote, row[:3])) == table
    ]


def _is_foreign_key(
    connection: duckdb.DuckDBPyConnection, source: Source, pairs: list[tuple[str, Source, str]]
) -> bool:
    """Whether every row of the other table has its partner, by its constraints."""
    others = {id(other): other for _, other, _ in pairs}
    if len(others) != 1:
        return False
    [other] = others.values()
    if other.table is None or other.nullable or source.table is None:
        return False
    # A foreign key cannot reach into another schema or database.
    table = source.table.rpartition(".")
    if other.table.rpartition(".")[0] != table[0]:
        return False
    constraints = _constraints(connection, other.table)
    never_null = {
        name
        for kind, names, _ in constraints
        if kind in ("NOT NULL", "PRIMARY KEY")
        for name in names
    }
    wanted = {(mine, theirs) for mine, _, theirs in pairs}
    for kind, names, (referenced, own, keys) in constraints:
        if kind != "FOREIGN KEY" or quote(str(referenced)).casefold() != table[2].casefold():
            continue
        same = {(key.casefold(), name.casefold()) for key, name in zip(keys, own, strict=True)}
        if same == wanted and names <= never_null:
            return True
    return False
