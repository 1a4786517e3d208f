"""What two versions answered to the same rows, by the prediction log of ``foresql serve``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from ..registry.references import suggest
from ..udfs.duckdb.macros import quote
from .errors import MonitoringError
from .prediction_log import columns_of, find_files, relation_of
from .warehouse import rows_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a version answered, and what another one did to the same rows in its shadow.

    Attributes
    ----------
    agreeing
        Rows with the same prediction, or one that differs by no more than the tolerance.
    mean_difference, largest_difference
        Of the probabilities where the model has them, else of the predictions; None for labels.
    examples
        The rows that differ most.
    """

    model: str
    version: int
    shadow: int
    rows: int
    agreeing: int
    mean_difference: float | None
    largest_difference: float | None
    examples: list[dict[str, Any]]

    @property
    def agreement(self) -> float:
        """The share of the rows that agree."""
        return self.agreeing / self.rows


@dataclass(frozen=True, slots=True)
class Share:
    """How much a version answered in a role, and from when to when, in UTC."""

    model: str
    version: int
    role: str
    rows: int
    requests: int
    entities: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a prediction log says of versions beside each other."""

    shares: list[Share]
    comparisons: list[Comparison]


def compare_traffic(
    folder: str | Path,
    model: str | None = None,
    *,
    tolerance: float = 0.0,
    examples: int = EXAMPLES,
) -> Traffic:
    """Compare answers with those of the shadow, row by row.

    Raises
    ------
    MonitoringError
        If there is no log, nothing of the model in it, or a file cannot be read.
    """
    files = find_files(Path(folder))
    if model is not None and model not in files:
        raise MonitoringError(f"{folder} has nothing of {model!r}. {suggest(model, files)}")
    found = Traffic([], [])
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        try:
            for name in [model] if model is not None else files:
                relations = {v: relation_of(paths) for v, paths in sorted(files[name].items())}
                _compare_model(connection, found, name, relations, tolerance, examples)
        except duckdb.Error as error:
            message = f"The prediction log {folder} cannot be read: {error}"
            raise MonitoringError(message) from error
    return found


def _compare_model(  # noqa: PLR0913, PLR0917 - all that is asked for
    connection: duckdb.DuckDBPyConnection,
    found: Traffic,
    name: str,
    relations: Mapping[int, str],
    tolerance: float,
    examples: int,
) -> None:
    has_shadow: list[int] = []
    for version, relation in relations.items():
        for row in rows_of(
            connection,
            "SELECT role, count(*) AS rows, count(DISTINCT request_id) AS requests, "
            "count(DISTINCT entity) AS entities, "
            "CAST(min(answered_at) AS TIMESTAMP) AS first, "
            "CAST(max(answered_at) AS TIMESTAMP) AS last "
            f"FROM {relation} GROUP BY role ORDER BY role",
        ):
            found.shares.append(Share(name, version, **row))
            has_shadow += [version] if row["role"] == "shadow" else []
    for version in relations:
        for shadow in has_shadow:
            if version != shadow:
                pair = _Pair(connection, relations[version], relations[shadow], tolerance)
                found.comparisons.extend(pair.compare(name, version, shadow, examples))


class _Pair:
    """The rows that one version answered, and another one in its shadow."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        answered: str,
        shadowed: str,
        tolerance: float,
    ) -> None:
        self._connection = connection
        mine, theirs = columns_of(connection, answered), columns_of(connection, shadowed)
        same = _agreement(mine, theirs)
        difference = _difference(mine, theirs)
        if tolerance and mine["prediction"] == theirs["prediction"] == "DOUBLE":
            same = f"({same} OR abs(a.prediction - b.prediction) <= {float(tolerance)!r})"
        self._features = "features" if "features" in mine else "NULL"
        self._probability = [
            "probability" if "probability" in each else "NULL" for each in (mine, theirs)
        ]
        self._pairs = (
            f"SELECT a, b, {same} AS agrees, {difference} AS difference FROM {answered} AS a "
            f"JOIN {shadowed} AS b ON a.request_id = b.request_id AND a.row = b.row "
            "WHERE a.role <> 'shadow' AND b.role = 'shadow'"
        )

    def compare(self, name: str, version: int, shadow: int, examples: int) -> list[Comparison]:
        """Compare the rows, where there are any."""
        [total] = rows_of(
            self._connection,
            "SELECT count(*) AS rows, count(*) FILTER (agrees) AS agreeing, "
            "avg(difference) FILTER (isfinite(difference)) AS mean_difference, "
            f"max(difference) FILTER (NOT isnan(difference)) AS largest_difference "
            f"FROM ({self._pairs})",
        )
        if not total["rows"]:
            return []
        return [Comparison(name, version, shadow, **total, examples=self._examples(examples))]

    def _examples(self, count: int) -> list[dict[str, Any]]:
        """Give the rows that differ most; the ones that cannot be measured first."""
        mine, theirs = (
            f"{alias}.{column}" if column != "NULL" else column
            for alias, column in zip("ab", self._probability, strict=True)
        )
        features = f"a.{self._features}" if self._features != "NULL" else "NULL"
        return rows_of(
            self._connection,
            "SELECT a.request_id AS request_id, a.row AS row, a.entity AS entity, "
            "a.prediction AS prediction, b.prediction AS shadow_prediction, "
            f"{mine} AS probability, {theirs} AS shadow_probability, difference, "
            f"{features} AS features FROM ({self._pairs}) WHERE NOT agrees "
            f"ORDER BY difference DESC NULLS FIRST, a.request_id, a.row LIMIT {int(count)}",
        )


def _agreement(mine: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    if mine["prediction"] == theirs["prediction"]:
        return "(a.prediction IS NOT DISTINCT FROM b.prediction)"
    texts = (f"CAST({alias}.prediction AS VARCHAR)" for alias in "ab")
    return f"({' IS NOT DISTINCT FROM '.join(texts)})"


def _difference(mine: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """Write how far two answers are apart, or NULL where that is no number."""
    for column in ("probability", "prediction"):
        kinds = {mine.get(column, ""), theirs.get(column, "")}
        if kinds == {"DOUBLE"}:
            return f"abs(a.{column} - b.{column})"
        if kinds == {"DOUBLE[]"}:
            numbered = f"list_zip(a.{column}, b.{column})"
            return f"list_max([abs(each[1] - each[2]) FOR each IN {numbered}])"
        if column in mine and column in theirs and all(k.startswith("STRUCT") for k in kinds):
            return _of_structs(column, mine[column], theirs[column])
    return "CAST(NULL AS DOUBLE)"


def _of_structs(column: str, mine: str, theirs: str) -> str:
    """Compare probabilities class by class; a class that one version does not know has none."""
    if mine != theirs:
        return "CAST(NULL AS DOUBLE)"
    fields = duckdb.type(mine).children
    parts = [f"abs(a.{column}.{quote(name)} - b.{column}.{quote(name)})" for name, _ in fields]
    return f"greatest({', '.join(parts)})"
