"""Predictions and outcomes: their spread, calibration, course over time, and groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import charts, curves
from .figures import figure
from .html import Html, table, tag
from .numbers import count, decimal, moment, percent, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..report import Report

_NAMES = {
    "auc": "Area under the ROC curve",
    "accuracy": "Accuracy",
    "brier": "Brier score",
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
    "bias": "Mean error",
    "r2": "R²",
}


def predictions(report: Report) -> Html:
    """How predictions are spread, and what came true."""
    inner = [_spread(report)]
    if any(each["mean_score"] is not None for each in report.over_time):
        inner.append(_means(report))
    if not report.metrics:
        words = (
            "No outcome is known, so nothing here says whether predictions come true. Name the "
            "column that does with --outcome."
        )
        return section("predictions", "Predictions", words, inner)
    inner += _quality_figures(report)
    inner.append(_metrics(report))
    words = "What the model said, and what happened. An outcome counts as soon as it is known."
    return section("predictions", "Predictions and outcomes", words, inner)


def section(name: str, title: str, words: str, inner: Sequence[Html]) -> Html:
    """Put figures under a title."""
    return tag("section", tag("h2", title), tag("p", words, class_="intro"), *inner, id=name)


def shown_as(report: Report) -> tuple[Callable[[float | None], str], str]:
    """Say how a prediction is written, in words and on an axis."""
    return (plain, "~g") if report.card.task == "value" else (percent, ".0%")


def _sides(report: Report) -> tuple[str, ...]:
    return ("now", "reference") if report.reference else ("now",)


def _spread(report: Report) -> Html:
    rows = report.spread
    if not rows:
        return tag("p", "There is no prediction to show.")
    shows = "How often each prediction was given; the dashed line is the reference."
    if not report.reference:
        shows = "How often each prediction was given."
    do = "A new peak, or a shape that moved, has a cause: look for it among the features below."
    if report.card.task == "classes":
        labels = charts.distinct([each["label"] for each in rows])
        values = _bars(labels, rows)
        spec = charts.bars_by_side("Shares of the predicted classes.", values)
        lines = [
            [each["label"], percent(each["share_now"]), percent(each["share_reference"])]
            for each in rows
        ]
        listing = table("Predicted classes", ["Class", "Now", "Reference"], lines)
    else:
        is_share = report.card.task == "binary"
        peak = max(rows, key=lambda each: each["share_now"])
        write, _ = shown_as(report)
        described = (
            f"Histogram of the predictions. The most frequent lie between {write(peak['low'])} and "
            f"{write(peak['high'])}: {percent(peak['share_now'])} of the rows."
        )
        title = "predicted probability" if is_share else "prediction"
        spec = charts.histogram(described, rows, is_share=is_share, title=title)
        lines = [
            [
                f"{write(each['low'])} to {write(each['high'])}",
                *(percent(each[f"share_{side}"], 2) for side in ("now", "reference")),
            ]
            for each in rows
        ]
        listing = table("Predictions", ["Between", "Now", "Reference"], lines)
    title = "How predictions are spread"
    return figure("spread", title, spec, shows=shows, do=do, keys=("now",), data=listing)


def _bars(labels: Sequence[str], rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "label": label,
            "position": position,
            "now": each["share_now"],
            "reference": each["share_reference"],
        }
        for position, (label, each) in enumerate(zip(labels, rows, strict=True))
    ]


def _until(report: Report) -> str | None:
    """Where the band of the reference ends: at the first period that is not all reference."""
    starts = [each for each in report.over_time if not each["reference"]]
    is_split = bool(starts) and report.over_time[0]["reference"]
    return starts[0]["start"].isoformat() if is_split else None


def _times(report: Report, fields: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"start": each["start"].isoformat(), "rows": each.get("rows", each["scored"])}
        | {field: each.get(field) for field in fields}
        for each in report.over_time
    ]


def _means(report: Report) -> Html:
    write, form = shown_as(report)
    has_actual = any(each.get("actual") is not None for each in report.over_time)
    fields = {"mean_score": ("predicted", charts.NOW)}
    if has_actual:
        fields["actual"] = ("actual", charts.ACTUAL)
    rows = _times(report, list(fields))
    described = f"Mean prediction of each {report.unit}, {len(rows)} points"
    described += ", beside the mean outcome." if has_actual else "."
    spec = curves.lines(described, rows, fields, form, until=_until(report), zero=True)
    lines = [
        [
            moment(each["start"], report.unit),
            count(each["scored"]),
            *(write(each.get(field)) for field in fields),
        ]
        for each in report.over_time
    ]
    header = [report.unit.capitalize(), "Rows", "Predicted", *(["Actual"] if has_actual else [])]
    shows = f"The mean prediction of each {report.unit}" + (
        ", and what came true." if has_actual else "."
    )
    if _until(report):
        shows += " The grey band is the reference."
    do = "Lines that part and stay apart mean that the model no longer fits: train it again."
    return figure(
        "means",
        "Predicted and actual over time" if has_actual else "Predictions over time",
        spec,
        shows=shows,
        do=do if has_actual else "",
        keys=("expected", "actual") if has_actual else ("now",),
        data=table("Means over time", header, lines),
    )


def _quality_figures(report: Report) -> list[Html]:
    found = [_calibration(report)] if report.calibration else []
    field = {"binary": "auc", "value": "mae", "classes": "accuracy"}[report.card.task]
    known = [each for each in report.over_time if each.get(field) is not None]
    if len(known) > 1:
        found.append(_course(report, field, known))
    return [tag("div", *found, class_="grid")] if found else []


def _calibration(report: Report) -> Html:
    write, _ = shown_as(report)
    rows = report.calibration
    is_share = report.card.task == "binary"
    mine = [each for each in rows if each["side"] == "now"] or rows
    off = max(mine, key=lambda each: abs(each["expected"] - each["actual"]))
    described = (
        f"Calibration: mean outcome over mean prediction in ten groups. Furthest off: predicted "
        f"{write(off['expected'])}, actual {write(off['actual'])}."
    )
    lines = [
        [
            f"{each['side']}, {each['tenth']}",
            count(each["rows"]),
            write(each["expected"]),
            write(each["actual"]),
            f"{write(each['low'])} to {write(each['high'])}",
        ]
        for each in rows
    ]
    header = ["Side, tenth", "Rows", "Predicted", "Actual", "95 % interval"]
    return figure(
        "calibration",
        "Can the numbers be taken at their word?",
        curves.calibration(described, rows, is_share=is_share),
        shows="Predictions in ten groups, from low to high: what was predicted, and what came "
        "true. On the dotted line both agree; bars are 95 % intervals.",
        do="Points below the line: predictions are too high there. Recalibrate before you use the "
        "numbers themselves; their order may still be right.",
        keys=_sides(report),
        data=table("Calibration", header, lines),
    )


def _course(report: Report, field: str, known: Sequence[dict[str, Any]]) -> Html:
    name = _NAMES[field]
    values = [each[field] for each in known]
    described = (
        f"{name} of each {report.unit}, from {min(values):.3g} to {max(values):.3g}; "
        f"the last is {values[-1]:.3g}."
    )
    form = "~g" if field == "mae" else ".2f"
    series = {field: (name.lower(), charts.NOW)}
    spec = curves.lines(described, _times(report, [field]), series, form, until=_until(report))
    names = [key for key in _NAMES if known[0].get(key) is not None]
    lines = [
        [
            moment(each["start"], report.unit),
            count(each["rows"]),
            *(decimal(each.get(key), 4) for key in names),
        ]
        for each in known
    ]
    header = [report.unit.capitalize(), "Rows", *(_NAMES[key] for key in names)]
    shows = {
        "auc": "How well predictions rank: 1 is perfect, 0.5 a coin. In the grey band, the "
        "reference, the model may have seen the answers, which flatters it.",
        "mae": "How far predictions are off on average. In the grey band, the reference, the "
        "model may have seen the answers, which flatters it.",
        "accuracy": "The share of classes that were right. In the grey band, the reference, the "
        "model may have seen the answers, which flatters it.",
    }[field]
    return figure(
        "course",
        f"{name} over time",
        spec,
        shows=shows,
        do="One bad point is chance or one bad day; a line that keeps getting worse asks for a "
        "model that is trained on later rows.",
        data=table(f"{name} over time", header, lines),
    )


def _metrics(report: Report) -> Html:
    sides = [side for side in ("now", "reference") if side in report.metrics]
    names = {"rows": "Rows with an outcome", "expected": "Mean prediction"}
    names |= {"actual": "Mean outcome"} | _NAMES
    lines: list[list[str]] = []
    for key, name in names.items():
        values = [report.metrics[side].get(key) for side in sides]
        if all(value is None for value in values):
            continue
        written = count if key == "rows" else decimal
        promised = report.card.metrics.get(key)
        cells = [written(value) for value in values]  # type: ignore[operator]
        lines.append([name, *cells, decimal(promised) if promised is not None else ""])
    header = ["Metric", *map(str.capitalize, sides), "On the card"]
    return table("Metrics", header, lines)
