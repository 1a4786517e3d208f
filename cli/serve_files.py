"""``foresql serve-files``: files for what runs a server elsewhere."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ForesqlError
from ..registry import default_path
from ..registry.marked import write_marked
from .options import explained, json_option, print_json, registry_option, say, unwrapped
from .serve_processes import words_of
from .serving import serve

if TYPE_CHECKING:
    from collections.abc import Collection

    from ..serving.files import Asked
    from .options import Command

_BY_FILE = ("host", "port", "registry", "keys", "as_json")
"""Options of the server that the file says itself, by where it runs."""

_UNMOUNTED = (
    "audit_log",
    "traffic",
    *("prediction_log", "prediction_log_features", "prediction_log_seconds"),
    *("tls", "client_ca"),
    *("endpoints", "dbt", "dbt_models", "online", "database"),
)
"""Options of the server that need files or folders which no file here mounts or lets be written."""


@click.group("serve-files")
@unwrapped
def serve_files() -> None:
    r"""Write what runs `foresql serve` elsewhere: an image, a unit, manifests.

    Options of the server follow behind --; what depends on the place, the file says itself.

    \b
    foresql serve-files docker --into Dockerfile
    foresql serve-files docker --json
    foresql serve-files systemd --keys /etc/foresql/keys.toml -- --models delay --processes 4
    foresql serve-files kubernetes --image registry.example.org/foresql:1 -- --processes 2
    """


def file_options(command: Command) -> Command:
    """Add the options of all files."""
    for option in (
        click.argument("options", nargs=-1, type=click.UNPROCESSED),
        explained,
        json_option,
        click.option(
            "--overwrite", is_flag=True, help="Replace a file that this command did not write."
        ),
        click.option(
            "--into",
            type=click.Path(dir_okay=False, path_type=Path),
            help="The file; the screen by default.",
        ),
        click.option(
            "--name", default="foresql", show_default=True, help="What the server is called."
        ),
    ):
        command = option(command)
    return command


image_option = click.option("--image", required=True, help="The image that docker build made.")
replicas_option = click.option(
    "--replicas",
    nargs=2,
    type=click.IntRange(1, 1000),
    default=(2, 10),
    show_default=True,
    metavar="LEAST MOST",
    help="How few and how many the autoscaler makes.",
)


@serve_files.command("docker")
@click.option("--python", default="3.13", show_default=True, help="Python's version in the image.")
@file_options
def docker(*, python: str, name: str, options: tuple[str, ...], **given: Any) -> None:
    r"""Write a Dockerfile.

    \b
    foresql serve-files docker --into Dockerfile -- --models delay --processes 2
    """
    from ..serving.files import write_docker

    if not all(part.isdigit() for part in python.split(".")):
        message = f"--python {python!r} is no version, such as 3.13"
        raise ForesqlError(message)
    asked = _asked(name, options)
    wanted = {"grpc": asked.grpc_port is not None, "otel": asked.traces}
    extras = [*(extra for extra, is_wanted in wanted.items() if is_wanted), "serving", "tokens"]
    _deliver(write_docker(asked, version("foresql"), python, ",".join(extras)), **given)


@serve_files.command("systemd")
@click.option(
    "--keys",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file of keys; without it the server listens to its own machine.",
)
@click.option(
    "--port", type=click.IntRange(1024, 65_535), default=8000, show_default=True, help="The port."
)
@registry_option
@file_options
def systemd(
    *,
    keys: Path | None,
    port: int,
    registry: str | None,
    name: str,
    options: tuple[str, ...],
    **given: Any,
) -> None:
    r"""Write a service for systemd that may do nothing but serve.

    \b
    foresql serve-files systemd --keys /etc/foresql/keys.toml --into foresql.service
    """
    from ..serving.files import write_systemd

    folder = (Path(registry) if registry else default_path()).resolve()
    program = [str(Path(sys.executable).with_name("foresql"))]
    keys = None if keys is None else keys.resolve()
    _deliver(write_systemd(_asked(name, options), program, folder, keys, port), **given)


@serve_files.command("kubernetes")
@image_option
@replicas_option
@file_options
def kubernetes(
    *, image: str, replicas: tuple[int, int], name: str, options: tuple[str, ...], **given: Any
) -> None:
    r"""Write a Deployment, Service, HorizontalPodAutoscaler and PodDisruptionBudget.

    \b
    foresql serve-files kubernetes --image registry.example.org/foresql:1 --into foresql.yaml
    """
    from ..serving.files import write_kubernetes

    _deliver(write_kubernetes(_asked(name, options), image, _checked(replicas)), **given)


@serve_files.command("kserve")
@image_option
@replicas_option
@file_options
def kserve(
    *, image: str, replicas: tuple[int, int], name: str, options: tuple[str, ...], **given: Any
) -> None:
    r"""Write an InferenceService of KServe.

    \b
    foresql serve-files kserve --image registry.example.org/foresql:1 --into foresql.yaml
    """
    from ..serving.files import write_kserve

    _deliver(write_kserve(_asked(name, options), image, _checked(replicas)), **given)


def _asked(name: str, options: tuple[str, ...]) -> Asked:
    """Read options of the server by the server's own command."""
    try:
        from ..serving.files import Asked
    except ImportError as error:
        message = f"{error.name} is not installed: pip install 'foresql[serving]'"
        raise ForesqlError(message) from error
    with serve.make_context("foresql serve", list(options)) as context:
        default = serve.make_context("foresql serve", []).params
        given = context.params
        changed = {n for n, value in given.items() if value != default[n]}
        _check_options(changed)
        words = tuple(words_of(context, changed))
        return Asked(name, words, given["processes"], given["grpc_port"], given["traces"])


def _check_options(changed: Collection[str]) -> None:
    """Refuse what the file says itself, and what would look for files that are not there."""
    for option in sorted(changed):
        written = f"--{option.replace('_', '-')}"
        if option in _BY_FILE:
            message = f"{written} is not for the server: the file says it."
            raise click.UsageError(message)
        if option in _UNMOUNTED:
            message = (
                f"{written} needs a file or folder that what is written here does not mount: "
                "leave it out, and add it and its mount to the file by hand (a unit with --keys "
                "has its --audit-log)."
            )
            raise click.UsageError(message)


def _checked(replicas: tuple[int, int]) -> tuple[int, int]:
    if replicas[0] > replicas[1]:
        message = f"--replicas {replicas[0]} {replicas[1]}: the fewest first."
        raise click.UsageError(message)
    return replicas


def _deliver(text: str, *, into: Path | None, overwrite: bool, as_json: bool) -> None:
    """Write the file, or print it."""
    if into is not None:
        write_marked(into, text, overwrite=overwrite)
    if as_json:
        print_json({"text": text, "into": into and str(into)})
    elif into is None:
        click.echo(text, nl=False)
    else:
        say(f"Wrote {into}.")
