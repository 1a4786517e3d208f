"""Predictions against outcomes, and how predictions are spread: aggregates, computed in SQL."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .rows import ROWS
from .warehouse import rows_of

if TYPE_CHECKING:
    import duckdb

    from .rows import Rows

Row = dict[str, Any]
_MOST_PERIODS = 60
_DAYS = {"hour": 1 / 24, "day": 1, "week": 7, "month": 30.4, "quarter": 91.3, "year": 365.25}
_BINS = 24
_Z = 1.96
_COUNTED = "score IS NOT NULL AND isfinite(score) AND outcome IS NOT NULL"
_SUMS = {
    "binary": "avg(score) AS expected, avg(outcome) AS actual, "
    "avg(power(score - outcome, 2)) AS brier, "
    "avg(CAST((score >= 0.5) = (outcome = 1) AS INTEGER)) AS accuracy",
    "value": "avg(score) AS expected, avg(outcome) AS actual, avg(abs(score - outcome)) AS mae, "
    "sqrt(avg(power(score - outcome, 2))) AS rmse, avg(score - outcome) AS bias, "
    "1 - avg(power(score - outcome, 2)) / nullif(var_pop(outcome), 0) AS r2",
    "classes": "avg(CAST(label = outcome AS INTEGER)) AS accuracy",
}


@dataclass(frozen=True, slots=True)
class Period:
    """A step of time in which figures are put together: its unit, and SQL of its start."""

    unit: str
    start: str


def period_of(connection: duckdb.DuckDBPyConnection) -> Period | None:
    """Choose the shortest step of time of which at most 60 cover all rows."""
    first, last = connection.execute(
        f"SELECT min(moment), max(moment) FROM {ROWS} WHERE isfinite(moment)"
    ).fetchall()[0]
    if first is None:
        return None
    days = (last - first).total_seconds() / 86_400
    fitting = [unit for unit, length in _DAYS.items() if days / length <= _MOST_PERIODS]
    unit = fitting[0] if fitting else "year"
    return Period(unit, f"date_trunc('{unit}', moment)")


def metrics(connection: duckdb.DuckDBPyConnection, task: str, group: str) -> list[Row]:
    """Compute the metrics of each group, an SQL expression; rows without an outcome do not count.

    Of probabilities: AUC (ties count half), accuracy at 0.5, Brier score. Of values: mean absolute
    and root mean squared error, mean error, R². Of classes: accuracy.
    """
    counted = "label IS NOT NULL AND outcome IS NOT NULL" if task == "classes" else _COUNTED
    rows = f"(SELECT {group} AS grp, score, label, outcome FROM {ROWS} WHERE {counted})"
    found = rows_of(
        connection,
        f"SELECT grp, count(*) AS rows, {_SUMS[task]} FROM {rows} "
        "WHERE grp IS NOT NULL GROUP BY grp ORDER BY grp",
    )
    if task == "binary":
        areas = dict(connection.execute(_area(rows)).fetchall())
        for each in found:
            each["auc"] = areas.get(each["grp"])
    return found


def _area(rows: str) -> str:
    """Write SQL of the area under the ROC curve: pairs in the right order, ties a half."""
    return (
        "WITH scores AS (SELECT grp, score, sum(outcome) AS late, count(*) - sum(outcome) AS other "
        f"FROM {rows} GROUP BY grp, score), ranked AS (SELECT *, sum(other) OVER "
        "(PARTITION BY grp ORDER BY score) - other AS below FROM scores) "
        "SELECT grp, sum(late * (below + other / 2)) / nullif(sum(late) * sum(other), 0) "
        "FROM ranked GROUP BY grp"
    )


def over_time(connection: duckdb.DuckDBPyConnection, rows: Rows, period: Period) -> list[Row]:
    """Give rows, mean prediction and outcome, and the metrics of each period."""
    counts = rows_of(
        connection,
        f"SELECT {period.start} AS grp, count(*) AS scored, "
        "avg(score) FILTER (isfinite(score)) AS mean_score, bool_and(is_reference) AS reference "
        f"FROM {ROWS} WHERE isfinite(moment) GROUP BY grp ORDER BY grp",
    )
    known = {}
    if rows.has_outcome:
        known = {each["grp"]: each for each in metrics(connection, rows.task, period.start)}
    return [
        {"start": each.pop("grp")}
        | each
        | {k: v for k, v in known.get(start, {}).items() if k != "grp"}
        for each in counts
        for start in [each["grp"]]
    ]


def calibration(connection: duckdb.DuckDBPyConnection, task: str) -> list[Row]:
    """Compare mean prediction and mean outcome in tenths of the predictions, on each side.

    Predictions that are equal are in one tenth, so that the order of rows has no say.
    The interval of an outcome's share is Wilson's, that of a mean is 1.96 standard errors.
    """
    found = rows_of(
        connection,
        "SELECT side, tenth, count(*) AS rows, avg(score) AS expected, avg(outcome) AS actual, "
        "stddev_pop(outcome) AS spread FROM (SELECT coalesce(is_reference, false) AS side, score, "
        "outcome, 1 + 10 * (rank() OVER (PARTITION BY coalesce(is_reference, false) "
        "ORDER BY score) - 1) // count(*) OVER (PARTITION BY coalesce(is_reference, false)) "
        f"AS tenth FROM {ROWS} WHERE {_COUNTED}) GROUP BY side, tenth ORDER BY side, tenth",
    )
    for each in found:
        each["side"] = "reference" if each["side"] else "now"
        spread = each.pop("spread")
        low, high = (
            wilson(each["actual"], each["rows"])
            if task == "binary"
            else _around(each["actual"], spread, each["rows"])
        )
        each.update(low=low, high=high)
    return found


def wilson(share: float, rows: int) -> tuple[float, float]:
    """Give Wilson's 95 % interval of a share."""
    z2 = _Z * _Z / rows
    middle = (share + z2 / 2) / (1 + z2)
    half = _Z * math.sqrt(share * (1 - share) / rows + z2 / (4 * rows)) / (1 + z2)
    return middle - half, middle + half


def _around(mean: float, spread: float, rows: int) -> tuple[float, float]:
    half = _Z * spread / math.sqrt(rows)
    return mean - half, mean + half


def histogram(connection: duckdb.DuckDBPyConnection, task: str) -> list[Row]:
    """Spread the predictions of both sides over bins of one width; the outer ones are open."""
    low, high = 0.0, 1.0
    if task != "binary":
        low, high = connection.execute(
            "SELECT quantile_disc(score, 0.005), quantile_disc(score, 0.995) "
            f"FROM {ROWS} WHERE isfinite(score)"
        ).fetchall()[0]
        if low is None:
            return []
    width = (high - low) / _BINS or 1.0
    position = (
        f"greatest(0, least({_BINS - 1}, CAST(floor((score - CAST('{low!r}' AS DOUBLE)) / "
        f"CAST('{width!r}' AS DOUBLE)) AS BIGINT)))"
    )
    counts = connection.execute(
        f"SELECT {position} AS bin, count(*) FILTER (is_reference), "
        "count(*) FILTER (is_reference IS DISTINCT FROM true) "
        f"FROM {ROWS} WHERE isfinite(score) GROUP BY bin ORDER BY bin"
    ).fetchall()
    if not counts:
        return []
    totals = [max(sum(each[side] for each in counts), 1) for side in (1, 2)]
    by_bin = {each[0]: each[1:] for each in counts}
    return [
        {
            "low": low + width * number,
            "high": low + width * (number + 1),
            "share_reference": by_bin.get(number, (0, 0))[0] / totals[0],
            "share_now": by_bin.get(number, (0, 0))[1] / totals[1],
        }
        for number in range(_BINS)
    ]


def classes(connection: duckdb.DuckDBPyConnection, most: int = 20) -> list[Row]:
    """Count the most frequent predicted classes on both sides."""
    return rows_of(
        connection,
        "SELECT coalesce(label, '(missing)') AS label, count(*) FILTER (is_reference) / "
        "greatest(sum(count(*) FILTER (is_reference)) OVER (), 1) AS share_reference, "
        "count(*) FILTER (is_reference IS DISTINCT FROM true) / greatest(sum(count(*) FILTER "
        "(is_reference IS DISTINCT FROM true)) OVER (), 1) AS share_now "
        f"FROM {ROWS} GROUP BY ALL ORDER BY count(*) DESC, label LIMIT {most}",
    )
