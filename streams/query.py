"""The scoring query of a task: checked to be row by row, and read from changed rows.

DuckDB's own parser says what each part is, and the text stays the user's but for its table.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UnsupportedModelError
from ..scoring.pinning import Pinned, pin
from ..scoring.query import callable_models
from ..scoring.rewriting.syntax import Edit, Query, Span, parse, span_of
from ..scoring.row_by_row import IN_A_VIEW, Called, check_row_by_row
from ..scoring.row_query import WaysOut, check_names, named_output, parse_row_query
from ..udfs.duckdb.macros import quote
from .relation import folded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb
    from sqlglot import exp

    from .relation import Name

_WAYS_OUT = WaysOut("join in a view, and make the stream on that view.", IN_A_VIEW)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowQuery:
    """A query whose every row comes from one row of one table.

    Attributes
    ----------
    text
        The query, without what ends a statement.
    table
        The parts of the table's name, as written.
    row
        How the query calls a row.
    outputs
        The names that it gives.
    plain
        From outputs to the columns that they are, as written, for those that are nothing else.
    models
        The models that it calls, in its order.
    """

    text: str
    table: tuple[str, ...]
    row: str
    outputs: tuple[str, ...]
    plain: dict[str, str]
    models: tuple[Called, ...]
    _span: Span
    _begin: int

    def over(self, rows: str, carried: Sequence[str] = ()) -> str:
        """Write the query over other rows: a table or query with the table's columns.

        Those that are ``carried`` come first in what it gives.
        """
        row = quote(self.row)
        columns = "".join(f" {row}.{quote(name)} AS {quote(name)}," for name in carried)
        edits = [
            Edit(self._span, f"{rows} AS {row}"),
            Edit(Span(self._begin, self._begin), columns),
        ]
        return f"{Query(self.text, {}).edited(edits)}\n"

    def pin(self, registry: Path) -> Pinned:
        """Find the versions that its models mean now."""
        return pin(self.models, self.text, registry)


def read_row_query(
    connection: duckdb.DuckDBPyConnection,
    text: str,
    columns: Sequence[str],
    registry: Path,
    ways_out: WaysOut = _WAYS_OUT,
) -> RowQuery:
    """Read a scoring query.

    Parameters
    ----------
    connection
        Whose functions it calls.
    text
        One SELECT over one table.
    columns
        The columns of the table.
    registry
        Where its models are.
    ways_out
        What to do about a query that reads more than a row of one table.

    Raises
    ------
    UnsupportedModelError
        If its rows depend on more than one row of that table, with the way out.
    """
    text = _one_statement(connection, text)
    select, table = parse_row_query(text, ways_out)
    query = parse(connection, text)
    span = None if query is None else _table_span(query)
    begin = None if query is None else _list_begin(query)
    if query is None or span is None or begin is None:
        raise UnsupportedModelError(
            "the query", "it is not one SELECT over one table.", "run it in DuckDB first."
        )
    outputs, plain = _outputs(select, table.alias_or_name)
    models = callable_models(registry) if registry.exists() else {}
    names = {*columns, *outputs, table.alias_or_name}
    called = check_row_by_row(connection, query, names, models, ways_out.in_the_table)
    return RowQuery(
        text=text,
        table=tuple(part.name for part in table.parts),
        row=table.alias_or_name,
        outputs=outputs,
        plain=plain,
        models=called,
        _span=span,
        _begin=begin,
    )


def _one_statement(connection: duckdb.DuckDBPyConnection, text: str) -> str:
    """Leave out what ends the statement, and comments behind it."""
    query = parse(connection, text)
    if query is None:
        return text
    end = len(query.content)
    for place, _, word in reversed(query.tokens):
        if word != ";":
            break
        end = place
    return query.content[:end].decode().rstrip()


def _table_span(query: Query) -> Span | None:
    """Say where the table stands, with its alias; None where it is not one table."""
    table = query.root["from_table"]
    return span_of(table) if table["type"] == "BASE_TABLE" else None


def _list_begin(query: Query) -> int | None:
    """Say where the list of outputs begins: behind SELECT, or SELECT ALL."""
    words = [(place + len(word), word.casefold()) for place, _, word in query.tokens]
    for (end, word), (end_of_next, next_word) in itertools.pairwise(words):
        if word == "select":
            return end_of_next if next_word == "all" else end
    return None


def _outputs(select: exp.Select, row: str) -> tuple[tuple[str, ...], dict[str, str]]:
    from sqlglot import exp

    named = [named_output(each) for each in select.expressions]
    names = tuple(name for name, _ in named)
    check_names([name.casefold() for name in names])
    plain = {
        name: value.name
        for name, value in named
        if isinstance(value, exp.Column)
        and not value.args.get("db")  # a field of a struct
        and (value.table or row).casefold() == row.casefold()
    }
    return names, plain


def same_name(parts: Sequence[str], name: Name) -> bool:
    """Whether a query's table is the one of this name, as far as the query says."""
    own = (folded(name.schema), folded(name.name))
    return tuple(folded(part) for part in parts[-2:]) == own[-len(parts[-2:]) :]
