"""A compiled model as a view or a table function: nothing runs but SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import UnsupportedModelError
from ...ir import ColumnType
from ...models_sql import compile_query, target_of
from .names import (
    argument_names,
    dollar_quoted,
    folded,
    function_name,
    literal,
    quote,
    relation_name,
)
from .names import stored_name as stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...ir import Model
    from ...models_sql import Query
    from .names import Places
    from .statements import Release

SCORE = "score"
"""What the views and table functions are called after."""
TARGET = target_of("snowflake")


@dataclass(frozen=True, slots=True)
class SqlModel:
    """A model whose query is asked for: over a table, as a view; over a row, as a function.

    Attributes
    ----------
    release, model
        The version.
    source
        The table, as a user writes it; None for a function.
    keep
        The table's columns that stand beside the answers, as a user writes them.
    """

    release: Release
    model: Model
    source: str | None = None
    keep: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The stored names of the model's columns."""
        return argument_names(self.model.signature.names)

    @property
    def versioned(self) -> str:
        """Name the view or function of the version."""
        return function_name(self.release.model, SCORE, self.release.version)

    def alias(self, alias: str) -> str:
        """Name that of an alias."""
        return function_name(self.release.model, SCORE, alias=alias)

    def query(self, source: str, keep: Sequence[str] = ()) -> Query:
        """Compile the model over a source.

        Raises
        ------
        UnsupportedModelError
            If a step has no exact SQL in Snowflake, or the query needs tables of its own.
        """
        found = compile_query(self.model, TARGET, source, keep=keep, fold_case=True)
        if found.tables:
            raise UnsupportedModelError(
                "The model in SQL for Snowflake",
                "it needs tables of its own, which no view or function brings",
                "deploy it as functions (without --sql)",
            )
        return found

    def create(self, places: Places) -> str:
        """Create the view or the function of the version."""
        name = places.in_models(self.versioned)
        comment = literal(
            f"foresql {self.release.label}, in SQL alone; bundle sha256:{self.release.digest}; "
            f"{self.release.certified()}"
        )
        if self.source is not None:
            query = self.query(relation_name(self.source), self._kept())
            return (
                f"CREATE OR REPLACE SECURE VIEW {name}\nCOPY GRANTS\nCOMMENT = {comment}\nAS\n"
                f"{query.text}"
            )
        given = ", ".join(
            f"{quote(argument)} AS {quote(column)}"
            for (argument, _), column in zip(self.arguments, self.columns, strict=True)
        )
        query = self.query(f"(SELECT {given}) AS given")
        return self._function(name, query, comment, query.text)

    def create_alias(self, alias: str, places: Places) -> str:
        """Create that of an alias, or let the one that is there read another version."""
        name, versioned = places.in_serving(self.alias(alias)), places.in_models(self.versioned)
        comment = literal(
            f"foresql {self.release.model}@{alias} is version {self.release.version}, in SQL alone"
        )
        if self.source is not None:
            return (
                f"CREATE OR REPLACE SECURE VIEW {name}\nCOPY GRANTS\nCOMMENT = {comment}\nAS\n"
                f"SELECT *\nFROM {versioned}"
            )
        arguments = ", ".join(quote(argument) for argument, _ in self.arguments)
        query = self.query("given")
        body = f"    SELECT *\n    FROM TABLE({versioned}({arguments}))"
        return self._function(name, query, comment, body)

    @property
    def arguments(self) -> tuple[tuple[str, str], ...]:
        """Names and types of the function's arguments.

        An underscore tells them from the columns of the query that they stand for.
        """
        names = argument_names([f"{name}_" for name in self.model.signature.names])
        types = [TARGET.types[column.type] for column in self.model.signature.columns]
        return tuple(zip(names, types, strict=True))

    def reference(self, name: str) -> str:
        """Give a name with what DROP and GRANT want behind it."""
        if self.source is not None:
            return f"VIEW {name}" if name else "VIEW"
        types = ", ".join(kind.partition("(")[0] for _, kind in self.arguments)
        return f"FUNCTION {name}({types})"

    def _kept(self) -> list[str]:
        names = [stored(name) for name in self.keep]
        for name in names:
            if name != folded(name):
                raise UnsupportedModelError(
                    f"column {name!r}",
                    "names that need no quotes are read in upper case here, and this one is not",
                    "give the table a view in which it has such a name",
                )
        return names

    def _function(self, name: str, query: Query, comment: str, body: str) -> str:
        parameters = ",\n".join(f"    {quote(column)} {kind}" for column, kind in self.arguments)
        results = ",\n".join(
            f"    {quote(folded(column))} {self._type(column)}" for column in query.columns
        )
        quoted = literal(body) if "$$" in body else dollar_quoted(body)
        return (
            f"CREATE OR REPLACE SECURE FUNCTION {name}(\n{parameters}\n)\nCOPY GRANTS\n"
            f"RETURNS TABLE (\n{results}\n)\nLANGUAGE SQL\nCOMMENT = {comment}\nAS {quoted}"
        )

    def _type(self, column: str) -> str:
        is_label = self.model.outputs.classes is not None and column == "prediction"
        return TARGET.types[self.model.outputs.label_type if is_label else ColumnType.DOUBLE]
