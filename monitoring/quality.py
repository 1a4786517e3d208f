"""What is wrong with stored predictions whatever the outcomes say: counts, computed in SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..udfs.duckdb.macros import quote
from .manifest import ANSWER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .discovery import Sources
    from .warehouse import Table, Warehouse


@dataclass(frozen=True, slots=True)
class Check:
    """One check: how many of how many rows fail it, and what to do where some do."""

    name: str
    failing: int
    rows: int
    way_out: str


def check_quality(
    warehouse: Warehouse, sources: Sources, name: str, task: str, version: int | None
) -> list[Check]:
    """Count what is missing, impossible, double, gone, or of another version."""
    connection = warehouse.connection
    mine = f"(SELECT * FROM {sources.predictions.sql} WHERE {sources.of_model(name)})"
    conditions = dict(_conditions(sources, task, version))
    counted = ", ".join(f"count(*) FILTER ({condition})" for condition, _ in conditions.values())
    rows, *failing = connection.execute(
        f"SELECT count(*){', ' if counted else ''}{counted} FROM {mine}"
    ).fetchall()[0]
    found = [
        Check(title, count, rows, way_out)
        for (title, (_, way_out)), count in zip(conditions.items(), failing, strict=True)
    ]
    found += _keys(warehouse, sources, mine, rows)
    return found


def _conditions(
    sources: Sources, task: str, version: int | None
) -> Iterator[tuple[str, tuple[str, str]]]:
    table = sources.predictions
    column = quote(sources.score or sources.label or "")
    missing = f"{column} IS NULL"
    if sources.score:
        missing += f" OR NOT isfinite(CAST({column} AS DOUBLE))"
    again = "Score these rows again, and look at their features."
    yield "Predictions that are missing, NaN or infinite", (missing, again)
    if task == "binary" and sources.score:
        number = f"CAST({column} AS DOUBLE)"
        outside = f"isfinite({number}) AND ({number} < 0 OR {number} > 1)"
        yield (
            "Probabilities below 0 or above 1",
            (outside, "Name the column of the probability with --score: this one is none."),
        )
    # A log holds what was answered then, and nobody scores it again.
    is_log = sources.key == (ANSWER,)
    if version is not None and table.find("model_version") and not is_log:
        stale = f"model_version IS DISTINCT FROM {version}"
        way_out = "Run the scoring job: it scores rows of other versions again."
        yield "Predictions of another version than the one that answers now", (stale, way_out)


def _keys(warehouse: Warehouse, sources: Sources, mine: str, rows: int) -> Iterator[Check]:
    """Compare the predictions' keys with each other, and with those of the features."""
    connection, features = warehouse.connection, sources.features
    if not sources.key:
        return
    key = ", ".join(map(quote, sources.key))
    (double,) = connection.execute(
        f"SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM {mine} GROUP BY {key})"
    ).fetchall()[0]
    way_out = "Make the key unique in the prediction table; its model has no unique_key."
    yield Check("Rows whose key has another prediction too", int(double), rows, way_out)
    if features is None or features == sources.predictions:
        return
    pairs = " AND ".join(f"p.{quote(k)} = f.{quote(features.column(k))}" for k in sources.key)
    waiting, total = connection.execute(
        f"SELECT count(*) FILTER (NOT EXISTS (SELECT 1 FROM {mine} AS p WHERE {pairs})), count(*) "
        f"FROM {features.sql} AS f"
    ).fetchall()[0]
    yield Check(
        "Rows of features that have no prediction yet", waiting, total, "Run the scoring job."
    )
    (gone,) = connection.execute(
        f"SELECT count(*) FROM {mine} AS p WHERE NOT EXISTS "
        f"(SELECT 1 FROM {features.sql} AS f WHERE {pairs})"
    ).fetchall()[0]
    yield Check("Predictions whose features are gone", gone, rows, "Delete them after each run.")
    yield from _stale(warehouse, sources, mine, features, pairs, rows)


def _stale(  # noqa: PLR0913, PLR0917 - the parts of one query
    warehouse: Warehouse, sources: Sources, mine: str, features: Table, pairs: str, rows: int
) -> Iterator[Check]:
    if not (sources.predictions.find("features_hash") and features.find("features_hash")):
        return
    (stale,) = warehouse.connection.execute(
        f"SELECT count(*) FROM {mine} AS p JOIN {features.sql} AS f ON {pairs} "
        "WHERE p.features_hash IS DISTINCT FROM f.features_hash"
    ).fetchall()[0]
    yield Check(
        "Predictions made from features that have changed since",
        stale,
        rows,
        "Run the scoring job.",
    )
