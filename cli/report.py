"""``foresql report``: one page on stored predictions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..monitoring import Limits, Wishes, make_report, render_page, write_page
from ..monitoring.stability import ACT, WATCH
from .options import explained, json_option, print_json, progress_bar, registry_option, say

if TYPE_CHECKING:
    from ..monitoring import Report

EXIT_DRIFT = 4


@click.command()
@click.argument("reference")
@click.option(
    "--database",
    required=True,
    type=click.Path(),
    help="A DuckDB file with the predictions, opened read-only, or the folder of a prediction log.",
)
@click.option("--predictions", metavar="TABLE", help="The table of predictions.")
@click.option("--features", metavar="TABLE", help="The table that was scored.")
@click.option("--key", metavar="COLUMNS", help="What tells rows apart in both, by commas.")
@click.option("--score", metavar="COLUMN", help="The predicted probability or value.")
@click.option("--outcome", metavar="TABLE.COLUMN", help="What came true.")
@click.option("--time", metavar="[TABLE.]COLUMN", help="When a row was: a date or timestamp.")
@click.option("--by", metavar="COLUMNS", help="Columns to group by, by commas.")
@click.option("--mart", metavar="TABLE", help="A mart of expected and actual, by group.")
@click.option(
    "--reference",
    "baseline",
    metavar="CONDITION|SHARE",
    help="What now is compared with: a condition in SQL, or the earliest share.  [default: 75%]",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, min_open=True),
    default=ACT,
    show_default=True,
    help="The drift index from which a column has shifted.",
)
@click.option("--fail-on-drift", is_flag=True, help="End with code 4 where something has shifted.")
@click.option(
    "--into",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The page to write.  [default: MODEL_report.html]",
)
@click.option("--overwrite", is_flag=True, help="Replace a file that is no report.")
@registry_option
@json_option
@explained
def report(
    reference: str,
    database: str,
    predictions: str | None,
    features: str | None,
    key: str | None,
    score: str | None,
    outcome: str | None,
    time: str | None,
    by: str | None,
    mart: str | None,
    baseline: str | None,
    threshold: float,
    fail_on_drift: bool,
    into: Path | None,
    overwrite: bool,
    registry: str | None,
    as_json: bool,
) -> None:
    r"""Write one HTML file on stored predictions: model, runs, outcomes, groups, drift.

    The page needs no network. What is not named is found in the database, and the page says what
    was. With --json the figures are printed, and a page is written only with --into.

    Needs the extra: pip install 'foresql[report]'. Exit code 4: --fail-on-drift, and a feature or
    the predictions have shifted.

    \b
    foresql report delay@champion --database flights.duckdb
    foresql report delay@champion --database flights.duckdb --by carrier,origin \
        --reference "flight_date < DATE '2013-10-01'" --into report.html
    foresql report delay@champion --database flights.duckdb --json --fail-on-drift
    """
    wishes = Wishes(
        predictions, features, _names(key), score, outcome, time, _names(by), mart, baseline
    )
    limits = Limits(min(WATCH, threshold), threshold)
    with progress_bar() as bar:
        task = bar.add_task("opening", total=None)
        found = make_report(
            reference,
            database,
            registry=registry,
            wishes=wishes,
            limits=limits,
            progress=lambda stage: bar.update(task, description=stage),
        )
        written = into
        if written is None and not as_json:
            written = Path(f"{found.card.name}_report.html")
        if written is not None:
            bar.update(task, description="drawing")
            write_page(render_page(found), written, overwrite=overwrite)
    if as_json:
        print_json(found.as_dict())
    else:
        _print_summary(found, written)
    if fail_on_drift and found.has_shifted:
        sys.exit(EXIT_DRIFT)


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name for each in (text or "").split(",") if (name := each.strip()))


def _print_summary(found: Report, written: Path | None) -> None:
    for finding in found.findings:
        say(f"{finding.level.name.lower():6}{finding.text}")
    say(f"The page is {written}.")
