"""Expected against actual by group: of the rows themselves, and of a mart that has both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..udfs.duckdb.macros import quote
from .binning import SMALLEST_GROUP
from .discovery import REAL, WHOLE, expected_and_actual
from .errors import MonitoringError
from .rows import ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from .discovery import Sources
    from .rows import Rows
    from .warehouse import Table

_FEWEST_GROUPS, _MOST_GROUPS = 3, 15
_MOST_STEPS = 31
_MOST_DIMENSIONS = 5
_DEFAULT_BY = 4


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Groups by one or more columns: their rows, expected and actual, in the order to show.

    ``is_ordered``: the groups are few whole numbers, such as hours. ``of`` is how many groups
    there are in all.
    """

    dimensions: tuple[str, ...]
    groups: list[dict[str, Any]]
    is_ordered: bool
    of: int


@dataclass(frozen=True, slots=True)
class MartShape:
    """The columns of a mart: what it is grouped by, its means, and the counts behind them."""

    dimensions: tuple[str, ...]
    expected: str
    actual: str | None
    expected_rows: str | None
    actual_rows: str | None


def default_by(connection: duckdb.DuckDBPyConnection, sources: Sources, rows: Rows) -> list[str]:
    """Choose features to break down by: texts of few values, and few whole numbers."""
    if sources.features is None:
        return []
    found: list[str] = []
    for column in rows.features:
        kind = sources.features.columns[sources.features.column(column.name)]
        most = 200 if kind.startswith(("VARCHAR", "ENUM")) else _MOST_STEPS
        if not kind.startswith(("VARCHAR", "ENUM", *WHOLE)):
            continue
        (distinct,) = connection.execute(
            f"SELECT approx_count_distinct({column.expression}) FROM {ROWS}"
        ).fetchall()[0]
        if _FEWEST_GROUPS <= distinct <= most:
            found.append(column.name)
    texts = [n for n in found if not sources.features.columns[n].startswith(WHOLE)]
    return [*texts, *(n for n in found if n not in texts)][:_DEFAULT_BY]


def break_down(
    connection: duckdb.DuckDBPyConnection, rows: Rows, dimension: str, *, everything: bool
) -> Breakdown:
    """Group the rows of now, or all of them, by one of the dimensions that were collected."""
    expected = "avg(score) FILTER (isfinite(score))"
    actual = "avg(outcome)"
    if rows.task == "classes":
        expected, actual = "NULL", "avg(CAST(label = outcome AS INTEGER))"
    where = "true" if everything else "is_reference IS DISTINCT FROM true"
    query = (
        f"SELECT {rows.by[dimension]} AS grp, count(*) AS rows, {expected} AS expected, "
        f"{actual} AS actual, count(outcome) AS actual_rows FROM {ROWS} WHERE {where} GROUP BY grp"
    )
    return _ranked(connection, (dimension,), query)


def _ranked(
    connection: duckdb.DuckDBPyConnection, dimensions: tuple[str, ...], query: str
) -> Breakdown:
    """Take the largest groups; few whole numbers are all taken, and stand in their order."""
    number = "try_cast(grp AS BIGINT)"
    of, whole = connection.execute(
        f"SELECT count(*), bool_and(grp IS NULL OR {number} IS NOT NULL) FROM ({query})"
    ).fetchall()[0]
    is_ordered = bool(whole) and of <= _MOST_STEPS
    order = f"{number} NULLS LAST" if is_ordered else "rows DESC, grp"
    most = _MOST_STEPS if is_ordered else _MOST_GROUPS
    found = connection.execute(
        f"SELECT coalesce(CAST(grp AS VARCHAR), '(missing)'), rows, expected, actual, actual_rows "
        f"FROM ({query}) WHERE rows >= {SMALLEST_GROUP} ORDER BY {order} LIMIT {most}"
    ).fetchall()
    names: tuple[str, ...] = ("group", "rows", "expected", "actual", "actual_rows")
    groups: list[dict[str, Any]] = [dict(zip(names, each, strict=True)) for each in found]
    return Breakdown(dimensions, groups, is_ordered, of)


def mart_shape(connection: duckdb.DuckDBPyConnection, mart: Table) -> MartShape:
    """Tell a mart's dimensions from its measures.

    Its dimensions are the first columns that together tell all its rows apart. Of the counts, the
    one that is 0 exactly where the actual mean is missing is that of the actual rows.

    Raises
    ------
    MonitoringError
        If it holds no column of what was expected.
    """
    expected, actual = expected_and_actual(mart)
    if expected is None:
        raise MonitoringError(
            f"{mart} has no column of what was expected: a real number whose name has 'predicted' "
            "or 'expected' in it.\n  What to do: name another mart with --mart."
        )
    names = list(mart.columns)
    dimensions = _dimensions(connection, mart, [n for n in names if n not in {expected, actual}])
    counts = [n for n in names if n not in dimensions and mart.columns[n].startswith(WHOLE)]
    seen = counts[0] if counts else None
    behind = seen
    if actual is not None:
        for count in counts[1:]:
            (fits,) = connection.execute(
                f"SELECT bool_and(({quote(count)} = 0) = ({quote(actual)} IS NULL)) FROM {mart.sql}"
            ).fetchall()[0]
            behind = count if fits else behind
    return MartShape(tuple(dimensions), expected, actual, seen, behind)


def _dimensions(
    connection: duckdb.DuckDBPyConnection, mart: Table, names: Sequence[str]
) -> list[str]:
    found: list[str] = []
    for name in names:
        if mart.columns[name].startswith(REAL):
            break
        found.append(name)
        columns = ", ".join(map(quote, found))
        twice = connection.execute(
            f"SELECT 1 FROM {mart.sql} GROUP BY {columns} HAVING count(*) > 1 LIMIT 1"
        ).fetchone()
        if twice is None:
            break
    return found


def shown_dimensions(
    connection: duckdb.DuckDBPyConnection, mart: Table, shape: MartShape
) -> list[str]:
    """Leave out a code beside which its name stands: ``origin`` where there is ``origin_name``."""
    named = {n.removesuffix("_name") for n in shape.dimensions if n.endswith("_name")}
    found: list[str] = []
    for name in shape.dimensions:
        if name in named:
            column, spelled = quote(name), quote(f"{name}_name")
            (same,) = connection.execute(
                f"SELECT count(DISTINCT {column}) = count(DISTINCT {spelled}) FROM {mart.sql}"
            ).fetchall()[0]
            if same:
                continue
        found.append(name)
    return found[:_MOST_DIMENSIONS]


def paired_dimensions(mart: Table, shape: MartShape) -> list[str]:
    """Give the two text dimensions that make a route or the like: the last two, codes not names."""
    texts = [n for n in shape.dimensions if mart.columns[n].startswith(("VARCHAR", "ENUM"))]
    codes = [n for n in texts if not (n.endswith("_name") and n.removesuffix("_name") in texts)]
    return codes[-2:] if len(codes) > 1 else []


def break_down_mart(
    connection: duckdb.DuckDBPyConnection, mart: Table, shape: MartShape, dimensions: Sequence[str]
) -> Breakdown:
    """Group a mart by some of its dimensions; its means are weighted by their counts."""
    weight = quote(shape.expected_rows) if shape.expected_rows else "1"
    behind = quote(shape.actual_rows) if shape.actual_rows else "1"
    parts = ", ' · ', ".join(f"coalesce(CAST({quote(n)} AS VARCHAR), '?')" for n in dimensions)
    group = f"concat({parts})" if len(dimensions) > 1 else quote(dimensions[0])
    mean = "sum({0} * {1}) / nullif(sum({1}) FILTER ({0} IS NOT NULL), 0)"
    actual = mean.format(quote(shape.actual), behind) if shape.actual else "NULL"
    query = (
        f"SELECT {group} AS grp, CAST(sum({weight}) AS BIGINT) AS rows, "
        f"{mean.format(quote(shape.expected), weight)} AS expected, {actual} AS actual, "
        f"CAST(sum({behind}) AS BIGINT) AS actual_rows FROM {mart.sql} GROUP BY grp"
    )
    return _ranked(connection, tuple(dimensions), query)
