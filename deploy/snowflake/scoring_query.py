"""The scoring query, read as DuckDB reads it and written for Snowflake.

The same text runs in DuckDB. Here its calls become the functions of versions, and its table is a
name that the statements around it fill: changed rows, stale rows, or the table itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from ...errors import UnsupportedModelError
from ...udfs.snowflake.names import quote
from .calls import ROW, Declared, Models, NamedColumns, ScoringModel, write_call
from .expressions import IN_THE_TABLE, carry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .settings import Settings

_CLAUSES = {"expressions", "from", "where"}
_PLAIN_TABLE = {"this", "db", "catalog", "alias"}
_NAMES = {"joins": "JOIN", "group": "GROUP BY", "order": "ORDER BY", "windows": "WINDOW"}
_ONE_TABLE = "join in a view, and let the view take the table's place (--view)."
_WAYS_OUT = {
    "joins": (
        "a change in the joined table would not rescore its rows",
        _ONE_TABLE,
    ),
    "laterals": ("it gives several rows for one", _ONE_TABLE),
    "limit": ("which rows it keeps depends on all the others", "leave it out."),
    "offset": ("which rows it keeps depends on all the others", "leave it out."),
    "sample": ("it gives other rows each time", "leave it out."),
    "order": ("a table has no order", "leave it out, and order where you read the predictions."),
    "distinct": ("it compares rows, and a stream has the changed ones alone", IN_THE_TABLE),
    "group": ("it reads many rows, and a stream has the changed ones alone", IN_THE_TABLE),
    "having": ("it reads many rows, and a stream has the changed ones alone", IN_THE_TABLE),
    "qualify": ("it compares rows, and a stream has the changed ones alone", IN_THE_TABLE),
    "windows": ("it compares rows, and a stream has the changed ones alone", IN_THE_TABLE),
    "with": ("it reads more than one table", _ONE_TABLE),
}


@dataclass(frozen=True, slots=True)
class Output:
    """A column that the query gives: its stored name, and its SQL."""

    name: str
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringQuery:
    """A query whose every row comes from one row of one table.

    Attributes
    ----------
    table
        The parts of the table's name, as stored names.
    outputs
        What it gives, in its order.
    where
        The condition as SQL, or None.
    reads
        The columns of the table that it reads, as stored names.
    plain
        From outputs to the columns that they are, for those that are nothing else.
    declared
        From columns that go into a model as they are to the type of its argument.
    models
        The models that it calls, in the order in which it does.
    calls_in_where
        Whether its condition calls a model.
    row
        How the query calls a row that it passes to a model. A column of that name would be passed
        instead.
    """

    table: tuple[str, ...]
    outputs: tuple[Output, ...]
    where: str | None
    reads: tuple[str, ...]
    plain: dict[str, str]
    declared: dict[str, str]
    models: tuple[ScoringModel, ...]
    calls_in_where: bool
    row: str | None

    @property
    def alias(self) -> str:
        """How expressions call the table's row, whatever the user's query does."""
        return ROW


def read_query(text: str, models: Models, settings: Settings, *, fold_case: bool) -> ScoringQuery:
    """Read a scoring query.

    Parameters
    ----------
    text
        One SELECT over one table, in DuckDB's SQL.
    models
        The models that its functions may mean.
    settings
        Where their functions are in the account.
    fold_case
        Whether plain names are stored in upper case, as Snowflake stores names without quotes.

    Raises
    ------
    UnsupportedModelError
        If it cannot be kept up to date row by row, or would not mean the same, with the way out.
    """
    select = _parse(text)
    table = _table(select)
    names = NamedColumns(table.alias_or_name, fold_case)
    reader = _Reader(names, models, settings)
    names.taken = frozenset(
        each.alias.casefold() for each in select.expressions if isinstance(each, exp.Alias)
    )
    outputs = [reader.output(each) for each in select.expressions]
    _check_names([output.name for output, _ in outputs])
    before = reader.count
    condition = select.args.get("where")
    where = None if condition is None else _sql(reader.carried(condition.this))
    if not reader.called:
        raise UnsupportedModelError(
            "the query", "it calls no model.", f"call one of: {', '.join(models.functions())}."
        )
    return ScoringQuery(
        table=tuple(NamedColumns.fold(part.name, fold_case) for part in table.parts),
        outputs=tuple(output for output, _ in outputs),
        where=where,
        reads=tuple(names.read),
        plain={output.name: column for output, column in outputs if column is not None},
        declared={column: each.type for column, each in reader.declared.items()},
        models=tuple(reader.called),
        calls_in_where=reader.count > before,
        row=names.alias if names.is_row_passed else None,
    )


class _Reader:
    """Carries expressions, and notes which models they call."""

    def __init__(self, names: NamedColumns, models: Models, settings: Settings) -> None:
        self._names, self._models, self._settings = names, models, settings
        self.called: dict[ScoringModel, None] = {}
        self.declared: dict[str, Declared] = {}
        self.count = 0

    def output(self, node: exp.Expr) -> tuple[Output, str | None]:
        """Read one entry of the SELECT: what it gives, and which column it is."""
        value = node.this if isinstance(node, exp.Alias) else node
        if isinstance(value, exp.Star) or value.is_star:
            raise UnsupportedModelError(
                "*", "which columns it means depends on the table.", "name the columns."
            )
        name = node.alias if isinstance(node, exp.Alias) else value.name
        if not isinstance(node, exp.Alias | exp.Column):
            written = value.sql("duckdb")
            raise UnsupportedModelError(
                written, "the column has no name.", f"write {written} AS a_name."
            )
        stored = self._names.fold(name, self._names.fold_case)
        if isinstance(value, exp.Column):
            return Output(stored, _sql(self._names.column(value, own=name))), self._names.last
        return Output(stored, _sql(self.carried(value))), None

    def carried(self, node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column):
            return self._names.column(node)
        found = self._models.find(node)
        if found is None:
            return carry(node, self.carried)
        model, function = found
        self.called[model] = None
        self.count += 1
        return write_call(
            node, model, function, self._names, self._settings, self.carried, self.declared
        )


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
    for key, value in select.args.items():
        clause = key.rstrip("_")
        if value and clause not in _CLAUSES:
            reason, way_out = _WAYS_OUT.get(clause, ("it is not row by row", _ONE_TABLE))
            name = _NAMES.get(clause, clause.upper())
            raise UnsupportedModelError(f"{name} in the query", f"{reason}.", way_out)
    return select


def _plain(error: SqlglotError) -> str:
    """Leave out the codes that underline in a terminal."""
    return re.sub(r"\x1b\[\d*m", "", str(error))


def _table(select: exp.Select) -> exp.Table:
    source = select.find(exp.From)
    table = source.this if source is not None else None
    if isinstance(table, exp.Table) and isinstance(table.this, exp.Identifier):
        extras = [key for key, value in table.args.items() if value and key not in _PLAIN_TABLE]
        alias = table.args.get("alias")
        if not extras and (alias is None or not alias.args.get("columns")):
            return table
    raise UnsupportedModelError("FROM in the query", "it is not one table.", _ONE_TABLE)


def _check_names(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UnsupportedModelError(
            f"the columns {', '.join(map(quote, twice))}",
            "the query gives them twice.",
            "give each a name of its own by AS.",
        )


def _sql(node: exp.Expr) -> str:
    return node.sql("snowflake", comments=False)
