"""Which rows are the reference: those of a condition, or the earliest share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from ..udfs.duckdb.macros import literal, quote
from .conditions import checked_condition
from .errors import MonitoringError

if TYPE_CHECKING:
    from .discovery import Sources
    from .warehouse import Table, Warehouse

DEFAULT_SHARE = 0.75
_DAYS_TO_CUT_AT = 8


@dataclass(frozen=True, slots=True)
class Reference:
    """SQL that is true for the reference rows of a table, and the same in words."""

    table: Table
    condition: str
    words: str


def find_reference(warehouse: Warehouse, sources: Sources, text: str | None) -> Reference | None:
    """Find the reference rows; by default the earliest three quarters, where a time is known.

    Raises
    ------
    MonitoringError
        If the text is no share, and no condition that a table of the report can answer.
    """
    if text is not None and (share := _share(text)) is None:
        return _by_condition(warehouse, sources, text)
    share = DEFAULT_SHARE if text is None else _share(text)
    if sources.time is None or share is None:
        if text is None:
            return None
        raise MonitoringError(
            "A share of the rows is the earliest, and no column says when a row was.\n"
            "  What to do: name one with --time, or give --reference a condition."
        )
    table, column = sources.time
    cut = _cut(warehouse, table, column, share)
    if cut is None:
        return None
    condition = f"(CAST({quote(column)} AS TIMESTAMP) < CAST({literal(cut)} AS TIMESTAMP))"
    day = cut.removesuffix(" 00:00:00")
    # Rows of one moment stay together, so it may be far from the share that was asked for.
    found = _share_of(warehouse, table, condition)
    return Reference(table, condition, f"{column} before {day}, about the earliest {found:.0%}")


def _share(text: str) -> float | None:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*(%?)\s*", text)
    if found is None:
        return None
    share = float(found[1]) / (100 if found[2] else 1)
    if not 0 < share < 1:
        raise MonitoringError(f"--reference {text} is no share of the rows: give 0.75, or 75%.")
    return share


def _cut(warehouse: Warehouse, table: Table, column: str, share: float) -> str | None:
    """Where the earliest rows end: at midnight, unless all rows are of a few days."""
    at = quote(column)
    rows = f"(SELECT CAST({at} AS TIMESTAMP) AS moment FROM {table.sql} WHERE isfinite({at}))"
    found = warehouse.connection.execute(
        f"SELECT CAST(CASE WHEN max(moment) - min(moment) >= INTERVAL {_DAYS_TO_CUT_AT} DAY "
        f"THEN date_trunc('day', quantile_disc(moment, {share!r})) "
        f"ELSE quantile_disc(moment, {share!r}) END AS VARCHAR) FROM {rows}"
    ).fetchone()
    return found[0] if found else None


def _share_of(warehouse: Warehouse, table: Table, condition: str) -> float:
    """Give the share of a table's rows for which a condition is true."""
    found = warehouse.connection.execute(
        f"SELECT coalesce(avg(CAST(coalesce({condition}, false) AS INTEGER)), 0) FROM {table.sql}"
    ).fetchone()
    return float(found[0]) if found else 0.0


def _by_condition(warehouse: Warehouse, sources: Sources, text: str) -> Reference:
    """Bind the user's condition to the first table that has its columns, features before all."""
    condition = checked_condition(text)
    tables = sorted(sources.aliases, key=lambda table: table != sources.features)
    problems: list[str] = []
    for table in tables:
        try:
            warehouse.connection.execute(
                f"EXPLAIN SELECT CAST({condition} AS BOOLEAN) FROM {table.sql}"
            )
        except duckdb.Error as error:
            problems.append(str(error).splitlines()[0])
            continue
        return Reference(table, condition, " ".join(text.split()))
    raise MonitoringError(
        f"--reference {text!r} cannot be used: {problems[0]}\n"
        f"  What to do: name columns of {', '.join(map(str, tables))}."
    )
