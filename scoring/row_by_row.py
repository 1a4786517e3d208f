"""Whether the expressions of a query give one row's values from that row alone, each time the same.

DuckDB's own parser says what each part is, and DuckDB what its functions are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..errors import RegistrationError, UnsupportedModelError
from ..udfs.duckdb.ownership import KINDS, function_name
from .rewriting.syntax import Query, parse, parts_of, queries_in

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import duckdb

    from .rewriting.syntax import Node

IN_A_VIEW = "compute it in a view, and make the stream on that view."
_OF_MODELS = ("predict", "explain", "interval", "version", "foresql")
_SAME = "CONSISTENT"
_OF_NOW = {"current_localtime", "current_localtimestamp"}
"""What DuckDB calls consistent and reads the clock all the same; so does ``age`` of one time."""
_FUNCTION = """
    SELECT DISTINCT function_type, coalesce(stability, ''), macro_definition, parameters
    FROM duckdb_functions() WHERE lower(function_name) = ?
"""


class Words(NamedTuple):
    """How refusals say where the query is run.

    Attributes
    ----------
    others
        Why other rows cannot be read.
    inner
        What is wrong with a subquery.
    table
        Whose columns may be named.
    """

    others: str
    inner: str
    table: str


_OF_A_STREAM = Words(
    "a stream has the changed ones alone",
    "a change in what it reads would not rescore a row",
    "the stream's table",
)


class Called(NamedTuple):
    """A model that a query calls: the name of its predicting function, and what it means."""

    function: str
    reference: str


def check_row_by_row(
    connection: duckdb.DuckDBPyConnection,
    query: Query,
    names: Collection[str],
    models: Mapping[str, list[str]],
    way_out: str = IN_A_VIEW,
) -> tuple[Called, ...]:
    """Check a query, and give the models that it calls.

    Parameters
    ----------
    connection
        Whose functions it calls.
    query
        One SELECT.
    names
        What it may name: its table's columns, its row, and its own outputs.
    models
        Predicting functions, and the references that each may mean.
    way_out
        What to do about a part that is not row by row.

    Raises
    ------
    UnsupportedModelError
        If a part depends on other rows, or may give something else the next time.
    """
    reader = Reader(connection, models, way_out)
    own = frozenset(name.casefold() for name in names)
    reader.check(query.root["select_list"], own)
    reader.check(query.root["where_clause"], own)
    if not reader.called:
        known = ", ".join(sorted(models)) or "none: the registry is empty"
        raise UnsupportedModelError("the query", "it calls no model.", f"call one of: {known}.")
    return tuple(reader.called)


class Reader:
    """Checks that all parts of expressions are row by row, and notes which models they call."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        models: Mapping[str, list[str]],
        way_out: str,
        *,
        windows: bool = False,
        words: Words = _OF_A_STREAM,
    ) -> None:
        """Take a connection's functions, the models, and what to do about the rest.

        With ``windows`` those are checked elsewhere.
        """
        self._words = words
        self._connection = connection
        self._way_out = way_out
        self._windows = windows
        self._models = {
            function_name(name, kind).casefold(): (name, references)
            for name, references in models.items()
            for kind in KINDS
        }
        self._fine: set[str] = set()
        self.called: dict[Called, None] = {}

    def check(self, node: object, names: frozenset[str]) -> None:
        """Check a part and everything in it; ``names`` are what it may name, in lower case."""
        if any(True for _ in queries_in(node)):
            raise UnsupportedModelError(
                "a subquery in the query",
                f"{self._words.inner}.",
                self._way_out,
            )
        parts = list(parts_of(node))
        own = {name.casefold() for part in parts for name in _parameters(part)}
        for part in parts:
            self._check_part(part, names | own)

    def _check_part(self, part: Node, names: frozenset[str]) -> None:
        match part.get("class"):
            case "WINDOW" if not self._windows:
                raise UnsupportedModelError(
                    f"{part['function_name']} OVER in the query",
                    f"it reads other rows, and {self._words.others}.",
                    self._way_out,
                )
            case "STAR" | "POSITIONAL_REFERENCE" | "PARAMETER" | "DEFAULT":
                raise UnsupportedModelError(
                    f"{part['class'].lower().replace('_', ' ')} in the query",
                    "what it means depends on more than the row.",
                    "name the columns.",
                )
            case "COLUMN_REF":
                self._check_column(part, names)
            case "FUNCTION":
                self._check_function(part["function_name"].casefold(), len(part["arguments"]))
            case _:
                return

    def _check_column(self, part: Node, names: frozenset[str]) -> None:
        """Refuse what looks like a column and is a function without parentheses: current_date."""
        first = part["column_names"][0]
        if first.casefold() not in names:
            raise UnsupportedModelError(
                first,
                f"it is no column of {self._words.table}.",
                f"name a column, or {self._way_out}",
            )

    def _check_function(self, name: str, arguments: int) -> None:
        if name in self._models:
            self._note(name)
        elif name in _OF_NOW or (name == "age" and arguments == 1):
            raise UnsupportedModelError(
                name, "it gives another value as time goes by.", self._way_out
            )
        elif name not in self._fine:
            self._check_own(name)
            self._fine.add(name)

    def _note(self, name: str) -> None:
        function, references = self._models[name]
        if len(references) > 1:
            message = (
                f"{name} may mean {' or '.join(references)}. Publish the one that is meant under "
                "another name."
            )
            raise RegistrationError(message)
        self.called[Called(function, references[0])] = None

    def _check_own(self, name: str) -> None:
        """Check a function that is no model's: a scalar one that gives the same each time."""
        if name.split("_", maxsplit=1)[0] in _OF_MODELS:
            known = ", ".join(sorted(self._models)) or "none: the registry is empty"
            raise UnsupportedModelError(
                name, "the registry has no model with this function.", f"call one of: {known}."
            )
        overloads = self._connection.execute(_FUNCTION, [name]).fetchall()
        types = {type_ for type_, *_ in overloads}
        if {"aggregate", "window"} & types:
            raise UnsupportedModelError(
                name, f"it reads many rows, and {self._words.others}.", self._way_out
            )
        if types == {"macro"}:
            for _, _, definition, parameters in overloads:
                self._check_macro(name, definition, parameters)
        elif types != {"scalar"} or {stability for _, stability, *_ in overloads} != {_SAME}:
            raise UnsupportedModelError(
                name, "it is not certain to give the same for the same row.", self._way_out
            )

    def _check_macro(self, name: str, definition: str, parameters: list[str]) -> None:
        """Check what a macro means; its parameters are all that it may name."""
        query = parse(self._connection, f"SELECT {definition}")
        if query is None:
            raise UnsupportedModelError(name, "its macro cannot be read.", self._way_out)
        self._fine.add(name)
        names = frozenset(parameter.casefold() for parameter in parameters)
        self.check(query.root["select_list"], names)


def _parameters(part: Node) -> list[str]:
    """Give the names that a lambda gives to its arguments."""
    if part.get("class") != "LAMBDA":
        return []
    return [
        name
        for each in parts_of(part["lhs"])
        if each.get("class") == "COLUMN_REF"
        for name in each["column_names"][:1]
    ]
