"""The document around the sections: one file, under a policy that forbids everything else."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from ...registry.atomic import write_whole
from ..errors import MonitoringError
from .drifting import drift, method
from .groups import groups
from .html import tag
from .numbers import moment
from .outcomes import predictions
from .overview import model, runs, verdict
from .script import DRAW, vega
from .style import STYLE

if TYPE_CHECKING:
    from ..report import Report

GENERATOR = '<meta name="generator" content="foresql report">'
_HEAD_BYTES = 400
_TITLES = {
    "overview": "Overview",
    "model": "Model",
    "runs": "Runs",
    "predictions": "Predictions",
    "groups": "Groups",
    "drift": "Drift",
    "method": "Method",
}


def render_page(report: Report) -> str:
    """Write a report as one HTML file without any address outside of itself.

    Its policy allows the two scripts and the style sheet that are in it, by their hashes, and
    nothing else: no request, no further script, no evaluation.

    Raises
    ------
    MonitoringError
        If the extra that brings the plots' JavaScript is not installed.
    """
    library = vega()
    sections = {
        "overview": verdict(report),
        "model": model(report),
        "runs": runs(report),
        "predictions": predictions(report),
        "groups": groups(report),
        "drift": drift(report),
        "method": method(report),
    }
    there = {name: section for name, section in sections.items() if section is not None}
    links = [tag("li", tag("a", _TITLES[name], href=f"#{name}")) for name in there]
    title = f"{report.card.name}: predictions and drift"
    made = f"{moment(report.made_at)} UTC"
    policy = (
        f"default-src 'none'; script-src {_hash(library)} {_hash(DRAW)}; "
        f"style-src {_hash(STYLE)}; base-uri 'none'; form-action 'none'"
    )
    body = [
        tag(
            "header",
            tag("h1", title),
            tag("p", f"{report.card.description} Made on {made}.".strip(), class_="lead"),
        ),
        tag("nav", tag("ul", *links), aria_label="Sections"),
        tag("main", *there.values()),
        tag(
            "footer", tag("p", f"Made by foresql report from {Path(report.database).name}, {made}.")
        ),
    ]
    return "".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            GENERATOR,
            f'\n<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="referrer" content="no-referrer">\n',
            tag("title", title).text,
            f"\n<style>{STYLE}</style>\n</head>\n<body>\n",
            *(each.text + "\n" for each in body),
            "<noscript><p>The plots need JavaScript; the tables below each of them do not.</p>",
            f"</noscript>\n<script>{library}</script>\n<script>{DRAW}</script>\n</body>\n</html>\n",
        ]
    )


def write_page(page: str, path: Path, *, overwrite: bool = False) -> None:
    """Put a page in place, whole: readers see the old one or the new one.

    Raises
    ------
    MonitoringError
        If another file than a report has the name, or the folder cannot be written.
    """
    if path.is_dir():
        raise MonitoringError(f"{path} is a folder; name a file, such as {path / 'report.html'}.")
    if path.exists() and not overwrite and not _is_report(path):
        raise MonitoringError(
            f"{path} is no report, so it was left as it is.\n"
            "  What to do: name another file with --into, or replace it with --overwrite."
        )
    try:
        write_whole(path, page)
    except OSError as error:
        raise MonitoringError(f"{path} cannot be written: {error.strerror}.") from error


def _is_report(path: Path) -> bool:
    with path.open("rb") as file:
        return GENERATOR.encode() in file.read(_HEAD_BYTES)


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
