"""Bins of a column: made from its reference rows, the same for both sides."""

from __future__ import annotations

import itertools
import math
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ..udfs.duckdb.macros import literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

OWN_BINS = 20
"""So many values of a column have a bin each; further ones share `other`, or are cut in tenths."""
SMALLEST_GROUP = 5
"""A category of fewer reference rows is not named: it may be a single person's."""
_APPROXIMATE = 2 * OWN_BINS
_TENTHS = [tenth / 10 for tenth in range(1, 10)]
NUMBERS = (
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
)


class Kind(StrEnum):
    """How a column's values are put into bins."""

    NUMBER = "number"
    TIME = "time"
    CATEGORY = "category"


def kind_of(sql_type: str) -> Kind | None:
    """Say how values of a SQL type are put into bins; None for lists, structs and the like."""
    if sql_type.endswith("]") or sql_type.startswith(("STRUCT", "MAP", "UNION", "BLOB", "VARIANT")):
        return None
    if sql_type.startswith(("DATE", "TIMESTAMP")):
        return Kind.TIME
    return Kind.NUMBER if sql_type.startswith(NUMBERS) else Kind.CATEGORY


@dataclass(frozen=True, slots=True)
class Source:
    """Rows to compare: SQL of a table, and SQL that is true for its reference rows."""

    table: str
    is_reference: str


@dataclass(frozen=True, slots=True)
class Binning:
    """The bins of one column.

    ``value`` is SQL: a DOUBLE, with NULL for NaN too, or a text. ``position`` is SQL that numbers
    the bin of a row; ``labels`` names them by number. ``low`` and ``high`` are the reference's
    range; NaN where it has no finite number.
    """

    kind: Kind
    value: str
    position: str
    labels: tuple[str, ...]
    low: float = math.nan
    high: float = math.nan


MISSING, OTHER, NEW = "(missing)", "(other)", "(new)"


def value_of(expression: str, kind: Kind) -> str:
    """Write a column as what its bins are made of: a number without NaN, or a text."""
    match kind:
        case Kind.NUMBER:
            number = f"CAST({expression} AS DOUBLE)"
            return f"CASE WHEN isnan({number}) THEN NULL ELSE {number} END"
        case Kind.TIME:
            return f"CAST(epoch({expression}) AS DOUBLE)"
        case Kind.CATEGORY:
            return f"CAST({expression} AS VARCHAR)"


def make_bins(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    expression: str,
    kind: Kind,
    known: Sequence[str] | None = None,
) -> Binning:
    """Make the bins of a column from its reference rows.

    A number of at most 20 values has a bin for each and one for all others; of more, the
    reference's tenths. A category has a bin for each of its 20 most frequent values, one for its
    others, and one for those that are new: not in ``known``, or not in the reference.
    """
    value = value_of(expression, kind)
    if kind is Kind.CATEGORY:
        return _category_bins(connection, source, value, known)
    rows = f"(SELECT {value} AS value FROM {source.table} WHERE {source.is_reference})"
    low, high, distinct = _one(
        connection,
        "SELECT min(value), max(value), approx_count_distinct(value) "
        f"FROM {rows} WHERE isfinite(value)",
    )
    if low is None:
        return Binning(kind, value, _position(value, [], []), (MISSING, OTHER))
    if distinct <= _APPROXIMATE:
        (values,) = _one(
            connection,
            f"SELECT list(DISTINCT value ORDER BY value) FROM {rows} WHERE isfinite(value)",
        )
        if len(values) <= OWN_BINS:
            labels = (MISSING, *(shown_value(each, kind) for each in values), OTHER)
            return Binning(kind, value, _position(value, values, []), labels, low, high)
    (tenths,) = _one(
        connection,
        f"SELECT quantile_disc(value, {_TENTHS}) FROM {rows} WHERE isfinite(value)",
    )
    edges = sorted(set(tenths))
    labels = (MISSING, *_interval_labels(edges, kind))
    return Binning(kind, value, _position(value, [], edges), labels, low, high)


def _category_bins(
    connection: duckdb.DuckDBPyConnection, source: Source, value: str, known: Sequence[str] | None
) -> Binning:
    rows = f"(SELECT {value} AS value FROM {source.table} WHERE {source.is_reference})"
    seen = (
        f"SELECT DISTINCT value FROM {rows} WHERE value IS NOT NULL"
        if known is None
        else f"SELECT unnest([{', '.join(map(literal, known))}]::VARCHAR[])"
    )
    named = connection.execute(
        f"SELECT value FROM {rows} WHERE value IN ({seen}) GROUP BY value "
        f"HAVING count(*) >= {SMALLEST_GROUP} ORDER BY count(*) DESC, value LIMIT {OWN_BINS}"
    ).fetchall()
    values = [each for (each,) in named]
    choices = "".join(
        f" WHEN {value} = {literal(each)} THEN {number}" for number, each in enumerate(values, 1)
    )
    other, new = len(values) + 1, len(values) + 2
    position = (
        f"CASE WHEN {value} IS NULL THEN 0{choices} "
        f"WHEN {value} IN ({seen}) THEN {other} ELSE {new} END"
    )
    return Binning(Kind.CATEGORY, value, position, (MISSING, *values, OTHER, NEW))


def _position(value: str, values: Sequence[float], edges: Sequence[float]) -> str:
    choices = [f"WHEN {value} = {number_literal(each)}" for each in values]
    choices += [f"WHEN {value} <= {number_literal(each)}" for each in edges]
    written = " ".join(f"{choice} THEN {number}" for number, choice in enumerate(choices, 1))
    return f"CASE WHEN {value} IS NULL THEN 0 {written} ELSE {len(choices) + 1} END"


def number_literal(value: float) -> str:
    """Write a DOUBLE so that it reads back to the same bits."""
    return f"CAST('{value!r}' AS DOUBLE)"


def _interval_labels(edges: Sequence[float], kind: Kind) -> list[str]:
    shown = [shown_value(edge, kind, digits=4) for edge in edges]
    between = [f"{low} to {high}" for low, high in itertools.pairwise(shown)]
    return [f"up to {shown[0]}", *between, f"above {shown[-1]}"]


def shown_value(value: float, kind: Kind, digits: int = 6) -> str:
    """Write a number or a time for a reader."""
    if kind is Kind.TIME:
        # A date beyond Python's last year is shown as seconds.
        with suppress(OverflowError, ValueError, OSError):
            return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d")
    return f"{value:.{digits}g}"


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    found = connection.execute(query).fetchone()
    return found if found is not None else ()
