"""``foresql bench``: what this machine gives, measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from ..errors import ForesqlError
from ..registry import default_path
from .endpoint import endpoint_options
from .options import (
    EXIT_FAILED,
    OUTPUT,
    SCREEN,
    explained,
    json_option,
    print_json,
    progress_bar,
    registry_option,
    say,
    unwrapped,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from ..serving import Endpoints
    from ..serving.load import Clients, Plan, Stage, Target

KEY = "FORESQL_KEY"
_END_SECONDS = 40
_MOST_ROWS = 10_000
"""Of a request, as a server has it by default."""

_MOST_BODY = "1024"
"""Mebibytes. What is measured are the rows that were asked for, whatever they weigh."""

_COLUMNS = (
    "at once",
    "requests/s",
    "rows/s",
    "p50 ms",
    "p90",
    "p99",
    "p99.9",
    "max ms",
    "errors",
    "CPU µs",
)


@click.group("bench")
@unwrapped
def bench() -> None:
    r"""Measure what a model gives on this machine.

    \b
    foresql bench serve delay@champion
    foresql bench serve delay@champion --json
    """


@bench.command("serve")
@click.argument("model")
@click.option("--url", help="A server that runs; else one is started for the measurement.")
@click.option(
    "--rows",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="Rows to send: Parquet, CSV or JSON; made to the columns by default.",
)
@click.option(
    "--rows-each",
    type=click.IntRange(1, 100_000),
    default=1,
    show_default=True,
    help="How many rows a request has.",
)
@click.option(
    "--connections",
    default="1,4,16,64",
    show_default=True,
    metavar="NUMBERS",
    help="How many at a time, by commas: a measurement each.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 3600),
    default=3.0,
    show_default=True,
    help="How long each measurement takes.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0.1),
    metavar="REQUESTS",
    help="Send so many a second, whether or not answers come; as fast as they come by default.",
)
@click.option(
    "--clients",
    type=click.IntRange(1, 64),
    help="How many processes ask; what the server leaves of the cores by default.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="How many processes the server that is started has.",
)
@registry_option
@json_option
@explained
@endpoint_options
def bench_serve(
    model: str,
    url: str | None,
    rows: Path | None,
    rows_each: int,
    connections: str,
    seconds: float,
    rate: float | None,
    clients: int | None,
    processes: int,
    endpoints: Endpoints | None,
    registry: str | None,
    as_json: bool,
) -> None:
    r"""Ask a server over HTTP as fast as it answers: requests a second, percentiles of seconds.

    MODEL may be an endpoint: of the server at --url, or of --endpoints or --dbt-models. One that
    joins stored features needs --rows, whose keys are there.

    Exit code 1 if an answer is an error. A key for --url is read from the variable FORESQL_KEY.

    \b
    foresql bench serve delay@champion
    foresql bench serve delay@champion --connections 16 --rate 500
    foresql bench serve late_flight --endpoints serving/ --online online/ --rows flights.parquet
    FORESQL_KEY=… foresql bench serve delay --url https://models.example.org
    """
    if url is not None and endpoints is not None:
        message = "--endpoints and --dbt are of a server that is started, so not of --url."
        raise click.UsageError(message)
    if find_spec("uvicorn") is None or find_spec("msgspec") is None:
        message = "uvicorn is not installed: pip install 'foresql[serving]'"
        raise ForesqlError(message)
    from ..serving.load import Clients, Plan, Target, bodies_of, describe_rows

    plans = [Plan(number, seconds, rate) for number in _numbers(connections)]
    count = clients or max(1, (os.cpu_count() or 1) - processes)
    words = _what_is_served(model, endpoints, registry)
    words += ["--processes", str(processes), "--max-rows", str(max(rows_each, _MOST_ROWS))]
    with _server(words) if url is None else _running(url) as address:
        target = Target(address, model, os.environ.get(KEY) if url else None)
        card = target.card()
        bodies, different = bodies_of(card["columns"], rows, rows_each)
        target.ask(f"/predict/{target.reference}", bodies[0])
        about = {
            "model": card["name"],
            "version": card["version"],
            "url": address,
            "started": url is None,
            "processes": processes if url is None else None,
            "clients": count,
            "cores": os.cpu_count(),
            "rows": describe_rows(rows, different),
            "rows_each": rows_each,
            "seconds": seconds,
            "rate": rate,
        }
        with Clients(count, target, bodies) as asking:
            stages = _measured(asking, target, plans, rows_each)
    if as_json:
        print_json(about | {"stages": [stage.as_dict() for stage in stages]})
    else:
        _print(about, stages)
    if any(stage.errors or not stage.answered for stage in stages):
        sys.exit(EXIT_FAILED)


def _numbers(text: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1 or max(numbers) > 4_096:  # noqa: PLR2004 - a server's most
        message = f"--connections {text!r}: name numbers from 1 to 4096, such as 1,16."
        raise click.UsageError(message)
    return numbers


def _what_is_served(model: str, endpoints: Endpoints | None, registry: str | None) -> list[str]:
    """Give the options of a server of the model alone, or of endpoints and their models."""
    words = ["--registry", str(registry or default_path())]
    if endpoints is None:
        return [*words, "--models", model]
    given = {
        "--endpoints": endpoints.folder,
        "--dbt": endpoints.dbt,
        "--dbt-models": ",".join(endpoints.dbt_models),
        "--online": endpoints.online,
        "--database": endpoints.database,
    }
    return words + [word for name, value in given.items() if value for word in (name, str(value))]


@contextmanager
def _running(url: str) -> Generator[str]:
    yield url


@contextmanager
def _server(words: Sequence[str]) -> Generator[str]:
    """Start a server, and end it with the block."""
    command = [sys.executable, "-P", "-m", "foresql.cli", "serve", "--json", "--port", "0"]
    command += ["--max-body", _MOST_BODY, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        try:
            yield _announced(process)
        finally:
            process.terminate()
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _announced(process: subprocess.Popen[str]) -> str:
    """Read the address that a server announces: one line, or an error of several."""
    lines = process.stdout
    said = "" if lines is None else lines.readline()
    if lines is not None and '"url"' not in said:
        said += lines.read()
    found = json.loads(said or "{}")
    if "url" not in found:
        reason = found.get("error", {}).get("message", "see above")
        message = f"The server did not start: {reason}"
        raise ForesqlError(message)
    return found["url"]


def _measured(
    clients: Clients, target: Target, plans: Sequence[Plan], rows_each: int
) -> list[Stage]:
    from ..serving.load import measure

    with progress_bar() as progress:
        task = progress.add_task("Asking", total=len(plans))
        stages: list[Stage] = []
        for stage in measure(clients, plans, rows_each, target.cpu_seconds):
            stages.append(stage)
            progress.advance(task)
            now = f"{stage.requests_per_second:,.0f} requests/s"
            progress.update(task, description=f"{stage.connections} connections: {now}")
    return stages


def _print(about: dict[str, Any], stages: Sequence[Stage]) -> None:
    say(
        f"{about['model']} version {about['version']} at {about['url']}: {about['rows']}, "
        f"{about['rows_each']} a request, {about['seconds']:g} s each, {about['clients']} "
        f"asking process{'es' * (about['clients'] > 1)}, {about['cores']} cores."
    )
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in _COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for stage in stages:
        times = [f"{each * 1e3:,.3f}" for each in stage.seconds.values()] or ["-"] * 5
        cpu = "-" if stage.cpu_seconds is None else f"{stage.cpu_seconds * 1e6:,.0f}"
        errors = str(sum(stage.errors.values()))
        speed = (f"{stage.requests_per_second:,.0f}", f"{stage.rows_per_second:,.0f}")
        table.add_row(str(stage.connections), *speed, *times, errors, cpu)
    OUTPUT.print(table)
    for stage in stages:
        for what, count in stage.errors.items():
            SCREEN.print(f"{stage.connections} connections: {what}, {count:,} times.", style="red")
    say(f"At once: connections. CPU µs: the server's, for a request. {_how_to_read(about)}")


def _how_to_read(about: dict[str, Any]) -> str:
    """Say what the figures hold, and what not."""
    if about["rate"] is None:
        times = (
            "Each connection waits for its answer before it asks again, so when the server stalls, "
            "nobody comes and is kept waiting: percentiles under a steady stream of requests are "
            "worse. --rate measures those."
        )
    else:
        times = "Seconds count from when a request was due, also where it had to wait to be sent."
    shared = "this machine's cores" if about["started"] else "the network, and perhaps cores"
    return f"{times} Server and asking processes share {shared}."
