"""The functions of a connection: which of them are models', and which are DuckDB's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from weakref import ref

from ...errors import BundleError, ForesqlError
from ...ir.bundle import read_bundle
from ...udfs.duckdb import registered_model, registered_tokens
from ...udfs.duckdb.macros import quote
from ...udfs.functions import PREDICT, PROBA
from .recent import Recent

if TYPE_CHECKING:
    import duckdb

    from ...ir import Model
    from ...ir.bundle import Bundle

_MARK = re.compile(
    r"(?<!\w)(\w+): register the model in this process first \((\w+) ([0-9a-f]{8})\)"
)
_WORD = re.compile(r"\w+")
_PLANNED = '{"error":false'
_CALLED = re.compile(r"\w*predict\w*(?=\W*\()")
_BUNDLE = re.compile(r"'((?:[^']|'')+)#([0-9a-f]{64})'")
_OWN_FUNCTIONS = """
    SELECT lower(function_name) FROM duckdb_functions() WHERE internal
    AND function_type IN ('scalar', 'macro')
    GROUP BY ALL HAVING bool_and(coalesce(stability, 'CONSISTENT') = 'CONSISTENT')
"""
# Temporary macros hide those of the database.
_FUNCTIONS = """
    SELECT lower(function_name), macro_definition, database_name IN (current_database(), 'temp')
    FROM duckdb_functions() WHERE NOT internal
    ORDER BY database_name = 'temp', database_name, schema_name, function_oid
"""
_own: set[str] = set()
"""DuckDB's own functions, once they were asked for."""
_bundles = Recent["Bundle"](8)
"""Bundles by their digest."""
REWRITTEN = {PREDICT, PROBA}
"""Kinds of functions whose answers a pruned model gives too."""


class Function(NamedTuple):
    """A function of a model in a connection; ``label`` is the model's name, with its version."""

    name: str
    kind: str
    model: Model
    label: str
    is_native: bool


@dataclass(slots=True)
class Safe:
    """Names of functions, and whether it was asked for any."""

    names: frozenset[str]
    was_asked: bool = False

    def __contains__(self, name: object) -> bool:
        """Whether a function is one of them."""
        self.was_asked = True
        return name in self.names


class Functions:
    """The functions of a connection: those of models, and those of DuckDB's own."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Read the connection's functions, but for DuckDB's."""
        self._connection = ref(connection)
        self._rows = rows = connection.execute(_FUNCTIONS).fetchall()
        self._tokens = registered_tokens()
        self._others = frozenset(name for name, _, _ in rows)
        # The last one of a name counts, whoever made it.
        last = {name: definition for name, definition, is_near in rows if is_near}
        self._macros: dict[str, str] = {
            name: text for name, text in last.items() if text and _MARK.search(text)
        }
        self._found: dict[str, Function | str] = {}
        self._plans: dict[str, str | None] = {}
        self._safe = Safe(frozenset())

    def may_be_all_of(self, query: str) -> bool:
        """Whether these may be all functions that a query calls, for all that this process knows.

        A model that was registered since, or in a way that is not seen here, is missing: then a
        query would stay as it is for no good reason.
        """
        called = set(_CALLED.findall(query.casefold()))
        return called <= self._others and self._tokens == registered_tokens()

    def are_same(self, query: str) -> bool:
        """Whether what a query calls is still what it was when these were read.

        Once all functions were seen to be the same, what DuckDB makes of a call tells: that takes
        a tenth of the time. Where functions of DuckDB's own mattered, all are looked at.
        """
        connection = self._connection()
        if connection is None:
            return False
        called = sorted(self._called(query))
        plans = {name: self._plan(connection, name) for name in called}
        if None not in plans.values() and plans.items() <= self._plans.items():
            return not self._safe.was_asked or self._are_all_same(connection)
        if not self._are_all_same(connection):
            return False
        self._plans.update(plans)
        return True

    def _are_all_same(self, connection: duckdb.DuckDBPyConnection) -> bool:
        return connection.execute(_FUNCTIONS).fetchall() == self._rows

    def _called(self, query: str) -> set[str]:
        """Name the functions of models that a query may call."""
        return set(_WORD.findall(query.casefold())) & set(self._macros)

    def _plan(self, connection: duckdb.DuckDBPyConnection, name: str) -> str | None:
        """Give DuckDB's plan of a call, all macros in it written out; None where it has none."""
        function = self.get(name)
        if isinstance(function, str):
            return None
        columns = ", ".join(
            f"CAST(NULL AS {column.type.value}) AS {quote(column.name)}"
            for column in function.model.signature.columns
        )
        called, names = quote(name), ", ".join(map(quote, function.model.signature.names))
        text = (
            f"SELECT {called}(foresql_row), {called}({names}) FROM (SELECT {columns}) foresql_row"
        )
        [(plan,)] = connection.execute("SELECT json_serialize_plan(?)", [text]).fetchall()
        return plan if plan.startswith(_PLANNED) else None

    def __contains__(self, name: object) -> bool:
        """Whether a function is a model's."""
        return str(name).casefold() in self._macros

    def get(self, name: str) -> Function | str:
        """Find the model behind a function; or say why that cannot be."""
        folded = name.casefold()
        if folded not in self._found:
            self._found[folded] = _function(folded, self._macros[folded])
        return self._found[folded]

    def ready(self, query: str) -> frozenset[str]:
        """Name the functions in a query whose model is there: a macro may outlive it."""
        return frozenset(
            name for name in self._called(query) if isinstance(self.get(name), Function)
        )

    def safe(self) -> Safe:
        """Give the functions of DuckDB's own that give the same for the same."""
        if not _own:
            connection = self._connection()
            rows = connection.execute(_OWN_FUNCTIONS).fetchall() if connection else []
            _own.update(name for (name,) in rows)
        self._safe = Safe(frozenset(_own) - self._others)
        return self._safe


def _function(name: str, definition: str) -> Function | str:
    marks = set(_MARK.findall(definition))
    if len({mark[2] for mark in marks}) != 1:
        return "several models are behind it"
    [(predicting, kind, token)] = marks
    if kind not in REWRITTEN:
        return f"{kind} needs the whole model"
    is_native = "foresql_predict" in definition
    there = registered_model(token)
    if there is not None:
        return Function(name, kind, *there, is_native)
    found = _BUNDLE.search(definition)
    if found is None:
        return "its model is not in this process"
    path, digest = Path(found[1].replace("''", "'")), found[2]
    try:
        bundle = _bundles.of(digest, lambda: _read_bundle(path, digest))
    except ForesqlError as error:
        return f"its bundle cannot be read: {error}"
    return Function(name, kind, bundle.model, str(bundle.card.get("name") or predicting), is_native)


def _read_bundle(path: Path, digest: str) -> Bundle:
    bundle = read_bundle(path)
    if bundle.digest != digest:
        message = f"{path} is another one."
        raise BundleError(message)
    return bundle
