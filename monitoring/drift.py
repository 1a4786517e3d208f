"""How far columns have moved between reference rows and the rows of now, computed in SQL."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..udfs.duckdb.macros import quote
from .binning import SMALLEST_GROUP, Kind, Source, kind_of, make_bins, number_literal
from .conditions import checked_condition
from .stability import Limits, Status, chance_index, judge, stability_index

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

    from .binning import Binning


@dataclass(frozen=True, slots=True)
class DriftColumn:
    """A column to compare: its name for the reader, its SQL, and its kind.

    ``known`` lists the categories that the model was trained with, where its card has them.
    """

    name: str
    expression: str
    kind: Kind
    known: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """The figures of one column; shares are of all rows of a side.

    ``chance`` is the index that samples of these sizes reach in one of a hundred cases where
    nothing has moved. Means are of finite numbers.
    """

    column_name: str
    kind: str
    status: str
    reason: str
    psi: float | None
    chance: float | None
    rows_reference: int
    rows_now: int
    missing_reference: float | None
    missing_now: float | None
    new_share: float | None
    outside_share: float | None
    low: float | None
    high: float | None
    mean_reference: float | None
    mean_now: float | None
    new_values: str


@dataclass(frozen=True, slots=True)
class Drift:
    """``columns`` has a row a column, the worst first; ``bins`` a row a column and bin."""

    columns: pa.Table
    bins: pa.Table


COLUMNS_SCHEMA = pa.schema(
    [
        (each.name, {"int": pa.int64(), "str": pa.string()}.get(str(each.type), pa.float64()))
        for each in fields(Moved)
    ]
)
BINS_SCHEMA = pa.schema(
    [
        ("column_name", pa.string()),
        ("position", pa.int64()),
        ("label", pa.string()),
        ("rows_reference", pa.int64()),
        ("rows_now", pa.int64()),
    ]
)
_ORDER = (Status.SHIFTED, Status.MOVED, Status.STEADY, Status.UNKNOWN)


def drift(  # noqa: PLR0913 - keyword options of one call
    connection: duckdb.DuckDBPyConnection,
    table: str,
    *,
    reference: str,
    columns: Sequence[str] | None = None,
    known: Mapping[str, Sequence[str]] | None = None,
    limits: Limits | None = None,
) -> pa.Table:
    """Compare the columns of a table between its reference rows and all others.

    Parameters
    ----------
    connection
        An open DuckDB connection; nothing is written.
    table
        Name of a table or view, as ``schema.name`` or ``name``.
    reference
        A condition in SQL that is true for the reference rows. Rows for which it is NULL are on
        neither side.
    columns
        The columns to compare; all that are numbers, times, booleans or texts by default.
    known
        Categories that are not new, by column; by default those of the reference rows.
    limits
        From which index a column counts as moved, and as shifted.

    Returns
    -------
    pyarrow.Table
        A row a column, the worst first: population stability index, shares of missing, new and
        out-of-range values on both sides, status and reason.

    Raises
    ------
    MonitoringError
        If the condition is no condition.
    """
    name = ".".join(quote(part) for part in table.split("."))
    described = connection.execute(f"DESCRIBE {name}").fetchall()
    kinds = {column: kind_of(sql_type) for column, sql_type, *_ in described}
    wanted = [
        DriftColumn(column, quote(column), kind, _texts((known or {}).get(column)))
        for column, kind in kinds.items()
        if kind is not None and (columns is None or column in columns)
    ]
    source = Source(name, checked_condition(reference))
    return measure_drift(connection, source, wanted, limits or Limits()).columns


def measure_drift(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    columns: Sequence[DriftColumn],
    limits: Limits,
) -> Drift:
    """Compare columns between a source's reference rows and its others."""
    found: list[Moved] = []
    bins: list[dict[str, Any]] = []
    for column in columns:
        known = column.known
        binning = make_bins(connection, source, column.expression, column.kind, known)
        counts = _count(connection, source, binning)
        rows = [
            {"column_name": column.name, "position": position, "label": label}
            | dict(zip(("rows_reference", "rows_now"), counts[position], strict=True))
            for position, label in enumerate(binning.labels)
        ]
        bins += rows
        figures = _figures(connection, source, binning)
        found.append(
            _judge(column, binning, [counts[p] for p in range(len(rows))], figures, limits)
        )
    found.sort(key=lambda each: (_ORDER.index(Status(each.status)), -(each.psi or 0.0)))
    plain = [asdict(moved) for moved in found]
    return Drift(
        pa.Table.from_pylist(plain, COLUMNS_SCHEMA), pa.Table.from_pylist(bins, BINS_SCHEMA)
    )


def _count(
    connection: duckdb.DuckDBPyConnection, source: Source, binning: Binning
) -> dict[int, tuple[int, int]]:
    found = connection.execute(
        f"SELECT {binning.position} AS position, count(*) FILTER ({source.is_reference}), "
        f"count(*) FILTER (NOT ({source.is_reference})) FROM {source.table} GROUP BY ALL"
    ).fetchall()
    counts: dict[int, tuple[int, int]] = dict.fromkeys(range(len(binning.labels)), (0, 0))
    counts.update({position: (before, after) for position, before, after in found})
    return counts


def _figures(
    connection: duckdb.DuckDBPyConnection, source: Source, binning: Binning
) -> dict[str, Any]:
    """Means and values beyond the range of a number, names of new values of a category."""
    rows = f"(SELECT {binning.value} AS v, {source.is_reference} AS r FROM {source.table})"
    if binning.kind is Kind.CATEGORY:
        found = connection.execute(
            f"SELECT v FROM (SELECT {binning.value} AS v, {binning.position} AS p FROM "
            f"{source.table} WHERE NOT ({source.is_reference})) "
            f"WHERE p = {len(binning.labels) - 1} GROUP BY v "
            f"HAVING count(*) >= {SMALLEST_GROUP} ORDER BY count(*) DESC, v LIMIT 3"
        ).fetchall()
        return {"new_values": ", ".join(str(value)[:40] for (value,) in found)}
    beyond = "NULL"
    if math.isfinite(binning.low):
        low, high = number_literal(binning.low), number_literal(binning.high)
        beyond = f"count(*) FILTER (NOT r AND (v < {low} OR v > {high}))"
    before, after, outside = connection.execute(
        "SELECT avg(v) FILTER (r AND isfinite(v)), avg(v) FILTER (NOT r AND isfinite(v)), "
        f"{beyond} FROM {rows}"
    ).fetchall()[0]
    return {"mean_reference": before, "mean_now": after, "outside": outside}


def _judge(
    column: DriftColumn,
    binning: Binning,
    counts: Sequence[tuple[int, int]],
    figures: Mapping[str, Any],
    limits: Limits,
) -> Moved:
    before, after = [each[0] for each in counts], [each[1] for each in counts]
    rows, rows_now = sum(before), sum(after)
    psi = stability_index(before, after)
    filled = sum(1 for each in counts if any(each))
    chance = chance_index(filled, rows, rows_now)
    is_category = binning.kind is Kind.CATEGORY
    shares = {
        "missing_reference": _share(before[0], rows),
        "missing_now": _share(after[0], rows_now),
        "new_share": _share(after[-1], rows_now) if is_category else None,
        "outside_share": _share(figures.get("outside"), rows_now),
    }
    status, reason = judge(psi, chance, shares, limits)
    return Moved(
        column_name=column.name,
        kind=str(column.kind),
        status=str(status),
        reason=reason,
        psi=psi,
        chance=chance,
        rows_reference=rows,
        rows_now=rows_now,
        **shares,
        low=_finite(binning.low),
        high=_finite(binning.high),
        mean_reference=figures.get("mean_reference"),
        mean_now=figures.get("mean_now"),
        new_values=figures.get("new_values", ""),
    )


def _share(count: int | None, rows: int) -> float | None:
    return None if count is None or not rows else count / rows


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _texts(values: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(map(str, values))
