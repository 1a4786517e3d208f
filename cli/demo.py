"""``foresql demo``."""

from __future__ import annotations

import click

from .options import OUTPUT, explained, json_option, print_json


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False),
    default="foresql_demo",
    show_default=True,
    help="Where the database, the registry and the dbt project go.",
)
@json_option
@explained
def demo(folder: str, as_json: bool) -> None:
    r"""Predict late flights: train, publish, dbt build, query. Real data, under five minutes.

    Needs the extra: pip install 'foresql[demo]'

    \b
    foresql demo
    foresql demo --folder /tmp/flights --json
    """
    from ..demo import run_demo

    figures = run_demo(folder, OUTPUT, json=as_json)
    if as_json:
        print_json(figures)
