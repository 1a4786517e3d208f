"""The layers of a query above each other, from the events up, each checked and written."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from ....errors import UnsupportedModelError
from ....scoring.rewriting.syntax import column_path, parts_of, queries_in
from ....scoring.row_by_row import Reader
from ....scoring.row_query import check_names
from ....scoring.trees import column, folded, giving, reading, unnamed, write
from ..carrying import check_features
from ..definition import OFFSET, PARTITION, PUBLISHED
from .aggregates import check_aggregate
from .frames import check_window
from .joined import write_joined
from .parts import check_part, check_star, check_types, check_whole_rows, starless

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from duckdb.sqltypes import DuckDBPyType

    from ....scoring.rewriting.syntax import Node
    from ..definition import Definition
    from .layers import Layer

IDENTITY = (PARTITION, OFFSET, PUBLISHED)
"""Where an event stands; it goes around the layers."""
ROW = "foresql_row"
"""The column by which a row is known through all layers."""
EVENTS = "foresql_layer_0"
"""What the features read."""
_IN_THE_EVENT = "compute it before the event is published."
_RENAME = "give it another name by AS."


class Stack:
    """The layers that were read, from the events up."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, definition: Definition, events: pa.Schema
    ) -> None:
        """Begin at the events."""
        if definition.window is None or definition.events.time is None:
            raise UnsupportedModelError("the definition", "it has no [window].", "write one.")
        self._connection = connection
        self._key, self._time = definition.window.key, definition.events.time
        check_types(events, self._key, self._time)
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
        check_features(dict(zip(features.columns, features.types, strict=True)))
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
            check_part(part)
            check_star(part, layer.row)
        check_whole_rows(checked, layer.row, self.schema.names)
        outputs = {each.get("alias", "") for each in select["select_list"]}
        names = {name.casefold() for name in (*self.schema.names, *outputs, layer.row) if name}
        # A star is fine here, and the names that a layer may use are those below it.
        fine = [starless(each) for each in checked]
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
