"""The shape of an endpoint's query: SELECTs above each other, each row from one of the request's.

Whatever would let the answer to a row depend on the rows that come with it is refused by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import UnsupportedModelError
from ...scoring.rewriting.scopes import read_scopes
from ...scoring.rewriting.syntax import column_path, conjuncts, is_query, parts_of
from ...scoring.trees import folded
from .relations import Known
from .writing import column

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...scoring.rewriting.scopes import Scope, Source
    from ...scoring.rewriting.syntax import Node
    from .relations import Path, Relations

_ALONE = "the answer would depend on the rows that a request happens to bring together"
_IN_A_VIEW = "compute it in the warehouse, materialize it, and JOIN it as a feature view."
_EMPTY = {
    "modifiers": "ORDER BY, LIMIT or DISTINCT",
    "group_expressions": "GROUP BY",
    "group_sets": "GROUP BY",
    "having": "HAVING",
    "qualify": "QUALIFY",
    "sample": "USING SAMPLE",
}


class ViewKeys(NamedTuple):
    """What the shape needs to know of a feature view: its name, and its key columns, folded."""

    name: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """A feature view that a SELECT joins.

    Attributes
    ----------
    view
        The feature view's name.
    alias
        What the SELECT calls it.
    node
        The JOIN in the FROM.
    keys
        What its key columns are compared with, in the order of the key.
    is_plain
        Whether that is read from the SELECT's own rows alone, no other view's.
    """

    view: str
    alias: str
    node: Node
    keys: tuple[Node, ...]
    is_plain: bool


@dataclass(frozen=True, slots=True)
class Layer:
    """One SELECT: what it calls the rows that it reads, and the views that it joins to them."""

    scope: Scope
    row: str
    joins: tuple[Join, ...]

    @property
    def joins_by_node(self) -> dict[int, Join]:
        """Find a join by the identity of its node in the FROM."""
        return {id(join.node): join for join in self.joins}


def read_shape(
    root: Node,
    relations: Relations,
    columns: Mapping[Path, Mapping[str, str]],
    views: Mapping[str, ViewKeys],
) -> list[Layer]:
    """Give the SELECTs of a query, the one that reads the request first.

    Parameters
    ----------
    root
        The query.
    relations
        What it reads.
    columns
        The columns of those, with their types.
    views
        The feature views by name.

    Raises
    ------
    UnsupportedModelError
        If a part of it reads many rows, or a view is not joined by its key.
    """
    _check_queries(root)
    scopes = read_scopes(root, Known(columns))  # pyright: ignore[reportArgumentType]
    for scope in scopes:
        _check_clauses(scope.node)
    layers: list[Layer] = []
    scope: Scope | None = scopes[-1]
    while scope is not None:
        source = _leftmost(scope)
        joins = tuple(_joins(scope, source, relations, views))
        layers.append(Layer(scope, source.alias, joins))
        scope = source.scope
        if scope is None and not _is_request(source.node, relations):
            raise UnsupportedModelError(
                f"FROM {source.alias} in the query",
                "it is not the request's rows.",
                "begin FROM with those, and JOIN feature views to them.",
            )
    if len(layers) != len(scopes):
        raise UnsupportedModelError(
            "a subquery or CTE in the query",
            "it is not on the way from the request's rows to the answer.",
            "leave it out, or JOIN the feature view itself.",
        )
    return layers[::-1]


def _check_queries(root: Node) -> None:
    for node in _queries(root):
        if node["type"] != "SELECT_NODE":
            raise UnsupportedModelError(
                "a set operation or recursion in the query",
                "it does not give one row, or none, for each of the request.",
                "write one SELECT, with CASE for what differs.",
            )


def _queries(node: object) -> Iterator[Node]:
    if isinstance(node, dict):
        if is_query(node):
            yield node
        for each in node.values():
            yield from _queries(each)
    elif isinstance(node, list):
        for each in node:
            yield from _queries(each)


def _check_clauses(select: Node) -> None:
    if select.get("aggregate_handling") != "STANDARD_HANDLING":
        raise UnsupportedModelError("GROUP BY ALL in the query", f"{_ALONE}.", _IN_A_VIEW)
    for key, name in _EMPTY.items():
        if select[key]:
            way_out = "leave it out: answers are in the order of the request's rows."
            is_grouping = key in {"group_expressions", "group_sets", "having", "qualify"}
            raise UnsupportedModelError(
                f"{name} in the query", f"{_ALONE}.", _IN_A_VIEW if is_grouping else way_out
            )


def _leftmost(scope: Scope) -> Source:
    node: Any = scope.node["from_table"]
    while node["type"] == "JOIN":
        node = node["left"]
    for source in scope.sources.values():
        if source.node is node:
            return source
    raise UnsupportedModelError(
        "FROM in the query",
        "it does not begin with the request's rows, or a subquery over them.",
        "begin FROM with those, and JOIN feature views to them.",
    )


def _is_request(node: Node, relations: Relations) -> bool:
    if node["type"] != "BASE_TABLE":
        return False
    _check_plain(node)
    return folded(node["qualified_name"]["path"]) == relations.request


def _check_plain(node: Node) -> None:
    if node.get("sample") or node.get("column_name_alias") or node.get("at_clause"):
        raise UnsupportedModelError(
            "FROM in the query", "it has a sample, a time or names of columns.", "leave them out."
        )


def _joins(
    scope: Scope, first: Source, relations: Relations, views: Mapping[str, ViewKeys]
) -> Iterator[Join]:
    """Give the joins of a SELECT, in the order of its FROM."""
    _check_plain(first.node)
    seen = [first]
    for node in _joins_of(scope.node["from_table"]):
        source = _joined(scope, node, relations)
        path = folded(source.node["qualified_name"]["path"])
        yield _join(scope, source, node, seen, views[relations.views[path]])
        seen.append(source)


def _joins_of(node: Node) -> list[Node]:
    found: list[Node] = []
    while node["type"] == "JOIN":
        found.append(node)
        node = node["left"]
    return found[::-1]


def _joined(scope: Scope, node: Node, relations: Relations) -> Source:
    right = node["right"]
    name = right.get("alias") or right.get("table_name") or "a subquery"
    if node["ref_type"] != "REGULAR" or node["join_type"] not in {"INNER", "LEFT"}:
        raise UnsupportedModelError(
            f"the join of {name} in the query",
            f"it is {node['ref_type']} {node['join_type']}: {_ALONE}, or a row is looked up by "
            "more than its key.",
            "write JOIN or LEFT JOIN, with ON or USING.",
        )
    sources = [each for each in scope.sources.values() if each.node is right]
    is_table = right["type"] == "BASE_TABLE" and bool(sources) and sources[0].scope is None
    if is_table and folded(right["qualified_name"]["path"]) in relations.views:
        _check_plain(right)
        return sources[0]
    if is_table and folded(right["qualified_name"]["path"]) == relations.request:
        raise UnsupportedModelError(
            f"the join of {name} in the query",
            "it is the request's rows.",
            "begin FROM with those, once, and JOIN feature views to them.",
        )
    raise UnsupportedModelError(
        f"the join of {name} in the query",
        "it is no feature view by its own name.",
        "JOIN feature views themselves, and compute in the SELECT.",
    )


def _join(scope: Scope, source: Source, node: Node, seen: Sequence[Source], view: ViewKeys) -> Join:
    compared = _compared(scope, source, node, seen)
    missing = [key for key in view.keys if key not in compared]
    if missing:
        raise UnsupportedModelError(
            f"the join of {source.alias} in the query",
            f"it does not compare {', '.join(missing)} by = with a value of the rows before it, "
            f"and the key of the feature view {view.name} is {', '.join(view.keys)}.",
            f"write ON {' AND '.join(f'{source.alias}.{key} = …' for key in view.keys)}; where a "
            "name may be of two relations, say of which.",
        )
    keys = tuple(compared[key] for key in view.keys)
    read = [each for key in keys for each in _sources_of(scope, key)]
    if any(each is None or each not in seen for each in read):
        raise UnsupportedModelError(
            f"the join of {source.alias} in the query",
            "its key is compared with something that is not certain to be of the rows before it.",
            "write the relation before each column's name, as in f.origin.",
        )
    return Join(view.name, source.alias, node, keys, all(each is seen[0] for each in read))


def _compared(scope: Scope, source: Source, node: Node, seen: Sequence[Source]) -> dict[str, Node]:
    """Say with what the columns of a view are compared, by their folded names."""
    found: dict[str, Node] = {}
    for name in node["using_columns"]:
        # Of joins that are INNER or LEFT, the column is the first relation's that has it.
        owners = [each for each in seen if each.columns and name.casefold() in each.columns]
        found |= {name.casefold(): column(name, owners[0].alias)} if owners else {}
    for each in conjuncts(node.get("condition")):
        if each["type"] != "COMPARE_EQUAL":
            continue
        for own, other in ((each["left"], each["right"]), (each["right"], each["left"])):
            path = column_path(own)
            resolved = scope.resolve(path) if path else None
            if resolved is None or resolved[0] is not source:
                continue
            if source not in _sources_of(scope, other):
                found.setdefault(resolved[1], other)
    return found


def _sources_of(scope: Scope, expression: Node) -> list[Source | None]:
    """Say of which relations an expression reads columns; None for what is not certain."""
    found: list[Source | None] = []
    for part in parts_of(expression):
        path = column_path(part)
        if path is not None:
            resolved = scope.resolve(path)
            found.append(resolved[0] if resolved else None)
    return found
