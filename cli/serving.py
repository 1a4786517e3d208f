"""``foresql serve``."""

from __future__ import annotations

import logging
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ForesqlError
from ..registry import default_path
from .endpoint import endpoint_options
from .options import explained, json_option, print_json, registry_option, say
from .serve_processes import read_worker, run_processes, run_worker, tell_systemd, who_logs

if TYPE_CHECKING:
    from ..serving import App, Endpoints

_MEBIBYTE = 2**20


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen to.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8000,
    show_default=True,
    help="The port; 0 for any that is free.",
)
@click.option(
    "--grpc-port",
    type=click.IntRange(0, 65_535),
    help="Speak gRPC too, at this port; needs the extra foresql[grpc].",
)
@click.option(
    "--models", metavar="REFERENCES", help="What to serve, by commas; all that has an alias."
)
@click.option(
    "--keys",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A TOML file of API keys, tokens' issuers, certificates, and what each may do.",
)
@click.option(
    "--audit-log",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Note who asked for what, a line of JSON each.",
)
@click.option(
    "--traffic",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A TOML file of which share of the requests other versions answer, or shadow.",
)
@click.option(
    "--prediction-log",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep what models answer, row by row, in Parquet files in this folder; not endpoints.",
)
@click.option(
    "--prediction-log-features",
    metavar="none|all|NAMES",
    help="With --prediction-log: the features that are kept too, by commas.  [default: none]",
)
@click.option(
    "--prediction-log-seconds",
    type=click.FloatRange(1, 86_400),
    metavar="SECONDS",
    help="With --prediction-log: how long a file is written before it is closed.  [default: 300]",
)
@click.option(
    "--traces",
    is_flag=True,
    help="Send OpenTelemetry traces, as OTEL_EXPORTER_OTLP_… say; needs the extra foresql[otel].",
)
@click.option(
    "--tls",
    nargs=2,
    metavar="CERTIFICATE KEY",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Speak HTTPS, by these two files in PEM.",
)
@click.option(
    "--client-ca",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --tls: believe clients' certificates that this authority signed.",
)
@click.option(
    "--max-rows",
    type=click.IntRange(1),
    default=10_000,
    show_default=True,
    help="The most rows of a request.",
)
@click.option(
    "--max-body",
    type=click.IntRange(1, 1024),
    default=8,
    show_default=True,
    metavar="MIB",
    help="The most mebibytes of a request.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="How many processes answer; one for each core that may be used.",
)
@registry_option
@json_option
@explained
@endpoint_options
def serve(
    host: str,
    port: int,
    grpc_port: int | None,
    models: str | None,
    keys: Path | None,
    audit_log: Path | None,
    traffic: Path | None,
    prediction_log: Path | None,
    prediction_log_features: str | None,
    prediction_log_seconds: float | None,
    traces: bool,
    tls: tuple[Path, Path] | None,
    client_ca: Path | None,
    max_rows: int,
    max_body: int,
    endpoints: Endpoints | None,
    processes: int,
    registry: str | None,
    as_json: bool,
) -> None:
    r"""Answer predictions over HTTP, until it is interrupted.

    Needs the extra: pip install 'foresql[serving]'

    Moves of an alias are followed without a restart. Without --keys it answers this machine alone.

    \b
    foresql serve
    foresql serve --models delay,late@challenger --port 9000
    foresql serve --endpoints serving/ --online online/ --database flights.duckdb
    foresql serve --processes 4
    foresql serve --host 0.0.0.0 --keys keys.toml
    foresql serve --host 0.0.0.0 --keys keys.toml --tls server.pem server.key --client-ca ca.pem
    """
    if grpc_port is not None and find_spec("grpc") is None:
        message = "grpc is not installed: pip install 'foresql[grpc]'"
        raise ForesqlError(message)
    try:
        from ..serving import Address, Limits, Settings, Tls
        from ..serving.settings import log_settings
    except ImportError as error:
        message = f"{error.name} is not installed: pip install 'foresql[serving]'"
        raise ForesqlError(message) from error

    if client_ca is not None and (tls is None or keys is None):
        message = "--client-ca goes with --tls, and with --keys, which says what clients may do."
        raise ForesqlError(message)
    files = None if tls is None else Tls(*tls, client_ca)
    address = Address(host, port, grpc_port, files)
    _log_to_stderr()
    worker = read_worker()
    if processes > 1 and worker is None:
        run_processes(processes, address, partial(_announce, as_json=as_json))
        return
    settings = Settings(
        Path(registry) if registry else default_path(),
        tuple(name for name in (models or "").split(",") if name),
        keys,
        audit_log,
        limits=Limits(rows=max_rows, body_bytes=max_body * _MEBIBYTE),
        endpoints=endpoints,
        traffic=traffic,
        prediction_log=log_settings(
            prediction_log, prediction_log_features, prediction_log_seconds
        ),
        traces=traces,
    )
    if worker is None:
        from ..serving import serve as run

        run(settings, address, lambda *served: _announce(_described(*served), as_json=as_json))
    else:
        run_worker(worker, settings, address, _described)


def _log_to_stderr() -> None:
    """Write what happens to the models and keys, with the time and, of several, the process."""
    log = logging.getLogger("foresql.serving")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)s {who_logs()}%(message)s"))
    log.handlers = [handler]


def _described(app: App, url: str, grpc: str | None) -> dict[str, Any]:
    """Say what is served where, and to whom."""
    service = app.service
    served = {
        str(reference): place.served.version
        for reference, place in service.shelf.places.items()
        if place.served
    }
    if service.endpoints is not None:
        served |= {each.name: each.version for each in service.endpoints.served}
    return {
        "url": url,
        "grpc": grpc,
        "models": served,
        "keys": service.keys is not None,
        "problems": service.problems,
    }


def _announce(described: dict[str, Any], *, as_json: bool) -> None:
    """Print what is served."""
    problems = described.pop("problems")
    url, grpc = described["url"], described["grpc"]
    if as_json:
        print_json(described, on_one_line=True)
    else:
        names = ", ".join(f"{name} (version {n})" for name, n in described["models"].items())
        say(f"Serving {names or 'no model yet'} at {url}" + (f", gRPC at {grpc}" if grpc else ""))
        if not described["keys"]:
            say("Without keys: this machine alone is answered. Others need --keys FILE.")
    tell_systemd()
    for problem in problems:
        click.echo(f"Warning: {problem}.", err=True)
