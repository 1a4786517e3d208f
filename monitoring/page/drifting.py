"""Drift: which features moved, how, and what the thresholds mean."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from ..binning import Kind, shown_value
from ..stability import (
    MISSING_RISE,
    NEW_SHARE,
    OUTSIDE_SHARE,
    SHARE_FLOOR,
    Status,
)
from . import charts
from .figures import figure, plot
from .html import Html, folded, table, tag
from .numbers import NOTHING, count, decimal, percent, plain

if TYPE_CHECKING:
    from ..report import Report

SMALL_MULTIPLES = 8
_BADGES = {
    Status.STEADY: ("FINE", "● steady"),
    Status.MOVED: ("WATCH", "▲ moved"),
    Status.SHIFTED: ("ACT", "■ shifted"),
    Status.UNKNOWN: ("NONE", "? too few rows"),
}
_MOST_BARS = 40
_WORDS = 110


def drift(report: Report) -> Html:
    """Write the section on drift."""
    if not report.reference:
        words = (
            "There is nothing to compare with: no column says when a row was. Name one with "
            "--time, or give --reference a condition for the rows of the training period."
        )
        return tag("section", tag("h2", "Drift"), tag("p", words), id="drift")
    features = report.features.columns.to_pylist()
    answers = report.answers.columns.to_pylist()
    counts = report.counts
    words = (
        f"What the model is fed now, {count(counts['now'])} rows, against the reference, "
        f"{count(counts['reference'])} rows: {report.reference}."
    )
    if counts["undecided"]:
        words += f" {count(counts['undecided'])} rows are on neither side: their time is missing."
    inner = [_overview(report, features)] if features else [_no_features(report)]
    return tag(
        "section",
        tag("h2", "Drift"),
        tag("p", words, class_="intro"),
        _limits(report),
        *inner,
        _figures("The predictions", answers),
        _worst(report, features) if features else None,
        id="drift",
    )


def _no_features(report: Report) -> Html:
    return tag(
        "p",
        f"No table of features was found for {report.sources['predictions']}: name it with "
        "--features, and the columns that tell its rows apart with --key.",
    )


def _limits(report: Report) -> Html:
    watch, act = report.limits.watch, report.limits.act
    return tag(
        "p",
        "The ",
        tag("b", "population stability index"),
        " compares how a column is spread: 0 is no difference. Below ",
        tag("b", f"{watch:g}"),
        " a column is steady; from there it has moved and is worth a look; from ",
        tag("b", f"{act:g}"),
        " it has shifted: find out why before you trust the predictions. These limits are a rule "
        "of thumb, not a test. A column also counts as moved when more than ",
        f"{MISSING_RISE:.0%} more of it is missing, more than {NEW_SHARE:.0%} are categories that "
        f"are new, or more than {OUTSIDE_SHARE:.0%} lie outside of the reference's range. An index "
        "that chance reaches by itself with so few rows is not held against a column.",
        class_="note",
    )


def _overview(report: Report, features: list[dict[str, Any]]) -> Html:
    known = [each for each in features if each["psi"] is not None][:_MOST_BARS]
    if not known:
        return _figures("The features", features)
    rows = [
        {
            "label": each["column_name"],
            "position": position,
            "psi": each["psi"],
            "status": each["status"],
        }
        for position, each in enumerate(sorted(known, key=lambda each: -each["psi"]))
    ]
    first = rows[0]
    described = (
        f"Drift of {len(rows)} features. The largest index is {first['psi']:.2f}, of "
        f"{first['label']}."
    )
    spec = charts.drift(described, rows, report.limits.watch, report.limits.act)
    skipped = ""
    if report.skipped:
        skipped = f" Not compared: {', '.join(report.skipped)}."
    return tag(
        "div",
        figure(
            "drift-plot",
            "How far each feature has moved",
            spec,
            shows="The index of every feature that the model reads; the dashed lines are the two "
            f"limits.{skipped}",
            do="Begin at the top. A feature that jumped from one day to the next points to a "
            "change in its source; one that moves with the seasons will come back.",
        ),
        _figures("The features, the worst first", features),
    )


def _figures(caption: str, rows: list[dict[str, Any]]) -> Html:
    header = [
        *("Column", "Status", "Index", "Missing before", "Missing now", "New"),
        *("Out of range", "Mean before", "Mean now"),
    ]
    lines = [
        [
            each["column_name"],
            _badge(each["status"]),
            decimal(each["psi"]),
            percent(each["missing_reference"]),
            percent(each["missing_now"]),
            percent(each["new_share"]),
            percent(each["outside_share"]),
            *(_mean(each, side) for side in ("reference", "now")),
        ]
        for each in rows
    ]
    return table(caption, header, lines, texts=2)


def _badge(status: str) -> Html:
    level, words = _BADGES[Status(status)]
    return tag("span", words, class_=f"badge {level}")


def _mean(row: dict[str, Any], side: str) -> str:
    value = row[f"mean_{side}"]
    if row["kind"] == "time" and value is not None:
        return shown_value(value, Kind.TIME)
    return plain(value) if value is not None else NOTHING


def _worst(report: Report, features: list[dict[str, Any]]) -> Html | None:
    """Small multiples of the features with the largest index."""
    chosen = sorted(features, key=lambda each: -(each["psi"] or 0.0))[:SMALL_MULTIPLES]
    bins: dict[str, list[dict[str, Any]]] = {}
    for each in report.features.bins.to_pylist():
        bins.setdefault(each["column_name"], []).append(each)
    plots = [
        _multiple(report, each, bins[each["column_name"]], number)
        for number, each in enumerate(chosen)
        if each["psi"] is not None
    ]
    if not plots:
        return None
    return tag(
        "div",
        tag("h3", f"The {len(plots)} that moved most"),
        tag(
            "p",
            tag("span", "now", class_="key"),
            "Bars are the rows of now, upright marks the reference. Numbers are cut at the "
            "reference's tenths, so a mark stands near 10 % wherever values rarely repeat.",
            class_="note",
        ),
        tag("div", *plots, class_="grid small"),
    )


def _multiple(report: Report, row: dict[str, Any], bins: list[dict[str, Any]], number: int) -> Html:
    before, after = max(row["rows_reference"], 1), max(row["rows_now"], 1)
    filled = [each for each in bins if each["rows_reference"] or each["rows_now"]]
    labels = charts.distinct([each["label"] for each in filled])
    values: list[dict[str, Any]] = [
        {
            "label": label,
            "position": each["position"],
            "now": each["rows_now"] / after,
            "reference": each["rows_reference"] / before,
        }
        for label, each in zip(labels, filled, strict=True)
    ]
    name = row["column_name"]
    most = max(values, key=lambda each: abs(each["now"] - each["reference"]))
    described = (
        f"{name}: index {row['psi']:.2f}. Most changed: {most['label']}, from "
        f"{percent(most['reference'])} to {percent(most['now'])}."
    )
    words = textwrap.shorten(report.descriptions.get(name, ""), _WORDS, placeholder=" …")
    if row["new_values"]:
        words = f"New: {row['new_values']}. {words}"
    listing = table(
        name,
        ["Value", "Reference", "Now"],
        [[each["label"], percent(each["reference"]), percent(each["now"])] for each in values],
    )
    spec = charts.bars_by_side(described, values)
    return tag(
        "figure",
        tag("figcaption", tag("h3", f"{name}, {row['psi']:.2f}"), tag("p", words)),
        plot(f"feature-{number}", spec),
        folded("As a table", listing),
    )


def method(report: Report) -> Html:
    """How the figures were made, for who wants to check them."""
    found = {name: where for name, where in report.sources.items() if where}
    rows = [[name, tag("code", where)] for name, where in found.items()]
    if report.reference:
        rows.append(["reference", tag("code", report.reference)])
    return tag(
        "section",
        tag("h2", "How this page was made"),
        tag(
            "p",
            "All figures were computed in SQL from the tables below, which were opened read-only. "
            "The page holds sums, shares and means only: no row of the data, and no category of "
            "fewer than 5 rows. It needs no network, and asks for none.",
        ),
        table("Where the figures come from", ["What", "Table and column"], rows, texts=2),
        folded(
            "Definitions",
            tag(
                "ul",
                tag(
                    "li",
                    "Population stability index: the sum over bins of (p − q) ln(p / q), of which "  # noqa: RUF001 - a minus
                    "p is the share of now and q that of the reference, each at least "
                    f"{SHARE_FLOOR:g}. Numbers are cut at the reference's tenths, or have a bin "
                    "for each of up to 20 values; categories have one for each of the 20 most "
                    "frequent. Missing values, and NaN with them, are a bin of their own.",
                ),
                tag(
                    "li",
                    "New categories: those that the model card does not list as trained on, or, "
                    "where it lists none, those that the reference has not.",
                ),
                tag(
                    "li",
                    "Area under the ROC curve: the share of pairs of one row that came true and "
                    "one that did not, of which the first has the higher prediction; equal ones "
                    "count half.",
                ),
                tag(
                    "li",
                    "Accuracy of probabilities is at 0.5; the Brier score is their mean squared "
                    "error.",
                ),
            ),
        ),
        id="method",
    )
