"""All figures of a report, from one database and one model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..registry import default_path, parse_reference
from ..scoring.models import BUNDLE_SUFFIX, open_model
from .binning import Kind
from .card import read_card
from .discovery import Wishes, find_sources
from .drift import Drift, DriftColumn, measure_drift
from .findings import find
from .groups import (
    break_down,
    break_down_mart,
    default_by,
    mart_shape,
    paired_dimensions,
    shown_dimensions,
)
from .history import read_history
from .manifest import read_hints
from .performance import (
    calibration,
    classes,
    histogram,
    metrics,
    over_time,
    period_of,
)
from .quality import check_quality
from .reference import find_reference
from .rounding import rounded
from .rows import ROWS, collect_rows, task_of
from .stability import Limits, Status
from .warehouse import open_warehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .card import Card
    from .discovery import Sources
    from .findings import Finding
    from .groups import Breakdown, MartShape
    from .history import History
    from .quality import Check
    from .rows import Rows
    from .warehouse import Warehouse

_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of a report: aggregates only, no rows of the database."""

    card: Card
    database: str
    made_at: datetime
    sources: Mapping[str, str]
    reference: str
    counts: Mapping[str, Any]
    findings: list[Finding]
    history: History
    checks: list[Check]
    spread: list[dict[str, Any]]
    metrics: Mapping[str, Mapping[str, Any]]
    calibration: list[dict[str, Any]]
    unit: str
    over_time: list[dict[str, Any]]
    breakdowns: list[Breakdown]
    mart: str
    mart_shape: MartShape | None
    mart_breakdowns: list[Breakdown]
    features: Drift
    answers: Drift
    limits: Limits
    skipped: tuple[str, ...] = ()
    descriptions: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_shifted(self) -> bool:
        """Whether a feature or the predictions have shifted."""
        return any(each["status"] == Status.SHIFTED for _, each in self._columns())

    @property
    def worst(self) -> tuple[float, str]:
        """The largest index that can be judged, and whose it is."""
        judged = [
            (each["psi"], name)
            for name, each in self._columns()
            if each["status"] != Status.UNKNOWN and each["psi"] is not None
        ]
        return max(judged, default=(0.0, "too few rows"))

    def _columns(self) -> list[tuple[str, dict[str, Any]]]:
        """List the figures of all features, and of the predictions, with a name for readers."""
        features = [(str(e["column_name"]), e) for e in self.features.columns.to_pylist()]
        return [*features, *(("of the predictions", e) for e in self.answers.columns.to_pylist())]

    def as_dict(self) -> dict[str, Any]:
        """Give all figures as plain values for JSON.

        Twelve digits: threads add up in any order, so that the last few are chance.
        """
        drift = {
            "features": self.features.columns.to_pylist(),
            "predictions": self.answers.columns.to_pylist(),
            "bins": [*self.features.bins.to_pylist(), *self.answers.bins.to_pylist()],
            "limits": asdict(self.limits),
            "worst": self.worst[0],
        }
        figures = {
            "model": self.card.as_dict(),
            "database": self.database,
            "made_at": self.made_at,
            "sources": dict(self.sources),
            "reference": self.reference,
            "counts": dict(self.counts),
            "findings": [asdict(each) | {"level": each.level.name} for each in self.findings],
            "history": asdict(self.history),
            "quality": [asdict(each) for each in self.checks],
            "predictions": self.spread,
            "metrics": dict(self.metrics),
            "calibration": self.calibration,
            "over_time": self.over_time,
            "groups": [asdict(each) for each in self.breakdowns],
            "mart": {"name": self.mart, "groups": [asdict(each) for each in self.mart_breakdowns]},
            "drift": drift,
        }
        return {name: rounded(value, _DIGITS) for name, value in figures.items()}


def make_report(  # noqa: PLR0913 - keyword options of one call
    reference: str,
    database: str | Path,
    *,
    registry: str | Path | None = None,
    wishes: Wishes | None = None,
    limits: Limits | None = None,
    made_at: datetime | None = None,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Compute the figures of a report on stored predictions.

    Parameters
    ----------
    reference
        The model that answers: ``name@alias``, ``name:version``, or a bundle file.
    database
        A DuckDB file; it is opened read-only.
    registry
        The registry's folder; by default the usual one, or ``registry`` beside the database.
    wishes
        Tables and columns; what is not named is found in the database.
    limits
        From which index a column counts as moved, and as shifted.
    made_at
        The time that the page says; now by default.
    progress
        Called with a word as each stage begins.

    Raises
    ------
    MonitoringError, RegistryError, BundleError
        With what to do.
    """
    say = progress or (lambda _: None)
    wishes, limits = wishes or Wishes(), limits or Limits()
    folder = find_registry(reference, database, registry)
    opened = open_model(reference, folder)
    model, name = opened.bundle.model, opened.name
    with open_warehouse(database) as warehouse:
        alias = None if folder is None else parse_reference(reference).alias
        hints = read_hints(Path(database), name, alias)
        sources = find_sources(warehouse, name, model.signature.names, wishes, hints)
        say("joining rows")
        period = find_reference(warehouse, sources, wishes.reference)
        rows = collect_rows(warehouse, sources, model, name, by=wishes.by, reference=period)
        card = read_card(opened, reference, folder, task_of(model, sources))
        say("checking rows")
        checks = check_quality(warehouse, sources, name, rows.task, opened.version)
        history = read_history(warehouse, sources, name)
        say("comparing with outcomes")
        performance = _performance(warehouse, rows)
        say("breaking down")
        groups = _groups(warehouse, sources, rows, wishes)
        say("measuring drift")
        features, answers = _drift(warehouse, rows, sources, limits)
        counts = _counts(warehouse)
    findings = find(
        card,
        checks,
        performance["metrics"],
        features.columns.to_pylist(),
        answers.columns.to_pylist(),
    )
    return Report(
        card=card,
        database=str(database),
        made_at=made_at or datetime.now(UTC),
        sources=sources.found,
        reference=rows.reference,
        counts=counts,
        findings=findings,
        history=history,
        checks=checks,
        features=features,
        answers=answers,
        limits=limits,
        skipped=rows.skipped,
        descriptions=hints.descriptions,
        **performance,
        **groups,
    )


def find_registry(reference: str, database: str | Path, registry: str | Path | None) -> Path | None:
    """Choose the registry's folder; None for a bundle file, which needs none."""
    if reference.endswith(BUNDLE_SUFFIX):
        return None
    if registry is not None:
        return Path(registry)
    usual, beside = default_path(), Path(database).parent / "registry"
    return beside if beside.is_dir() and not usual.exists() else usual


def _counts(warehouse: Warehouse) -> dict[str, Any]:
    names = ("rows", "reference", "now", "undecided", "first", "last", "outcomes")
    found = warehouse.connection.execute(
        "SELECT count(*), count(*) FILTER (is_reference), count(*) FILTER (NOT is_reference), "
        "count(*) FILTER (is_reference IS NULL), min(moment) FILTER (isfinite(moment)), "
        f"max(moment) FILTER (isfinite(moment)), count(outcome) FROM {ROWS}"
    ).fetchall()[0]
    return dict(zip(names, found, strict=True))


def _performance(warehouse: Warehouse, rows: Rows) -> dict[str, Any]:
    connection = warehouse.connection
    period = period_of(connection)
    by_side: dict[str, Any] = {}
    curve: list[dict[str, Any]] = []
    if rows.has_outcome:
        side = "CASE WHEN is_reference THEN 'reference' ELSE 'now' END"
        by_side = {each.pop("grp"): each for each in metrics(connection, rows.task, side)}
        curve = [] if rows.task == "classes" else calibration(connection, rows.task)
    is_classes = rows.task == "classes"
    return {
        "metrics": by_side,
        "calibration": curve,
        "unit": period.unit if period else "",
        "over_time": over_time(connection, rows, period) if period else [],
        "spread": classes(connection) if is_classes else histogram(connection, rows.task),
    }


def _groups(warehouse: Warehouse, sources: Sources, rows: Rows, wishes: Wishes) -> dict[str, Any]:
    connection, mart = warehouse.connection, sources.mart
    by = rows
    if not wishes.by and mart is None:
        names = default_by(connection, sources, rows)
        columns = {each.name: each.expression for each in rows.features}
        by = rows.grouped({name: columns[name] for name in names})
    # Where no reference is known all rows are of now.
    found = [break_down(connection, by, each, everything=False) for each in by.by]
    shape, of_mart = None, []
    if mart is not None:
        shape = mart_shape(connection, mart)
        dimensions = shown_dimensions(connection, mart, shape)
        of_mart = [break_down_mart(connection, mart, shape, [each]) for each in dimensions]
        if pair := paired_dimensions(mart, shape):
            of_mart.append(break_down_mart(connection, mart, shape, pair))
    return {
        "breakdowns": found,
        "mart": str(mart or ""),
        "mart_shape": shape,
        "mart_breakdowns": of_mart,
    }


def _drift(
    warehouse: Warehouse, rows: Rows, sources: Sources, limits: Limits
) -> tuple[Drift, Drift]:
    if not rows.reference:
        none = measure_drift(warehouse.connection, rows.source, (), limits)
        return none, none
    answer = (
        DriftColumn(sources.score, "score", Kind.NUMBER)
        if sources.score and rows.task != "classes"
        else DriftColumn(sources.label or "", "label", Kind.CATEGORY)
    )
    connection = warehouse.connection
    return (
        measure_drift(connection, rows.source, rows.features, limits),
        measure_drift(connection, rows.source, (answer,), limits),
    )
