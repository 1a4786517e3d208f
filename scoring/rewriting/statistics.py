"""What a table holds at the moment, and the condition that says that it still does."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from ...models_sql.pruning import Domain
from ...udfs.duckdb.macros import literal, quote
from .facts import is_number, is_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb

    from .scopes import Source

MOST_KEYS = 1_000
"""Columns of more texts than these are not listed."""
_SAMPLED = 64 * 2_048
"""About so many rows of a table are looked at for an estimate."""
_STALE = (
    "foresql: the table {table} has changed since this query was rewritten for what it held. "
    "Rewrite the query again, or with statistics=False."
)


class Part(NamedTuple):
    """The rows of a table that pass some conditions."""

    table: str
    conditions: tuple[str, ...]


def sampled(source: Source, sizes: Mapping[str, int]) -> tuple[str | None, float]:
    """Write a table, or a sample of it where it is large, and which part of its rows that is."""
    size = sizes.get(str(source.table), 0)
    if size <= _SAMPLED:
        return source.table, 1.0
    percent = max(round(100 * _SAMPLED / size, 2), 0.01)
    sample = f"TABLESAMPLE SYSTEM ({percent} PERCENT) REPEATABLE (1)"
    return f"{source.table} {sample}", percent / 100


class Statistics:
    """Asks a connection for what tables hold, each column once."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, sizes: Mapping[str, int] | None = None
    ) -> None:
        """Hold the connection; with the ``sizes`` of tables, samples of them are asked."""
        self._connection = connection
        self._sizes = sizes
        self._expected: dict[str, set[str]] = {}
        self._parts: dict[Part, dict[str, Domain | None]] = {}

    def expect(self, columns: Iterable[tuple[Source, str]]) -> None:
        """Say which columns may be asked for, so that a table is read once for all of them."""
        for source, column in columns:
            self._expected.setdefault(str(source.table), set()).add(column)

    def of(self, source: Source, column: str, conditions: tuple[str, ...]) -> Domain | None:
        """Give what a column of a table holds in the rows that pass some conditions."""
        table = str(source.table)
        if self._sizes is not None:
            table = f"(SELECT * FROM {sampled(source, self._sizes)[0]})"
        expected = self._expected.get(str(source.table), set())
        return self._ask(Part(table, conditions), source, [column, *sorted(expected)])[column]

    def _ask(self, part: Part, source: Source, columns: list[str]) -> dict[str, Domain | None]:
        domains = self._parts.setdefault(part, {})
        new = [c for c in dict.fromkeys(columns) if c not in domains]
        domains.update(dict.fromkeys(new))
        known = source.columns or {}
        kinds = {column: known[column] for column in new if column in known}
        self._numbers(part, domains, {c: v for c, v in kinds.items() if is_number(v[1])})
        for column, (name, kind) in kinds.items():
            if is_text(kind) or kind == "BOOLEAN":
                domains[column] = self._keys(part, name, is_truth=kind == "BOOLEAN")
        return domains

    def _numbers(
        self,
        part: Part,
        domains: dict[str, Domain | None],
        columns: dict[str, tuple[str, str | None]],
    ) -> None:
        if not columns:
            return
        asked = ", ".join(
            f"CAST(min({quote(name)}) AS DOUBLE), CAST(max({quote(name)}) AS DOUBLE), "
            f"count({quote(name)})"
            for name, _ in columns.values()
        )
        [row] = self._connection.execute(
            f"SELECT count(*), {asked} FROM {part.table}{_where(part)}"
        ).fetchall()
        for index, column in enumerate(columns):
            low, high, count = row[1 + 3 * index : 4 + 3 * index]
            domains[column] = _bounds(low, high, has_null=count < row[0])

    def _keys(self, part: Part, name: str, *, is_truth: bool) -> Domain | None:
        rows = self._connection.execute(
            f"SELECT DISTINCT {quote(name)} FROM {part.table}{_where(part)} LIMIT {MOST_KEYS + 1}"
        ).fetchall()
        found = [key for (key,) in rows]
        if len(found) > MOST_KEYS:
            return None
        keys = frozenset(key for key in found if key is not None)
        low, high = math.inf, -math.inf
        if is_truth and keys:
            low, high = float(min(keys)), float(max(keys))
        return Domain(low=low, high=high, missing=None in found, keys=keys)


def _bounds(low: float | None, high: float | None, *, has_null: bool) -> Domain:
    """Give bounds; DuckDB counts NaN as the greatest number."""
    if low is None or high is None:
        return Domain(low=math.inf, high=-math.inf, missing=True)
    if math.isnan(low):
        return Domain(low=math.inf, high=-math.inf, missing=True)
    if math.isnan(high):
        return Domain(low=low, missing=True)
    return Domain(low=low, high=high, missing=has_null)


def _where(part: Part) -> str:
    return f" WHERE {' AND '.join(part.conditions)}" if part.conditions else ""


def guard(source: Source, conditions: tuple[str, ...], assumed: dict[str, Domain]) -> str:
    """Write a query that is true while columns hold what was assumed, or else ends with an error.

    It reads the rows that pass the conditions, once for each run of the query.
    """
    part = Part(str(source.table), conditions)
    checks = [
        check
        for column, domain in assumed.items()
        if source.columns and (check := _holds(*source.columns[column], domain))
    ]
    holds = " AND ".join(checks) or "true"
    message = literal(_STALE.format(table=source.table))
    return (
        f"SELECT CASE WHEN coalesce(bool_and({holds}), true) THEN true "
        f"ELSE error({message}) END FROM {part.table}{_where(part)}"
    )


def _holds(name: str, kind: str | None, domain: Domain) -> str:
    column = quote(name)
    null = f"{column} IS NULL"
    if not is_number(kind):
        keys = ", ".join(literal(k) if isinstance(k, str) else str(k) for k in _sorted(domain))
        among = f"{column} IN ({keys})" if keys else "false"
        return f"({null} OR {among})" if domain.missing else f"({column} IS NOT NULL AND {among})"
    number = f"CAST({column} AS DOUBLE)"
    tests = [f"{number} >= {_double(domain.low)}"] if domain.low > -math.inf else []
    # With infinity as the limit, what is excluded is NaN, the greatest.
    if domain.high < math.inf or not domain.missing:
        tests.append(f"{number} <= {_double(domain.high)}")
    if not domain.missing:
        return f"({column} IS NOT NULL AND {' AND '.join(tests)})"
    either = f"{null} OR isnan({number})"
    return f"({either} OR ({' AND '.join(tests)}))" if tests else ""


def _sorted(domain: Domain) -> list[str | int | bool | float]:
    return sorted(domain.keys or (), key=repr)


def _double(value: float) -> str:
    """Write a float64 that reads back to the same bits."""
    return f"'{value!r}'::DOUBLE"
