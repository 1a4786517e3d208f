"""What a reader should know first, and do: sentences with a level, from the figures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from .stability import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .card import Card
    from .quality import Check

AREA_WATCH, AREA_ACT = 0.02, 0.05
"""So much less area under the curve than on the card is worth a look, and worth a retraining."""
GAP_WATCH, GAP_ACT = 0.02, 0.05
"""So far may the mean prediction be from the mean outcome of a yes-or-no question."""
_ERROR_WATCH, _ERROR_ACT = 1.1, 1.25
_LISTED = 3
_SURE = 3
"""Standard errors that a difference must exceed."""


class Level(IntEnum):
    """How urgent a finding is."""

    FINE = 0
    WATCH = 1
    ACT = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence on the state of the model, and what to do about it."""

    level: Level
    text: str
    way_out: str = ""


def find(
    card: Card,
    checks: Sequence[Check],
    metrics: Mapping[str, Mapping[str, Any]],
    drift: Sequence[Mapping[str, Any]],
    answers: Sequence[Mapping[str, Any]],
) -> list[Finding]:
    """Give all findings, the most urgent first."""
    found = [*_quality(checks), *_performance(card, metrics), *_drift(drift), *_answers(answers)]
    return sorted(found, key=lambda each: -each.level)


def _quality(checks: Sequence[Check]) -> Iterator[Finding]:
    failing = [check for check in checks if check.failing]
    for check in failing:
        share = check.failing / check.rows if check.rows else 1.0
        level = Level.ACT if share > 0.01 else Level.WATCH  # noqa: PLR2004 - one row in a hundred
        yield Finding(level, f"{check.name}: {check.failing:,} of {check.rows:,}.", check.way_out)
    if checks and not failing:
        rows = max(check.rows for check in checks)
        yield Finding(Level.FINE, f"All {len(checks)} checks of the {rows:,} stored rows pass.")


def _performance(card: Card, metrics: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    now, before = metrics.get("now"), metrics.get("reference") or {}
    if not now:
        return
    if "brier" in now:
        yield from _area(card, now, before)
        gap = abs(now["expected"] - now["actual"])
        error = math.sqrt(now["actual"] * (1 - now["actual"]) / now["rows"])
        level = _level(gap if gap > _SURE * error else 0.0, GAP_WATCH, GAP_ACT)
        yield Finding(
            level,
            f"The mean probability was {now['expected']:.1%}, and {now['actual']:.1%} came true.",
            "Probabilities are too high or too low on the whole: recalibrate, or train again."
            if level is not Level.FINE
            else "",
        )
    elif "mae" in now and before.get("mae"):
        ratio = now["mae"] / before["mae"]
        level = _level(ratio, _ERROR_WATCH, _ERROR_ACT)
        text = f"The mean absolute error is {now['mae']:.4g}; it was {before['mae']:.4g}."
        yield Finding(level, text, "" if level is Level.FINE else "Train again on later rows.")
    elif now.get("accuracy") is not None and before.get("accuracy") is not None:
        level = _level(before["accuracy"] - now["accuracy"], AREA_WATCH, AREA_ACT)
        text = f"{now['accuracy']:.1%} of the classes are right; it was {before['accuracy']:.1%}."
        yield Finding(level, text, "" if level is Level.FINE else "Train again on later rows.")


def _area(card: Card, now: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[Finding]:
    area = now.get("auc")
    if area is None:
        text = "All outcomes of now are the same, so how well predictions rank cannot be said."
        yield Finding(Level.WATCH, text, "Wait for more outcomes.")
        return
    promised = card.metrics.get("auc", card.metrics.get("roc_auc"))
    base, where = (promised, "on the model card") if promised else (before.get("auc"), "before")
    if base is None:
        yield Finding(Level.FINE, f"The area under the ROC curve is {area:.3f}.")
        return
    fall = base - area
    # What chance alone takes off with so few outcomes is not held against the model.
    level = _level(fall if fall > _SURE * _area_error(now) else 0.0, AREA_WATCH, AREA_ACT)
    text = f"The area under the ROC curve is {area:.3f}; {where} it is {base:.3f}."
    yield Finding(level, text, "" if level is Level.FINE else "Train again on later rows.")


def _area_error(now: Mapping[str, Any]) -> float:
    """Give the standard error of an area under the curve, as Hanley and McNeil (1982) do."""
    area = now["auc"]
    late = now["rows"] * now["actual"]
    other = now["rows"] - late
    first, second = area / (2 - area), 2 * area * area / (1 + area)
    spread = area * (1 - area) + (late - 1) * (first - area**2) + (other - 1) * (second - area**2)
    return math.sqrt(max(spread, 0.0) / (late * other))


def _drift(drift: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    for status, level in ((Status.SHIFTED, Level.ACT), (Status.MOVED, Level.WATCH)):
        names = [each["column_name"] for each in drift if each["status"] == status]
        if names:
            verb = "have" if len(names) > 1 else "has"
            yield Finding(
                level,
                f"{len(names)} of {len(drift)} features {verb} {status}: {_listed(names)}.",
                "Ask where these columns come from whether something changed. If the world "
                "changed, hold the model against outcomes, and train it on later rows.",
            )
    if drift and all(each["status"] == Status.STEADY for each in drift):
        yield Finding(Level.FINE, f"All {len(drift)} features are where they were.")
    unknown = [each["column_name"] for each in drift if each["status"] == Status.UNKNOWN]
    if unknown:
        text = f"There are too few rows to judge {_listed(unknown)}."
        yield Finding(Level.WATCH, text, "Wait for more rows, or choose a larger --reference.")


def _answers(answers: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    for each in answers:
        if each["status"] in {Status.SHIFTED, Status.MOVED}:
            level = Level.ACT if each["status"] == Status.SHIFTED else Level.WATCH
            text = f"The predictions themselves have {each['status']}: {each['reason']}."
            yield Finding(level, text, "Look at the features that moved, and at the outcomes.")
        elif each["status"] == Status.STEADY:
            text = f"The predictions are spread as they were (index {each['psi']:.3f})."
            yield Finding(Level.FINE, text)


def _level(value: float, watch: float, act: float) -> Level:
    if value >= act:
        return Level.ACT
    return Level.WATCH if value >= watch else Level.FINE


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
