"""Which tables and columns a report is made from: named by the user, or found by what they hold."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..udfs.duckdb.macros import literal, quote
from .errors import MonitoringError
from .manifest import Hints

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .warehouse import Table, Warehouse

WRITTEN = ("model_name", "model_version", "features_hash", "scored_at", "run_id")
"""Columns that stand beside every stored prediction."""
_GENERIC = frozenset(
    {
        *("predicted", "prediction", "predict", "proba", "probability", "score", "is", "was"),
        *("has", "value", "label", "share", "the", "of"),
    }
)
WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UINTEGER", "UBIGINT")
REAL = ("DOUBLE", "FLOAT", "DECIMAL")
_TIMES = ("DATE", "TIMESTAMP")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user named; what is None or empty is looked for."""

    predictions: str | None = None
    features: str | None = None
    key: tuple[str, ...] = ()
    score: str | None = None
    outcome: str | None = None
    time: str | None = None
    by: tuple[str, ...] = ()
    mart: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """Tables and columns of a report. ``found`` says in words what was found without being named.

    ``score`` is a probability or a value, ``label`` a predicted class; ``outcome`` and ``time``
    are a table and a column of it.
    """

    predictions: Table
    key: tuple[str, ...]
    score: str | None = None
    label: str | None = None
    features: Table | None = None
    outcome: tuple[Table, str] | None = None
    time: tuple[Table, str] | None = None
    mart: Table | None = None
    found: Mapping[str, str] = field(default_factory=dict)

    def of_model(self, name: str, prefix: str = "") -> str:
        """Write what is true for the predictions of one model: a table may hold several's."""
        column = self.predictions.find("model_name")
        return f"{prefix}{quote(column)} = {literal(name)}" if column else "true"

    @property
    def aliases(self) -> dict[Table, str]:
        """The tables that are joined, and the alias of each in a query."""
        tables = {self.predictions: "p"}
        if self.features is not None:
            tables.setdefault(self.features, "f")
        for pair, alias in ((self.outcome, "o"), (self.time, "t")):
            if pair is not None:
                tables.setdefault(pair[0], alias)
        return tables


def find_sources(
    warehouse: Warehouse, name: str, columns: Sequence[str], wishes: Wishes, hints: Hints
) -> Sources:
    """Find what a report on model ``name`` with these feature ``columns`` is made from.

    Raises
    ------
    MonitoringError
        If what was named is not there, or the predictions are not found.
    """
    predictions = _predictions(warehouse, name, wishes, hints)
    if predictions.find(hints.label or hints.score or "model_name") is None:
        hints = Hints(descriptions=hints.descriptions)
    features = _features(warehouse, predictions, columns, wishes, hints)
    key = _key(predictions, features, wishes, hints)
    if features is not None and not key:
        raise MonitoringError(
            f"{predictions} and {features} share no column that could be their key.\n"
            "  What to do: name it with --key, or other features with --features."
        )
    score, label = _answers(predictions, key, wishes, hints)
    outcome = _outcome(warehouse, predictions, key, (score, label), wishes)
    time = _time(predictions, features, outcome, columns, wishes, warehouse)
    mart = _mart(warehouse, wishes, hints)
    found = {
        "predictions": str(predictions),
        "features": str(features or ""),
        "key": ", ".join(key),
        "score": score or label or "",
        "outcome": f"{outcome[0]}.{outcome[1]}" if outcome else "",
        "time": f"{time[0]}.{time[1]}" if time else "",
        "mart": str(mart or ""),
    }
    return Sources(predictions, key, score, label, features, outcome, time, mart, found)


def _predictions(warehouse: Warehouse, name: str, wishes: Wishes, hints: Hints) -> Table:
    if wishes.predictions:
        return warehouse.table(wishes.predictions)
    if hints.predictions and (found := warehouse.find(hints.predictions)):
        return found
    if found := warehouse.find(f"{name}_predictions"):
        return found
    candidates = [t for t in warehouse.tables if t.find("model_name") and t.find("model_version")]
    candidates = [t for t in candidates if t.schema != "foresql"]
    if len(candidates) == 1:
        return candidates[0]
    listed = ", ".join(map(str, candidates)) or "none"
    raise MonitoringError(
        f"Which table of {warehouse.path} holds the predictions of {name!r} is not clear: tables "
        f"with columns model_name and model_version: {listed}.\n"
        "  What to do: name it with --predictions."
    )


def _features(
    warehouse: Warehouse,
    predictions: Table,
    columns: Sequence[str],
    wishes: Wishes,
    hints: Hints,
) -> Table | None:
    if wishes.features:
        return warehouse.table(wishes.features)
    if hints.features and (found := warehouse.find(hints.features)):
        return found
    holding = [
        table
        for table in warehouse.tables
        if all(table.find(column) for column in columns)
        and (table is predictions or _shared(predictions, table))
    ]
    if len(holding) > 1:
        raise MonitoringError(
            f"Several tables hold the model's columns: {', '.join(map(str, holding))}.\n"
            "  What to do: name the one that was scored with --features."
        )
    return holding[0] if holding else None


def _shared(one: Table, other: Table) -> list[str]:
    return [name for name in one.columns if other.find(name) and name not in WRITTEN]


def _key(
    predictions: Table, features: Table | None, wishes: Wishes, hints: Hints
) -> tuple[str, ...]:
    if wishes.key or hints.key:
        return tuple(predictions.column(name) for name in wishes.key or hints.key)
    if features is None or features is predictions:
        return ()
    shared = _shared(predictions, features)
    named = [name for name in shared if re.search(r"(^|_)(id|key|no|number)$", name, re.IGNORECASE)]
    return tuple(named or shared[:1])


def _answers(
    predictions: Table, key: Sequence[str], wishes: Wishes, hints: Hints
) -> tuple[str | None, str | None]:
    """Find the columns of the probability or value, and of the predicted class."""
    own = [n for n in predictions.columns if n not in WRITTEN and n not in key]
    score = wishes.score or hints.score or None
    label = hints.label or None
    if score is not None:
        score = predictions.column(score)
    else:
        reals = [n for n in own if predictions.columns[n].startswith(REAL)]
        likely = [n for n in reals if re.search("prob|score|predict", n, re.IGNORECASE)]
        score = next(iter(likely or reals), None)
    others = [n for n in own if n != score and re.match("predict|label", n, re.IGNORECASE)]
    label = predictions.find(label) if label else next(iter(others), None)
    if score is None and label is None:
        raise MonitoringError(
            f"Which column of {predictions} is the prediction is not clear.\n"
            "  What to do: name it with --score."
        )
    return score, None if label == score else label


def _outcome(
    warehouse: Warehouse,
    predictions: Table,
    key: Sequence[str],
    answers: Iterable[str | None],
    wishes: Wishes,
) -> tuple[Table, str] | None:
    if wishes.outcome:
        table, column = named_column(warehouse, wishes.outcome, predictions)
        return table, table.column(column)
    given = [name for name in answers if name]
    words = {word for name in given for word in _words(name)}
    # A table with the answers themselves is made from the predictions, and repeats outcomes.
    apart = [table for table in warehouse.tables if not any(map(table.find, given))]
    found = [
        (table, column)
        for table in apart
        if table is not predictions and key and all(table.find(each) for each in key)
        for column, kind in table.columns.items()
        if kind.startswith(("BOOLEAN", *WHOLE, *REAL, "VARCHAR"))
        and column not in key
        and words
        and words <= _words(column)
    ]
    return found[0] if len({(str(t), c) for t, c in found}) == 1 else None


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", name.casefold())) - _GENERIC


def _time(  # noqa: PLR0913, PLR0917 - each is a place to look
    predictions: Table,
    features: Table | None,
    outcome: tuple[Table, str] | None,
    columns: Sequence[str],
    wishes: Wishes,
    warehouse: Warehouse,
) -> tuple[Table, str] | None:
    if wishes.time:
        return named_time(warehouse, wishes.time, features or predictions, predictions)
    places = [features, predictions, outcome[0] if outcome else None]
    for table in places:
        if table is None:
            continue
        for name, kind in table.columns.items():
            if kind.startswith(_TIMES) and name not in WRITTEN and name not in columns:
                return table, name
    return None


def named_time(
    warehouse: Warehouse, text: str, default: Table, predictions: Table
) -> tuple[Table, str]:
    """Find the time column that the user named.

    Raises
    ------
    MonitoringError
        If there is none, or it is no date or timestamp.
    """
    if "." not in text and default.find(text) is None and predictions.find(text):
        default = predictions
    table, column = named_column(warehouse, text, default)
    column = table.column(column)
    if not table.columns[column].startswith(_TIMES):
        raise MonitoringError(
            f"{table}.{column} is {table.columns[column]}; --time takes a date or a timestamp."
        )
    return table, column


def named_column(warehouse: Warehouse, text: str, default: Table) -> tuple[Table, str]:
    """Split ``table.column``; a bare column is one of the default table."""
    table, dot, column = text.rpartition(".")
    return (warehouse.table(table) if dot else default), column


def _mart(warehouse: Warehouse, wishes: Wishes, hints: Hints) -> Table | None:
    if wishes.mart:
        return warehouse.table(wishes.mart)
    for name in hints.marts:
        found = warehouse.find(name)
        if found is not None and expected_and_actual(found) != (None, None):
            return found
    likely = [t for t in warehouse.tables if all(expected_and_actual(t))]
    return likely[0] if len(likely) == 1 else None


def expected_and_actual(table: Table) -> tuple[str | None, str | None]:
    """Find the columns of a mart that hold what was predicted, and what happened."""
    reals = [name for name, kind in table.columns.items() if kind.startswith(REAL)]

    def first(pattern: str) -> str | None:
        return next((n for n in reals if re.search(pattern, n, re.IGNORECASE)), None)

    return first("predict|expect"), first("actual|observed|happened")
