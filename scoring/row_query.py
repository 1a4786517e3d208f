"""A query whose every row comes from one row of one table: what it must look like.

Streams give the changed rows alone, so every engine that scores changes reads its query here first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from ..errors import UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

_CLAUSES = {"expressions", "from", "where"}
_PLAIN_TABLE = {"this", "db", "catalog", "alias"}
_NAMES = {"joins": "JOIN", "group": "GROUP BY", "order": "ORDER BY", "windows": "WINDOW"}
_REASONS = {
    "joins": "a change in the joined table would not rescore its rows",
    "laterals": "it gives several rows for one",
    "limit": "which rows it keeps depends on all the others",
    "offset": "which rows it keeps depends on all the others",
    "sample": "it gives other rows each time",
    "order": "a table has no order",
    "distinct": "it compares rows, and a stream has the changed ones alone",
    "group": "it reads many rows, and a stream has the changed ones alone",
    "having": "it reads many rows, and a stream has the changed ones alone",
    "qualify": "it compares rows, and a stream has the changed ones alone",
    "windows": "it compares rows, and a stream has the changed ones alone",
    "with": "it reads more than one table",
}
_LEAVE_OUT = {"limit", "offset", "sample"}
_IN_THE_TABLE = {"distinct", "group", "having", "qualify", "windows"}


class WaysOut(NamedTuple):
    """What an engine's user can do about a query that reads more than one row of one table."""

    one_table: str
    in_the_table: str

    def of(self, clause: str) -> str:
        """Say what to do instead of a clause."""
        if clause == "order":
            return "leave it out, and order where you read the predictions."
        if clause in _LEAVE_OUT:
            return "leave it out."
        return self.in_the_table if clause in _IN_THE_TABLE else self.one_table


def parse_row_query(text: str, ways_out: WaysOut) -> tuple[exp.Select, exp.Table]:
    """Parse one SELECT over one table, and give its table too.

    Raises
    ------
    UnsupportedModelError
        If a clause makes its rows depend on more than one row of that table.
    """
    select = _parse(text)
    for key, value in select.args.items():
        clause = key.rstrip("_")
        if value and clause not in _CLAUSES:
            reason = _REASONS.get(clause, "it is not row by row")
            name = _NAMES.get(clause, clause.upper())
            raise UnsupportedModelError(f"{name} in the query", f"{reason}.", ways_out.of(clause))
    return select, _table(select, ways_out)


def check_names(names: Sequence[str]) -> None:
    """Refuse a query that gives a column twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        quoted = ", ".join(f'"{name}"' for name in twice)
        raise UnsupportedModelError(
            f"the columns {quoted}",
            "the query gives them twice.",
            "give each a name of its own by AS.",
        )


def named_output(node: exp.Expr) -> tuple[str, exp.Expr]:
    """Give an entry of the SELECT: its name as written, and its value.

    Raises
    ------
    UnsupportedModelError
        If it is a star, or has no name.
    """
    value = node.this if isinstance(node, exp.Alias) else node
    if isinstance(value, exp.Star) or value.is_star:
        raise UnsupportedModelError(
            "*", "which columns it means depends on the table.", "name the columns."
        )
    if not isinstance(node, exp.Alias | exp.Column):
        written = value.sql("duckdb")
        raise UnsupportedModelError(
            written, "the column has no name.", f"write {written} AS a_name."
        )
    return (node.alias if isinstance(node, exp.Alias) else value.name), value


def _parse(text: str) -> exp.Select:
    try:
        parsed = [each for each in sqlglot.parse(text, dialect="duckdb") if each is not None]
    except SqlglotError as error:
        raise UnsupportedModelError(
            "the query", f"it cannot be parsed: {_plain(error)}", "run it in DuckDB first."
        ) from error
    select = parsed[0] if len(parsed) == 1 else None
    if not isinstance(select, exp.Select):
        raise UnsupportedModelError(
            "the query", "it is not one SELECT.", "write SELECT … FROM table AS f WHERE …."
        )
    return select


def _plain(error: SqlglotError) -> str:
    """Leave out the codes that underline in a terminal."""
    return re.sub(r"\x1b\[\d*m", "", str(error))


def _table(select: exp.Select, ways_out: WaysOut) -> exp.Table:
    source = select.find(exp.From)
    table = source.this if source is not None else None
    if isinstance(table, exp.Table) and isinstance(table.this, exp.Identifier):
        extras = [key for key, value in table.args.items() if value and key not in _PLAIN_TABLE]
        alias = table.args.get("alias")
        if not extras and (alias is None or not alias.args.get("columns")):
            return table
    raise UnsupportedModelError("FROM in the query", "it is not one table.", ways_out.one_table)
