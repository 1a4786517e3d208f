"""An endpoint's query, compiled: the rows that it takes, what it looks up, and what it answers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import duckdb
import pyarrow as pa

from ...errors import EndpointError, UnsupportedModelError
from ...scoring.pinning import pin
from ...scoring.query import callable_models, connect_quietly
from ...scoring.rewriting.syntax import column_path, parse, parts_of
from ...scoring.trees import folded, settle
from .columns import Column, arrow_type, column_of
from .outputs import Output, output_of
from .parts import check_parts, is_model
from .relations import named_relations, tell_apart, written
from .request_columns import check_folded, check_keys, database_of, request_types
from .shape import ViewKeys, read_shape
from .writing import OURS, REQUEST, ROW, Statements, view_name, write_statements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ...online import FeatureView, OnlineStore, OnlineView
    from ...scoring.pinning import Pinned
    from ...scoring.rewriting.syntax import Query
    from ...scoring.row_by_row import Called
    from .definition import Definition
    from .shape import Layer

_VERSION_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where endpoints find what they need.

    Attributes
    ----------
    registry
        The models.
    store
        The feature views; none without ``--online``.
    database
        The warehouse's file, for endpoints that name no other one.
    """

    registry: Path
    store: OnlineStore | None = None
    database: Path | None = None


class Looked(NamedTuple):
    """A feature view as a query joins it: its columns that the query may read, in their order."""

    view: FeatureView
    columns: tuple[str, ...]
    schema: pa.Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointQuery:
    """A compiled query.

    Attributes
    ----------
    query
        As DuckDB parses it.
    relation
        The request's relation, as the query names it.
    request
        The columns of the request's rows.
    statements
        What DuckDB runs.
    joined
        The feature view of each join.
    models
        The models that it calls, and the versions that they are.
    outputs
        What it answers.
    types
        All columns of the request's relation, with their types.
    named_views
        From how the query names feature views to their names.
    online
        The feature views that it was compiled for, by name.
    version
        What tells this state apart: text, definition, models, and the columns that come, are
        looked up and are answered.
    """

    query: Query
    relation: str
    request: tuple[Column, ...]
    statements: Statements
    joined: tuple[Looked, ...]
    models: tuple[Called, ...]
    pinned: Pinned
    outputs: tuple[Output, ...]
    types: Mapping[str, str]
    named_views: Mapping[str, str]
    online: Mapping[str, OnlineView]
    version: str = ""

    @property
    def versions(self) -> dict[str, int]:
        """The version of each model, by its name; and alias, where the query calls several."""
        pinned = [version for _, version in self.pinned.functions]
        names = [version.name for version in pinned]
        return {
            called.reference if is_alias and names.count(version.name) > 1 else version.name: (
                version.version
            )
            for called, version in zip(self.models, pinned, strict=True)
            for is_alias in [called.function != f"predict_{version.name}"]
        }

    @property
    def interface(self) -> tuple[tuple[str, str], ...]:
        """What a client sees: the names and types of what comes and of what is answered."""
        parts = (*self.request, *self.outputs)
        return tuple((each.name, each.type) for each in parts)

    @property
    def schema(self) -> pa.Schema:
        """The request's rows as DuckDB gets them."""
        fields = [pa.field(column.name, column.arrow) for column in self.request]
        return pa.schema([*fields, pa.field(ROW, pa.int64())])

    @property
    def views(self) -> dict[str, FeatureView]:
        """The feature views by name."""
        return {looked.view.name: looked.view for looked in self.joined}


def compile_query(
    definition: Definition, around: Surroundings, types: Mapping[str, str] | None = None
) -> EndpointQuery:
    """Compile the query of an endpoint, with the versions that its models mean now.

    Parameters
    ----------
    definition
        The endpoint.
    around
        Where it finds models, views and types.
    types
        The columns of the request's relation, where they are known already.

    Raises
    ------
    ForesqlError
        If a part is refused, with the reason and the way out; or something that it needs is not
        there.
    """
    connection = connect_quietly(":memory:")
    try:
        return _compiled(connection, definition, around, types)
    finally:
        connection.close()


def _compiled(
    connection: duckdb.DuckDBPyConnection,
    definition: Definition,
    around: Surroundings,
    types: Mapping[str, str] | None,
) -> EndpointQuery:
    settle(connection)
    query = _parsed(connection, definition)
    named = named_relations(query.root)
    online = {} if around.store is None else around.store.views
    views = {name: found.view for name, found in online.items()}
    where = None if around.store is None else around.store.location
    database = database_of(definition, around)
    catalog = None if database is None else database.stem.casefold()
    relations = tell_apart(named, definition.request.table, views, where, catalog)
    relation = named[relations.request]
    own = types or request_types(definition, relation, database)
    declared = [column_of(name, own[name]) for name in definition.request.columns]
    columns: dict[tuple[str, ...], Mapping[str, str]] = {
        path: views[name].columns for path, name in relations.views.items()
    }
    columns[relations.request] = own
    for path, names in columns.items():
        check_folded(written(named[path]), names)
    keys = {name: ViewKeys(name, folded(view.keys)) for name, view in views.items()}
    layers = read_shape(query.root, relations, columns, keys)
    models = callable_models(around.registry)
    called = check_parts(connection, layers, models)
    pinned = pin(called, definition.text, around.registry)
    pinned.register(connection, around.registry)
    read = _read(layers, 0, layers[0].row, own, around.registry, pinned)
    request = declared or [column_of(name, own[name]) for name in read]
    check_keys(definition, request)
    joined = tuple(_looked(layers, views, around.registry, pinned))
    statements = write_statements(
        connection, layers, {column.name: column.type for column in request}
    )
    found = EndpointQuery(
        query=query,
        relation=written(relation),
        request=tuple(request),
        statements=statements,
        joined=joined,
        models=called,
        pinned=pinned,
        outputs=(),
        types=own,
        named_views={written(named[path]): name for path, name in relations.views.items()},
        online={looked.view.name: online[looked.view.name] for looked in joined},
    )
    bound = _bound(connection, found, definition)
    return replace(bound, version=_version(definition, bound))


def _parsed(connection: duckdb.DuckDBPyConnection, definition: Definition) -> Query:
    try:
        connection.extract_statements(definition.text)
    except duckdb.Error as error:
        message = f"{definition.place} cannot be parsed: {error}"
        raise EndpointError(message) from error
    query = parse(connection, definition.text)
    if query is None:
        raise UnsupportedModelError(
            "the query", "it is not one SELECT.", "write SELECT … FROM the request's rows AS f."
        )
    return query


def _looked(
    layers: Sequence[Layer],
    views: Mapping[str, FeatureView],
    registry: Path,
    pinned: Pinned,
) -> list[Looked]:
    """Say which columns of each joined view the query may read, with the types in Arrow."""
    found: list[Looked] = []
    for index, layer in enumerate(layers):
        for join in layer.joins:
            view = views[join.view]
            names = _read(layers, index, join.alias, view.columns, registry, pinned)
            columns = tuple(n for n in view.columns if n in {*names, *view.keys})
            types = {name: arrow_type(view.columns[name]) for name in columns}
            for name, type_ in types.items():
                if type_ is None:
                    raise UnsupportedModelError(
                        f"{name} of the feature view {view.name}",
                        f"queries of endpoints cannot read {view.columns[name]}.",
                        "CAST it to BIGINT or DOUBLE where it is materialized.",
                    )
            found.append(Looked(view, columns, pa.schema(list(types.items()))))
    return found


def _read(  # noqa: PLR0913, PLR0917 - a relation, and what may read it
    layers: Sequence[Layer],
    index: int,
    alias: str,
    columns: Mapping[str, str],
    registry: Path,
    pinned: Pinned,
) -> list[str]:
    """Name the columns of a relation that a query may read: all whose names stand in it.

    A star gives all of them, and a model that takes the row reads those of its signature.
    """
    select = layers[index].scope.node["select_list"]
    covering = {"", alias.casefold()}
    stars = [each for each in parts_of(select) if each.get("class") == "STAR"]
    if any(star["relation_name"].casefold() in covering for star in stars):
        return list(columns)
    names = {name for layer in layers for name in _mentioned(layer.scope.node)}
    row = (alias.casefold(),)
    parts = parts_of([*layers[index].scope.node.values()])  # the SELECT itself is a query
    calls = [part for part in parts if is_model(part)]
    for call in calls:
        paths = [column_path(each["expression"]) for each in call["arguments"]]
        if any(path and folded(path) == row for path in paths):
            names |= set(pinned.columns_of(call["function_name"], registry))
    return [name for name in columns if name.casefold() in names]


def _mentioned(node: object) -> set[str]:
    if isinstance(node, list):
        return {name for each in node for name in _mentioned(each)}
    if not isinstance(node, dict):
        return set()
    names = {*(column_path(node) or ()), *(node.get("using_columns") or ())}
    inner = {name for each in node.values() for name in _mentioned(each)}
    return {name.casefold() for name in names} | inner


def _bound(
    connection: duckdb.DuckDBPyConnection, found: EndpointQuery, definition: Definition
) -> EndpointQuery:
    """Let DuckDB bind all statements, and take over what it says of their types."""
    connection.register(REQUEST, found.schema.empty_table())
    for number, looked in enumerate(found.joined):
        connection.register(view_name(number), looked.schema.empty_table())
    types = {column.name.casefold(): column.type for column in found.request}
    for stage in found.statements.stages:
        if stage.text is None:
            given = [types[name] for name in stage.columns]
        else:
            given = [type_ for _, type_ in _described(connection, stage.text)]
        at = 0
        for number, width in stage.joins:
            _check_key_types(found.joined[number].view, given[at : at + width])
            at += width
    outputs = [
        (name, type_)
        for name, type_ in _described(connection, found.statements.text)
        if name != ROW
    ]
    names = folded([name for name, _ in outputs])
    if len(set(names)) < len(names) or any(name.startswith(OURS) for name in names):
        raise UnsupportedModelError(
            "the columns of the query", "two have one name.", "give each a name of its own by AS."
        )
    return _with_outputs(connection, found, dict(outputs), definition.answer.columns)


def _with_outputs(
    connection: duckdb.DuckDBPyConnection,
    found: EndpointQuery,
    types: Mapping[str, str],
    wanted: Sequence[str],
) -> EndpointQuery:
    for name in wanted:
        if name not in types:
            raise UnsupportedModelError(
                f"[answer] columns, {name}",
                "the query gives no such column.",
                f"name one of {', '.join(types)}.",
            )
    outputs = tuple(output_of(connection, name, types[name]) for name in (wanted or types))
    return replace(found, outputs=outputs)


def _version(definition: Definition, found: EndpointQuery) -> str:
    """Give the hash of all that an answer rests on, but for rows of views: ``as_of`` says those.

    What else changes, a comment in the definition say, changes nothing.
    """
    views = {
        name: (view.keys, list(view.columns.items())) for name, view in sorted(found.views.items())
    }
    said = (asdict(definition.request), asdict(definition.answer), found.interface, views)
    text = json.dumps([found.pinned.scoring_hash, said], default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_VERSION_DIGITS]


def _described(connection: duckdb.DuckDBPyConnection, text: str) -> list[tuple[str, str]]:
    try:
        rows = connection.execute(f"DESCRIBE {text}").fetchall()
    except duckdb.Error as error:
        raise UnsupportedModelError(
            "the query", f"DuckDB refuses it: {error}", "run it in the warehouse first."
        ) from error
    return [(str(name), str(type_)) for name, type_, *_ in rows]


_WHOLE = {
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
}


def _check_key_types(view: FeatureView, given: Sequence[str]) -> None:
    """See that equal keys are the same values: a conversion in between may join other rows."""
    for key, type_ in zip(view.keys, given, strict=True):
        own = view.columns[key]
        if own != type_ and not {own, type_} <= _WHOLE:
            raise UnsupportedModelError(
                f"the join of {view.name} in the query",
                f"its key {key} is {own}, and is compared with {type_}.",
                f"write = CAST(… AS {own}).",
            )
