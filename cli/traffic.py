"""``foresql traffic``: versions beside each other."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from ..monitoring.traffic import EXAMPLES, compare_traffic
from .options import OUTPUT, explained, json_option, print_json, say, unwrapped

if TYPE_CHECKING:
    from ..monitoring.traffic import Comparison, Traffic


@click.group()
@unwrapped
def traffic() -> None:
    r"""Look at what versions answered beside each other: canary and shadow.

    \b
    foresql serve --traffic traffic.toml --prediction-log predictions
    foresql traffic compare predictions
    foresql traffic compare predictions --json
    """


@traffic.command("compare")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--model", metavar="NAME", help="This model alone.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Numbers that differ by no more agree.",
)
@click.option(
    "--examples",
    type=click.IntRange(0, 1_000),
    default=EXAMPLES,
    show_default=True,
    help="How many rows that differ are shown.",
)
@json_option
@explained
def compare(
    folder: Path, model: str | None, tolerance: float, examples: int, as_json: bool
) -> None:
    r"""Compare what a version answered with what another one did in its shadow.

    FOLDER is the one of foresql serve --prediction-log. Its closed files are read.

    \b
    foresql traffic compare predictions
    foresql traffic compare predictions --model delay --tolerance 1e-6 --json
    """
    found = compare_traffic(folder, model, tolerance=tolerance, examples=examples)
    if as_json:
        comparisons = [asdict(c) | {"agreement": c.agreement} for c in found.comparisons]
        print_json({"shares": [asdict(s) for s in found.shares], "comparisons": comparisons})
        return
    _print_shares(found)
    for comparison in found.comparisons:
        _print_comparison(comparison)
    if not found.comparisons:
        say("No row was answered by one version and by another one in its shadow.")


def _print_shares(found: Traffic) -> None:
    table = Table("model", "version", "role", "rows", "requests", "entities")
    for each in found.shares:
        counts = (f"{count:,}" for count in (each.rows, each.requests, each.entities))
        table.add_row(each.model, str(each.version), each.role, *counts)
    OUTPUT.print(table)


def _print_comparison(comparison: Comparison) -> None:
    c = comparison
    say(
        f"{c.model}: version {c.shadow} in the shadow of version {c.version} agrees in "
        f"{c.agreeing:,} of {c.rows:,} rows ({c.agreement:.2%})."
    )
    if c.mean_difference is not None:
        say(f"  mean difference {c.mean_difference:.6g}, largest {c.largest_difference:.6g}")
    if not c.examples:
        return
    table = Table("request", "row", "entity", "answered", "shadow", "difference")
    for each in c.examples:
        kind = "prediction" if each["probability"] is None else "probability"
        shown = (each["entity"], each[kind], each[f"shadow_{kind}"], each["difference"])
        table.add_row(Text(each["request_id"]), str(each["row"]), *map(_text, shown))
    OUTPUT.print(table)


def _text(value: object) -> Text:
    if value is None:
        return Text("-")
    return Text(f"{value:.10g}" if isinstance(value, float) else str(value))
