"""What the names in a query mean: its SELECTs, and the tables and subqueries that each reads.

Only what is certain is resolved. A name that is not gives no knowledge, and its call stays as it
is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import duckdb

from ...udfs.duckdb.macros import quote
from .syntax import column_path, parts_of, queries_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .syntax import Node

Columns: TypeAlias = Mapping[str, tuple[str, str | None]]
"""From the folded name of a column to its name and, where it is known, its type."""

_KNOWN_JOINS = {"REGULAR", "CROSS"}


@dataclass(slots=True, eq=False)
class Source:
    """One entry of a FROM.

    Attributes
    ----------
    alias
        By which its columns are called.
    node
        What stands in the FROM.
    columns
        From the folded name of each column to its name and type; None where they are not known.
        The type is None where it is not.
    table
        The qualified name of a table in quotes, where it is one of the database's own.
    is_plain
        Whether it is a table or a file, in which nothing is computed.
    scope
        The SELECT that it is, of a subquery or a common table expression.
    nullable
        Whether an outer join may give a row in which all its columns are NULL.
    """

    alias: str
    node: Node
    columns: Columns | None = None
    table: str | None = None
    is_plain: bool = False
    scope: Scope | None = None
    nullable: bool = False


@dataclass(slots=True, eq=False)
class Scope:
    """One SELECT.

    Attributes
    ----------
    node
        The parsed query.
    sources
        By folded alias what it reads.
    complete
        Whether ``sources`` are all that its FROM has.
    readers
        The SELECTs that read its result, with the alias by which they do.
    joins
        The JOINs of its FROM, the outermost last.
    on
        Conditions of inner joins that hold for all its rows.
    """

    node: Node
    sources: dict[str, Source] = field(default_factory=dict)
    complete: bool = True
    readers: list[tuple[Scope, str]] = field(default_factory=list)
    joins: list[Node] = field(default_factory=list)
    on: list[Node] = field(default_factory=list)

    def resolve(self, path: list[str]) -> tuple[Source, str] | None:
        """Find the source and the folded name of a column; None where that is not certain."""
        if len(path) == 1:
            name = path[0].casefold()
            found = [s for s in self.sources.values() if s.columns and name in s.columns]
            others = any(s.columns is None for s in self.sources.values())
            return (found[0], name) if len(found) == 1 and self.complete and not others else None
        if len(path) != 2:  # noqa: PLR2004 - a table and its column
            return None
        source = self.sources.get(path[0].casefold())
        name = path[1].casefold()
        return (source, name) if source and source.columns and name in source.columns else None

    def projection(self, name: str) -> Node | tuple[Source, str] | None:
        """Find what a column of the result is: a source's column, or an expression."""
        for item in self.node["select_list"]:
            if item["class"] == "STAR":
                for source, column in self._starred(item):
                    if column == name:
                        return source, column
            elif output_name(item) == name:
                path = column_path(item)
                return (self.resolve(path) if path else None) or item
        return None

    def base(self, source: Source, column: str) -> tuple[Source, str] | None:
        """Go down to the column of a table that a source's column is; None for expressions."""
        if source.scope is None:
            return source, column
        found = source.scope.projection(column)
        return self.base(*found) if isinstance(found, tuple) else None

    def output_columns(self) -> Columns | None:
        """Give the columns of the result; None where they are not known."""
        found: dict[str, tuple[str, str | None]] = {}
        for item in self.node["select_list"]:
            if item["class"] == "STAR":
                if not is_plain_star(item) or not self._can_expand(item):
                    return None
                new = [s.columns[c] for s, c in self._starred(item) if s.columns]
            else:
                path = column_path(item)
                base = self.resolve(path) if path else None
                name = item["alias"] or (path[-1] if path else "")
                kind = base[0].columns[base[1]][1] if base and base[0].columns else None
                new = [(name, kind)]
            for name, kind in new:
                if name.casefold() in found:
                    return None
                found[name.casefold()] = (name, kind)
        return found

    def _can_expand(self, star: Node) -> bool:
        if star["relation_name"]:
            source = self.sources.get(star["relation_name"].casefold())
            return source is not None and source.columns is not None
        has_using = any(join.get("using_columns") for join in self.joins)
        return (
            self.complete
            and not has_using
            and all(s.columns is not None for s in self.sources.values())
        )

    def _starred(self, star: Node) -> Iterator[tuple[Source, str]]:
        wanted = star["relation_name"].casefold()
        for alias, source in self.sources.items():
            if wanted in ("", alias):
                for name in source.columns or ():
                    yield source, name


def output_name(item: Node) -> str | None:
    """Give the folded name of an entry of a SELECT that has one of its own."""
    path = column_path(item)
    name = item["alias"] or (path[-1] if path else None)
    return name.casefold() if name else None


def is_plain_star(star: Node) -> bool:
    """Whether a star gives all columns as they are."""
    changes = ("exclude_list", "replace_list", "qualified_exclude_list", "rename_list")
    return not star["columns"] and star["expr"] is None and not any(star[c] for c in changes)


class Catalog:
    """What a connection says of its tables. Each is asked for once."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Hold the connection."""
        self._connection = connection
        self._found: dict[str, tuple[Columns | None, str | None, bool]] = {}
        self.rows: dict[str, int] = {}
        """About how many rows the tables have that were looked up."""
        setting = connection.execute("SELECT current_setting('default_collation')").fetchall()
        self._collates = setting not in ([("",)], [("binary",)])

    def look_up(self, path: list[str]) -> tuple[Columns | None, str | None, bool]:
        """Say of a name its columns, its full name if a table's, and whether it is no view."""
        name = ".".join(map(quote, path))
        if name not in self._found:
            try:
                rows = self._connection.execute(f"DESCRIBE FROM {name}").fetchall()
            except duckdb.Error:
                rows = []
            table, plain_text, is_plain = self._entry([part.casefold() for part in path])
            columns = {row[0].casefold(): (row[0], self._type(row[1], plain_text)) for row in rows}
            self._found[name] = (columns or None, table, is_plain)
        return self._found[name]

    def _type(self, kind: str, plain_text: bool) -> str | None:
        """Give a type, but for texts that may be equal though they differ."""
        is_known = (plain_text and not self._collates) or kind != "VARCHAR"
        return kind if is_known else None

    def _entry(self, path: list[str]) -> tuple[str | None, bool, bool]:
        """Give a table's full name, and whether its texts have no collation, and it is no view."""
        rows = self._connection.execute(
            "SELECT database_name, schema_name, table_name, sql, false, estimated_size "
            "FROM duckdb_tables() WHERE lower(table_name) = $1 UNION ALL "
            "SELECT database_name, schema_name, view_name, sql, true, 0 FROM duckdb_views() "
            "WHERE NOT internal AND lower(view_name) = $1",
            [path[-1]],
        ).fetchall()
        fits = [row for row in rows if [p.casefold() for p in row[:3]][-len(path) :] == path]
        if not fits:
            return None, True, True
        plain_text = not any(row[4] or "collate" in row[3].casefold() for row in fits)
        # Of several tables of one name, DuckDB's search path decides; that is not redone here.
        is_plain = not any(row[4] for row in fits)
        name = ".".join(map(quote, fits[0][:3])) if len(fits) == 1 and is_plain else None
        if name is not None:
            self.rows[name] = fits[0][5]
        return name, plain_text, is_plain


def read_scopes(root: Node, catalog: Catalog) -> list[Scope]:
    """Give all SELECTs of a query, those that others read before them."""
    scopes: list[Scope] = []
    _Reader(catalog, scopes).read(root, {})
    return scopes


class _Reader:
    def __init__(self, catalog: Catalog, scopes: list[Scope]) -> None:
        self._catalog = catalog
        self._scopes = scopes

    def read(self, node: Node, tables: Mapping[str, Scope | None]) -> Scope | None:
        """Read a query and all queries in it; ``tables`` are the common tables around it."""
        tables = dict(tables)
        is_select = node["type"] == "SELECT_NODE"
        for entry in node["cte_map"]["map"]:
            value = entry["value"]
            inner = self.read(value["query_node"], tables)
            tables[entry["key"].casefold()] = None if value["aliases"] else inner
        if not is_select:
            rest = {key: value for key, value in node.items() if key != "cte_map"}
            if node["type"] == "RECURSIVE_CTE_NODE":
                tables[node["cte_name"].casefold()] = None
            for query in queries_in(list(rest.values())):
                self.read(query, tables)
            return None
        scope = Scope(node)
        self._from(node["from_table"], scope, tables, below=())
        # Those in the FROM have been read as sources.
        others = {k: v for k, v in node.items() if k not in ("cte_map", "from_table")}
        for query in queries_in(list(others.values())):
            self.read(query, tables)
        self._scopes.append(scope)
        return scope

    def _from(
        self, node: Node, scope: Scope, tables: Mapping[str, Scope | None], below: tuple[str, ...]
    ) -> list[Source]:
        """Read a FROM; ``below`` are the kinds of the joins that it is within."""
        match node["type"]:
            case "JOIN":
                return self._join(node, scope, tables, below)
            case "EMPTY":
                return []
            case "SUBQUERY" | "BASE_TABLE":
                source = self._source(node, scope, tables)
            case _:
                source = None
                for query in queries_in(list(node.values())):
                    self.read(query, tables)
                self._read_unseen(node, scope, tables)
        if source is None or source.alias.casefold() in scope.sources:
            scope.complete = False
            return []
        scope.sources[source.alias.casefold()] = source
        return [source]

    def _join(
        self, node: Node, scope: Scope, tables: Mapping[str, Scope | None], below: tuple[str, ...]
    ) -> list[Source]:
        kind, is_known = node["join_type"], node["ref_type"] in _KNOWN_JOINS
        inside = (*below, kind if is_known else "UNKNOWN")
        left = self._from(node["left"], scope, tables, inside)
        right = self._from(node["right"], scope, tables, inside)
        for query in queries_in([node.get("condition")]):
            self.read(query, tables)
        is_inner = kind == "INNER" and is_known
        if not is_inner:
            outer = {"LEFT": right, "RIGHT": left, "SEMI": [], "ANTI": []} if is_known else {}
            for source in outer.get(kind, [*left, *right]):
                source.nullable = True
        if is_inner and set(inside) <= {"INNER"} and node.get("condition"):
            scope.on.append(node["condition"])
        scope.joins.append(node)
        if kind in ("SEMI", "ANTI"):
            for source in right:
                del scope.sources[source.alias.casefold()]
                scope.complete = False
            return left
        return [*left, *right]

    def _read_unseen(self, node: Node, scope: Scope, tables: Mapping[str, Scope | None]) -> None:
        """Let common tables that, say, a PIVOT reads have a reader of which nothing is known."""
        for part in parts_of(node):
            inner = tables.get(str(part.get("table_name", "")).casefold())
            if inner is not None:
                inner.readers.append((scope, ""))

    def _source(
        self, node: Node, scope: Scope, tables: Mapping[str, Scope | None]
    ) -> Source | None:
        if node["type"] == "SUBQUERY":
            inner = self.read(node["subquery"]["node"], tables)
            return self._derived(node, node["alias"], inner, scope)
        path = node["qualified_name"]["path"]
        alias = node["alias"] or path[-1]
        common = path[-1].casefold()
        if len(path) == 1 and common in tables:
            return self._derived(node, alias, tables[common], scope)
        if node.get("column_name_alias") or node.get("at_clause"):
            return Source(alias, node)
        return Source(alias, node, *self._catalog.look_up(path))

    def _derived(self, node: Node, alias: str, inner: Scope | None, scope: Scope) -> Source:
        if inner is not None:
            inner.readers.append((scope, alias.casefold()))
        if inner is None or node.get("column_name_alias"):
            return Source(alias, node)
        return Source(alias, node, inner.output_columns(), scope=inner)


def parts_behind_from(scope: Scope) -> Iterator[tuple[str, Node]]:
    """Give every part of a SELECT but its FROM, with the clause that it is in."""
    for clause, content in scope.node.items():
        if clause not in ("cte_map", "from_table"):
            for part in parts_of(content):
                # ORDER BY ALL is a star too, of what the SELECT gives.
                if clause != "modifiers" or part.get("class") != "STAR":
                    yield clause, part
