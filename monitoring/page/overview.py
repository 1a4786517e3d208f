"""The top of the page: the verdict, the key figures, the model, its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Level
from . import charts
from .figures import figure
from .html import Html, folded, join, table, tag
from .numbers import NOTHING, count, decimal, moment, percent, plain

if TYPE_CHECKING:
    from ..report import Report

SIGNS = {Level.FINE: "● fine", Level.WATCH: "▲ watch", Level.ACT: "■ act"}
_DIGEST = 12


def verdict(report: Report) -> Html:
    """Give one sentence on the whole, and all findings."""
    worst = max((each.level for each in report.findings), default=Level.FINE)
    act = sum(each.level is Level.ACT for each in report.findings)
    watch = sum(each.level is Level.WATCH for each in report.findings)
    said = {
        Level.ACT: f"{_things(act)} to act on, {_things(watch)} to watch.",
        Level.WATCH: f"Nothing to act on; {_things(watch)} to watch.",
        Level.FINE: "All is as it should be.",
    }[worst]
    about = f"About {report.card.name}"
    if report.card.version is not None:
        about += f" version {report.card.version}"
    items = [
        tag(
            "li",
            tag("span", SIGNS[each.level], class_=f"badge {each.level.name}"),
            each.text,
            tag("span", each.way_out, class_="do") if each.way_out else None,
        )
        for each in report.findings
    ]
    return tag(
        "section",
        tag(
            "div",
            tag("strong", said),
            f"{about}, {_rows_of(report)}.",
            class_=f"verdict {worst.name}",
        ),
        tiles(report),
        tag("ul", *items, class_="findings"),
        id="overview",
        aria_label="Overview",
    )


def _things(number: int) -> str:
    return "1 thing" if number == 1 else f"{number} things"


def _rows_of(report: Report) -> str:
    rows = f"on {count(report.counts['rows'])} predictions"
    first, last = report.counts["first"], report.counts["last"]
    if first is None:
        return rows
    return f"{rows} from {moment(first, 'day')} to {moment(last, 'day')}"


def tiles(report: Report) -> Html:
    """Show the key figures."""
    card, counts = report.card, report.counts
    found = [("Predictions", count(counts["rows"]), _of_now(report))]
    version = NOTHING if card.version is None else str(card.version)
    found.append(("Version that answers", version, ", ".join(card.aliases) or card.reference))
    now = report.metrics.get("now") or {}
    if "brier" in now:
        found += [
            ("Came true", percent(now["actual"]), f"predicted {percent(now['expected'])}"),
            ("Area under ROC", decimal(now["auc"]), _promised(report)),
        ]
    elif "mae" in now:
        found += [
            ("Mean outcome", plain(now["actual"]), f"predicted {plain(now['expected'])}"),
            ("Mean absolute error", plain(now["mae"]), f"root mean squared {plain(now['rmse'])}"),
        ]
    elif now.get("accuracy") is not None:
        found.append(("Classes that were right", percent(now["accuracy"]), "accuracy, now"))
    if report.reference:
        index, whose = report.worst
        found.append(("Largest drift index", decimal(index, 2), whose))
    last = report.history.runs[0] if report.history.runs else None
    if last:
        rows = f"{count(last['rows_scored'])} rows"
        found.append(("Last scored", moment(last["started_at"], "day"), rows))
    return tag(
        "dl",
        *(
            tag("div", tag("dt", name), tag("dd", value, tag("small", note)), class_="tile")
            for name, value, note in found
        ),
        class_="tiles",
    )


def _of_now(report: Report) -> str:
    return f"{count(report.counts['now'])} of now" if report.reference else "all of now"


def _promised(report: Report) -> str:
    metrics = report.card.metrics
    promised = metrics.get("auc", metrics.get("roc_auc"))
    return "now" if promised is None else f"on the card {decimal(promised)}"


def model(report: Report) -> Html:
    """Show the model card."""
    card = report.card
    library = card.estimator.split(".")[0].replace("sklearn", "scikit-learn")
    with_version = f"{card.estimator} ({library} {card.versions[library]})"
    facts = {
        "Model": card.name if card.version is None else f"{card.name}, version {card.version}",
        "What it predicts": card.description,
        "Aliases": ", ".join(card.aliases),
        "Published": f"{moment(card.created_at)} UTC by {card.created_by}"
        if card.created_at
        else "",
        "Answers since": f"{moment(card.moved_at)} UTC, put there by {card.moved_by}"
        if card.moved_at
        else "",
        "Estimator": with_version if library in card.versions else card.estimator,
        "Trained on": _trained(report),
        "Metrics": ", ".join(f"{k} {v:.4g}" for k, v in card.metrics.items()),
        "Columns it reads": str(card.columns),
        "Commit": card.git_commit,
        "sha256": card.digest[:_DIGEST] + "…" if card.digest else "",
    }
    rows = [(tag("dt", name), tag("dd", value)) for name, value in facts.items() if value]
    return tag(
        "section",
        tag("h2", "Which model answers"),
        tag("p", _certified(report), class_="intro"),
        tag("dl", *(each for pair in rows for each in pair), class_="facts"),
        id="model",
    )


def _trained(report: Report) -> str:
    rows = report.card.training_rows
    if rows is None:
        return ""
    known = (report.metrics.get("reference") or {}).get("rows")
    same = "; the reference has just as many rows with an outcome" if known == rows else ""
    return f"{count(rows)} rows{same}"


def _certified(report: Report) -> str:
    card = report.card
    if not card.certified_rows:
        return "This version carries no certificate."
    routes = ", ".join(card.routes)
    labels = " All labels were the same." if card.labels_identical else ""
    return (
        f"Before it was published, {count(card.certified_rows)} probe rows were scored by the "
        f"library that trained it and by {len(card.routes)} other routes ({routes}). The largest "
        f"difference was {card.largest_difference:g}.{labels}"
    )


def runs(report: Report) -> Html:
    """Rows scored, a run each, and the checks of what is stored."""
    found = report.history.runs
    source = f"Read from {report.history.source}; times are UTC."
    if not found:
        inner: list[Html] = [tag("p", "No run is recorded: the predictions have no scored_at.")]
    else:
        optional = [
            name
            for name in ("status", "seconds", "trigger")
            if any(each.get(name) for each in found)
        ]
        header = ["Started", *map(str.capitalize, optional), "Version", "Rows scored"]
        lines = [
            [
                moment(each["started_at"]),
                *(_cell(each.get(name)) for name in optional),
                _cell(each["model_version"]),
                count(each["rows_scored"]),
            ]
            for each in found
        ]
        listing = table(source, header, lines)
        inner = [_run_figure(report, listing) if len(found) > 1 else listing]
    return tag(
        "section",
        tag("h2", "When rows were scored"),
        tag(
            "p",
            "A run scores what is new, what changed, and what another version had scored. Many "
            "rows at once mean a new version or a change upstream; none at all on a working day "
            "means that the job or its source stands still.",
            class_="intro",
        ),
        *inner,
        _checks(report),
        id="runs",
    )


def _cell(value: object) -> str:
    if value is None:
        return NOTHING
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _run_figure(report: Report, listing: Html) -> Html:
    latest = list(reversed(report.history.runs))
    labels = charts.distinct([moment(each["started_at"]) for each in latest])
    rows = [
        {"label": label, "position": position, "rows": each["rows_scored"]}
        for position, (label, each) in enumerate(zip(labels, latest, strict=True))
    ]
    total = sum(each["rows_scored"] or 0 for each in latest)
    described = f"Bars: rows scored by each of the last {len(rows)} runs, {total:,} in all."
    return join(
        [figure("runs-plot", f"The last {len(rows)} runs", charts.runs(described, rows)), listing]
    )


def _checks(report: Report) -> Html:
    failing = [each for each in report.checks if each.failing]
    rows = [
        [
            each.name,
            each.way_out if each.failing else "nothing",
            count(each.failing),
            count(each.rows),
        ]
        for each in report.checks
    ]
    listing = table("Checks of the stored rows", ["Check", "To do", "Rows", "Of"], rows, texts=2)
    title = tag("h3", "Is what is stored whole?")
    if failing:
        return join([title, listing])
    said = f"Yes: all {len(rows)} checks pass."
    return join([title, tag("p", said), folded("The checks", listing)])
