"""A scoring query with windows over events: read, checked, and split into features and scores.

Everything below the outermost SELECT is features: computed over the events of the lookback. The
outermost SELECT is row by row, and is read as every scoring query.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from ....errors import UnsupportedModelError
from ....scoring.rewriting.syntax import column_path, parse, parts_of, queries_in
from ....scoring.row_query import check_names
from ...row_by_row import Reader
from ..definition import OFFSET, PARTITION, PUBLISHED
from .aggregates import check_aggregate
from .frames import check_window
from .joined import write_joined
from .layers import Layer, read_chain
from .syntax import column, folded, giving, reading, settle, unnamed, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from duckdb.sqltypes import DuckDBPyType

    from ....scoring.rewriting.syntax import Node
    from ..definition import Definition

IDENTITY = (PARTITION, OFFSET, PUBLISHED)
"""Where an event stands; it goes around the layers."""
ROW = "foresql_row"
"""The column by which a row is known through all layers."""
EVENTS = "foresql_layer_0"
"""What the features read."""
_IN_THE_EVENT = "compute it before the event is published."
_RENAME = "give it another name by AS."
_HASH_DIGITS = 16
_MODELS = ("predict", "explain", "interval")


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowQuery:
    """A scoring query with windows.

    Attributes
    ----------
    features
        What is below the outermost SELECT, over a table `foresql_layer_0`; `foresql_row` goes
        through it.
    joined
        The same, with the last windows as joins: quicker for few events. None where it cannot be.
    probe
        What events alone must stand: the expressions up to the first windows, row by row.
    scoring
        The outermost SELECT, over the features.
    table
        What it calls them.
    schema
        The features' columns, but for where the event stands.
    lookback
        How far before its own time a row's features reach.
    """

    features: str
    joined: str | None
    probe: str
    scoring: str
    table: str
    schema: pa.Schema
    lookback: timedelta


def read_window_query(
    connection: duckdb.DuckDBPyConnection, definition: Definition, events: pa.Schema
) -> WindowQuery:
    """Read a scoring query with windows.

    Parameters
    ----------
    connection
        Whose functions it calls.
    definition
        The worker's, with a `[window]`.
    events
        The columns of the events, where they stand among them.

    Raises
    ------
    UnsupportedModelError
        If a feature may depend on more than the events of its key within the lookback, or on the
        order in which they are read, with the way out.
    """
    settle(connection)
    text = definition.query.strip().rstrip(";")
    parsed = parse(connection, text)
    if parsed is None or parsed.root["type"] != "SELECT_NODE":
        raise UnsupportedModelError("the query", "it is not one SELECT.", "run it in DuckDB first.")
    root = parsed.root
    chain = read_chain(root, definition.events.table)
    reader = _Layers(connection, definition, events)
    for layer in chain.layers:
        reader.add(layer)
    _check_top(root, chain.row, reader.schema.names)
    lookback = reader.lookback
    if lookback is None:
        raise UnsupportedModelError(
            "[window] of the definition",
            "the query has no window over the events.",
            "leave [window] out.",
        )
    _check_bound(definition, lookback)
    features = reader.text()
    # What says by which query a prediction was made is a hash of the text: features belong to it.
    digest = hashlib.sha256(features.encode()).hexdigest()[:_HASH_DIGITS]
    scoring = write(connection, reading(root, chain.row, chain.row))
    return WindowQuery(
        features=features,
        joined=reader.joined(),
        probe=reader.probe,
        scoring=f"/* over features {digest} */ {scoring}",
        table=chain.row,
        schema=reader.features(),
        lookback=lookback,
    )


def _check_top(root: Node, row: str, names: Sequence[str]) -> None:
    checked = [root["select_list"], root["where_clause"]]
    _check_whole_rows([_modelless(each) for each in checked], row, names)
    for part in parts_of(root["select_list"]):
        if part.get("class") == "WINDOW":
            raise UnsupportedModelError(
                f"{part['function_name']} OVER in the outermost SELECT",
                "that is row by row, and reads what windows gave.",
                "compute it in a CTE or subquery, and read that.",
            )


def _check_bound(definition: Definition, lookback: timedelta) -> None:
    window = definition.window
    if window is not None and window.lookback is not None and lookback > window.lookback:
        raise UnsupportedModelError(
            "[window] lookback",
            f"the windows of the query look back {lookback}, and it is {window.lookback}; those of "
            "layers above each other add up.",
            "make it greater, or leave it out: the query says it.",
        )


class _Layers:
    """The layers that were read, from the events up."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, definition: Definition, events: pa.Schema
    ) -> None:
        """Begin at the events."""
        if definition.window is None or definition.events.time is None:
            raise UnsupportedModelError("the definition", "it has no [window].", "write one.")
        self._connection = connection
        self._key, self._time = definition.window.key, definition.events.time
        _check_types(events, self._key, self._time)
        self.schema = events
        self._origins: dict[str, str | None] = {name.casefold(): name for name in events.names}
        self._texts: list[str] = []
        self.lookback: timedelta | None = None
        self.probe = ""
        self._join: tuple[int, list[tuple[str, str]]] | None = None
        empty = events.append(pa.field(ROW, pa.int64())).empty_table()
        self._connection.register(EVENTS, empty)

    def features(self) -> pa.Schema:
        """Give the columns that are no event's place, which comes with every event.

        Raises
        ------
        UnsupportedModelError
            If one has the name of such a place and is something else, or a type that would be
            another one in the outermost SELECT.
        """
        self._check_crossing()
        for name in IDENTITY:
            if name in folded(self.schema.names) and self._origins.get(name) != name:
                raise UnsupportedModelError(
                    f"the column {name} of the query", "each event has one of this name.", _RENAME
                )
        return pa.schema([each for each in self.schema if each.name.casefold() not in IDENTITY])

    def _check_crossing(self) -> None:
        """See that the outermost SELECT reads the types of the features from Arrow."""
        features = self._ask(self.text())
        again = self._connection.from_arrow(features.to_arrow_table())
        for name, type_, found in zip(features.columns, features.types, again.types, strict=True):
            if type_ != found:
                raise UnsupportedModelError(
                    f"the column {name} of the query",
                    f"it is {type_}, and would be {found} in the outermost SELECT.",
                    f"cast it there below: {name}::{found}.",
                )

    def text(self) -> str:
        """Write all layers as one query."""
        return f"{self._with()}SELECT * FROM {self._last}"

    @property
    def _last(self) -> str:
        return f"foresql_layer_{len(self._texts)}"

    def joined(self) -> str | None:
        """Write all layers, with the last windows as joins."""
        if self._join is None:
            return None
        place, ctes = self._join
        named = [(f"foresql_layer_{number}", text) for number, text in enumerate(self._texts, 1)]
        last = (named[place - 1][0], ctes[-1][1])
        whole = _with([*named[: place - 1], *ctes[:-1], last, *named[place:]])
        return f"{whole}SELECT * FROM {self._last}"

    def _with(self) -> str:
        return _with(
            [(f"foresql_layer_{place}", text) for place, text in enumerate(self._texts, 1)]
        )

    def add(self, layer: Layer) -> None:
        """Check a layer, and put it above the others."""
        select = layer.select
        checked = [select["select_list"], select["where_clause"], select["qualify"]]
        self._check_parts(layer, checked)
        paths = self._paths(layer)
        windows = [part for part in parts_of(checked) if part.get("class") == "WINDOW"]
        reach = [
            check_window(self._connection, each, paths, self._key, self._time) for each in windows
        ]
        source = reading(select, self._last, layer.row)
        for window in windows:
            check_aggregate(window, self._types(source, _taken(window)))
        if windows and not self.probe:
            parts = [
                part
                for window in windows
                for part in (*_taken(window), *window["partitions"], window["filter_expr"])
            ]
            self.probe = self._beside_windows(source, [part for part in parts if part])[0]
        if reach:
            self.lookback = (self.lookback or timedelta()) + max(reach)
        given = self._given(select["select_list"], paths)
        stars = [each for each in select["select_list"] if each.get("class") == "STAR"]
        own = [] if stars else [column(ROW)]
        whole = giving(source, [*own, *source["select_list"]])
        if windows:
            self._join = None if select["qualify"] else self._joins(whole)
        self._texts.append(write(self._connection, whole))
        self.schema = self._described()
        self._origins = self._named(given)

    def _joins(self, layer: Node) -> tuple[int, list[tuple[str, str]]]:
        windows = [each for each in parts_of(layer["select_list"]) if each.get("class") == "WINDOW"]
        ctes = write_joined(self._connection, layer, _beside(layer), windows, ROW)
        return len(self._texts) + 1, ctes

    def _check_parts(self, layer: Layer, checked: Sequence[object]) -> None:
        if any(True for _ in queries_in(list(checked))):
            raise UnsupportedModelError(
                "a subquery in an expression", "it reads other rows.", "write it as a window."
            )
        select = layer.select
        for part in parts_of(list(checked)):
            _check_part(part)
            _check_star(part, layer.row)
        _check_whole_rows(checked, layer.row, self.schema.names)
        outputs = {each.get("alias", "") for each in select["select_list"]}
        names = {name.casefold() for name in (*self.schema.names, *outputs, layer.row) if name}
        # A star is fine here, and the names that a layer may use are those below it.
        fine = [_starless(each) for each in checked]
        Reader(self._connection, {}, _IN_THE_EVENT, windows=True).check(fine, frozenset(names))

    def _paths(self, layer: Layer) -> dict[tuple[str, ...], str | None]:
        """Say which column of the events a path is, with and without the row's name."""
        row = layer.row.casefold()
        prefixed = {(row, name): origin for name, origin in self._origins.items()}
        return {**prefixed, **{(name,): origin for name, origin in self._origins.items()}}

    def _given(
        self, entries: Sequence[Node], paths: Mapping[tuple[str, ...], str | None]
    ) -> list[tuple[str, str | None]]:
        """Say which outputs are columns of the events; the name is empty where DuckDB gives one."""
        given: list[tuple[str, str | None]] = []
        for entry in entries:
            if entry.get("class") == "STAR":
                left_out = {name.casefold() for name in entry["exclude_list"]}
                replaced = {each["key"].casefold() for each in entry["replace_list"]}
                given += [
                    (name, None if name in replaced else origin)
                    for name, origin in self._origins.items()
                    if name not in left_out
                ]
                continue
            path = column_path(entry)
            origin = None if path is None else paths.get(folded(path))
            name = entry.get("alias") or (path[-1] if path else "")
            given.append((name.casefold(), origin))
        return given

    def _named(self, given: Sequence[tuple[str, str | None]]) -> dict[str, str | None]:
        """Say which columns of the layer are which of the events, by the names that DuckDB gives.

        Raises
        ------
        UnsupportedModelError
            If two have one name: DuckDB gives the second another one.
        """
        names = folded(self.schema.names)
        if len(names) != len(given) or any(
            own not in {"", name} for (own, _), name in zip(given, names, strict=True)
        ):
            own = [name for name, _ in given if name]
            check_names(own)
            raise UnsupportedModelError(
                "the columns of a layer of the query",
                f"DuckDB calls them {', '.join(self.schema.names)}.",
                "give each a name of its own by AS.",
            )
        return {name: origin for name, (_, origin) in zip(names, given, strict=True)}

    def _types(self, source: Node, arguments: Sequence[Node]) -> Sequence[DuckDBPyType]:
        """Ask DuckDB for the types of what aggregates take, beside the names that they may use."""
        if not arguments:
            return ()
        text, beside = self._beside_windows(source, arguments)
        return self._ask(text).types[beside : beside + len(arguments)]

    def _beside_windows(self, source: Node, parts: Sequence[Node]) -> tuple[str, int]:
        """Write a layer of its entries without windows, then some parts of those; count the first.

        Entries that have no name are no part of it: nothing can refer to them.
        """
        entries = _beside(source)
        select = {**giving(source, [*entries, *map(unnamed, parts), column(ROW)]), "qualify": None}
        return f"{self._with()}{write(self._connection, select)}", len(entries)

    def _described(self) -> pa.Schema:
        schema = self._ask(self.text()).to_arrow_table().schema
        return schema.remove(schema.get_field_index(ROW))

    def _ask(self, text: str) -> duckdb.DuckDBPyRelation:
        try:
            return self._connection.sql(text)
        except duckdb.Error as error:
            raise UnsupportedModelError(
                "the query", f"DuckDB refuses it: {error}", "run it in DuckDB first."
            ) from error


def _with(ctes: Sequence[tuple[str, str]]) -> str:
    parts = [f"{name} AS (\n{text}\n)" for name, text in ctes]
    return f"WITH {', '.join(parts)}\n" if parts else ""


def _beside(layer: Node) -> list[Node]:
    """Give the entries of a layer that have a name and no window."""
    return [
        entry
        for entry in layer["select_list"]
        if entry.get("alias") and not any(each.get("class") == "WINDOW" for each in parts_of(entry))
    ]


def _taken(window: Node) -> list[Node]:
    return [each["expression"] for each in window["arguments"]]


def _check_part(part: Node) -> None:
    match part.get("class"):
        case "STAR" if part["columns"] or part["rename_list"] or part["qualified_exclude_list"]:
            raise UnsupportedModelError(
                "COLUMNS or RENAME in the query", "which columns it gives is open.", "name them."
            )
        case "COLLATE":
            raise UnsupportedModelError(
                "COLLATE in the query", "equal texts may differ.", "compare lower(text)."
            )
        case "FUNCTION" if _is_model(part):
            raise UnsupportedModelError(
                f"{part['function_name']} below the outermost SELECT",
                "a later version would change the features of events that are scored already.",
                "call models in the outermost SELECT.",
            )
        case _:
            return


def _is_model(part: Node) -> bool:
    return part["function_name"].split("_")[0].casefold() in _MODELS


def _check_whole_rows(checked: Sequence[object], row: str, names: Sequence[str]) -> None:
    """Refuse a row that is taken as one value: where an event stands is in it here."""
    if row.casefold() in folded(names):
        return
    for part in parts_of(list(checked)):
        path = column_path(part)
        if path is not None and folded(path) == (row.casefold(),):
            raise UnsupportedModelError(
                f"{row} as one value in the query",
                "the rows of a worker have more columns than those of the batch.",
                "name the columns; models alone take rows, in the outermost SELECT.",
            )


def _modelless(node: object) -> object:
    """Leave out what models take: they find their columns by name."""
    if isinstance(node, list):
        return [_modelless(each) for each in node]
    if not isinstance(node, dict):
        return node
    is_model = node.get("class") == "FUNCTION" and _is_model(node)
    return {
        name: [] if is_model and name == "arguments" else _modelless(each)
        for name, each in node.items()
    }


def _check_star(part: Node, row: str) -> None:
    """Refuse the fields of a struct as columns: any of them may have the name of a key."""
    relation = part["relation_name"] if part.get("class") == "STAR" else ""
    if relation.casefold() not in {"", row.casefold()}:
        raise UnsupportedModelError(
            f"{relation}.* in the query", f"the layer reads {row} alone.", "name the fields by AS."
        )


def _starless(checked: object) -> object:
    """Leave out stars, but for what they replace."""
    if not isinstance(checked, list):
        return checked
    return [
        [replaced["value"] for replaced in each["replace_list"]]
        if isinstance(each, dict) and each.get("class") == "STAR"
        else each
        for each in checked
    ]


def _check_types(events: pa.Schema, key: Sequence[str], time: str) -> None:
    missing = [name for name in (*key, time) if name not in events.names]
    if missing:
        raise UnsupportedModelError(
            f"{', '.join(missing)} of the definition",
            "the events have no such column.",
            f"name one of: {', '.join(events.names)}.",
        )
    if events.field(time).type != pa.timestamp("us"):
        raise UnsupportedModelError(
            f"[events] time, {time}",
            f"windows go by a TIMESTAMP, and it is {events.field(time).type}.",
            f"declare {time} as TIMESTAMP: times are UTC.",
        )
    for name in key:
        type_ = events.field(name).type
        if pa.types.is_floating(type_) or pa.types.is_nested(type_) or pa.types.is_interval(type_):
            raise UnsupportedModelError(
                f"[window] key, {name}",
                f"values of {type_} may be equal and yet different.",
                "take a text, a whole number or a date.",
            )
