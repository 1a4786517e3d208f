"""The scoring query, read as DuckDB reads it and written for Snowflake.

The same text runs in DuckDB. Here its calls become the functions of versions, and its table is a
name that the statements around it fill: changed rows, stale rows, or the table itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from ...errors import UnsupportedModelError
from ...scoring.row_query import WaysOut, check_names, named_output, parse_row_query
from .calls import ROW, Declared, Models, NamedColumns, ScoringModel, write_call
from .expressions import IN_THE_TABLE, carry

if TYPE_CHECKING:
    from .settings import Settings

_WAYS_OUT = WaysOut(
    "join in a view, and let the view take the table's place (--view).", IN_THE_TABLE
)


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
    select, table = parse_row_query(text, _WAYS_OUT)
    names = NamedColumns(table.alias_or_name, fold_case)
    reader = _Reader(names, models, settings)
    names.taken = frozenset(
        each.alias.casefold() for each in select.expressions if isinstance(each, exp.Alias)
    )
    outputs = [reader.output(each) for each in select.expressions]
    check_names([output.name for output, _ in outputs])
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
        name, value = named_output(node)
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


def _sql(node: exp.Expr) -> str:
    return node.sql("snowflake", comments=False)
