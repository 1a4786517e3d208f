"""Expected and actual by group: of the mart, and of the columns that were asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import charts, curves
from .figures import figure
from .html import Html, table, tag
from .numbers import count
from .outcomes import section, shown_as

if TYPE_CHECKING:
    from ..groups import Breakdown
    from ..report import Report


def groups(report: Report) -> Html | None:
    """Write the section on the mart, and on the dimensions that were asked for."""
    found: list[Html] = []
    for number, each in enumerate(report.mart_breakdowns):
        found.append(_breakdown(report, each, f"mart-{number}"))
    for number, each in enumerate(report.breakdowns):
        found.append(_breakdown(report, each, f"by-{number}"))
    found = [each for each in found if each.text]
    if not found:
        return None
    words = "Where predictions and outcomes agree, and where they part. "
    if report.mart and report.mart_shape:
        weight = report.mart_shape.expected_rows
        words += f"The figures are those of {report.mart}, whatever the period"
        words += f", weighted by {weight}. " if weight else ". "
    if report.breakdowns:
        words += "Those by a column of the features are of the rows of now. "
    words += "Groups of fewer than 5 rows are left out."
    grid = tag("div", *found, class_="grid")
    return section("groups", "By group", words, [grid])


def _breakdown(report: Report, each: Breakdown, name: str) -> Html:
    if not any(g["expected"] is not None or g["actual"] is not None for g in each.groups):
        return Html("")
    write, form = shown_as(report)
    labels = charts.distinct([group["group"] for group in each.groups])
    rows = [
        {
            "label": label,
            "position": position,
            **{key: group[key] for key in ("rows", "expected", "actual")},
        }
        for position, (label, group) in enumerate(zip(labels, each.groups, strict=True))
    ]
    parts = [part.removesuffix("_name").replace("_", " ") for part in each.dimensions]
    title = " and ".join(parts)
    parted = [g for g in each.groups if g["expected"] is not None and g["actual"] is not None]
    far = max(parted, key=lambda g: abs(g["expected"] - g["actual"]), default=None)
    described = f"Expected and actual by {title}, {len(rows)} groups."
    words = "Each group, in order." if each.is_ordered else f"The {len(rows)} largest groups"
    if not each.is_ordered:
        words += f" of {each.of:,}." if each.of > len(rows) else "."
    if far is not None:
        apart = (
            f" Furthest apart: {far['group']}, expected {write(far['expected'])}, "
            f"actual {write(far['actual'])}."
        )
        described, words = described + apart, words + apart
    draw = curves.steps if each.is_ordered else curves.dumbbells
    lines = [
        [
            g["group"],
            count(g["rows"]),
            write(g["expected"]),
            write(g["actual"]),
            count(g["actual_rows"]),
        ]
        for g in each.groups
    ]
    header = ["Group", "Rows", "Expected", "Actual", "Rows with an outcome"]
    return figure(
        name,
        f"By {title}",
        draw(described, rows, form),
        shows=words,
        keys=tuple(curves.present(rows)),
        data=table(f"By {title}", header, lines),
    )
