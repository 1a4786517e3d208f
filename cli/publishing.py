"""``foresql publish`` and ``certify``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..certify import certify as run_gate
from ..certify import certify_again
from ..certify import publish as publish_model
from ..certify.publish import prepare
from ..errors import ForesqlError
from ..frontends import Training
from ..scoring import open_model
from .options import SCREEN, explained, json_option, print_json, registry_option, say
from .sources import load_calibration, load_estimator, load_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..certify import Published

opaque_option = click.option(
    "--opaque", is_flag=True, help="Keep a scikit-learn model whole where it has no translation."
)


@click.command()
@click.argument("name")
@click.argument("source")
@click.option("--data", required=True, help="The frame that was passed to fit.")
@click.option("--alias", help="Point this alias at the new version.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME=VALUE", help="For the card.")
@click.option("--description", default="", help="For the card.")
@click.option(
    "--calibration",
    metavar="DATA",
    help="Rows that training did not see: gives a regression its intervals.",
)
@click.option("--target", metavar="COLUMN", help="The column of --calibration with the truth.")
@opaque_option
@registry_option
@json_option
@explained
def publish(
    name: str,
    source: str,
    data: str,
    calibration: str | None,
    target: str | None,
    alias: str | None,
    metrics: tuple[str, ...],
    description: str,
    opaque: bool,
    registry: str | None,
    as_json: bool,
) -> None:
    r"""Certify a fitted model and put it into the registry.

    SOURCE is a Python object (train.py:model, package.module:model; a function is called), or a
    LightGBM text file. --data is a Parquet, CSV or Arrow file, or a Python object.

    \b
    foresql publish delay train.py:model --data train.parquet --alias champion
    foresql publish delay train.py:model --data train.py:frame --metric auc=0.71
    foresql publish rent train.py:model --data train.parquet --calibration new.parquet --target rent
    foresql publish delay model.txt --data train.parquet
    """
    estimator, frame = load_estimator(source), load_frame(data)
    held_out = load_calibration(calibration, target)
    with stages(as_json) as report:
        version = publish_model(
            name,
            estimator,
            like=frame,
            alias=alias,
            metrics=metrics_of(metrics),
            description=description,
            calibration=held_out,
            registry=registry,
            opaque=opaque,
            progress=report,
        )
    print_version(version, "Published", as_json=as_json)


def print_version(version: Published, done: str, *, as_json: bool) -> None:
    """Say which version there is now, and what is known of it."""
    certificate = version.certificate.to_json()
    if as_json:
        print_json(
            {
                "name": version.name,
                "version": version.version,
                "alias": version.alias,
                "digest": version.digest,
                "certificate": certificate,
            }
        )
        return
    at = f", {version.name}@{version.alias}" if version.alias else ""
    say(f"{done} {version.reference}{at}. {summary_of(certificate)}")
    if version.needs:
        needed = ", ".join(f"{library} {release}" for library, release in version.needs.items())
        say(f"It is kept whole: scoring needs {needed}, is slower, and is no plain SQL.")
    say(f"Try: foresql show {version.reference}")


@click.command()
@click.argument("source")
@click.option("--data", help="For a fitted model: the frame that was passed to fit.")
@opaque_option
@registry_option
@json_option
@explained
def certify(
    source: str, data: str | None, opaque: bool, registry: str | None, as_json: bool
) -> None:
    r"""Hold every route against the library, storing nothing.

    With --data, SOURCE is a fitted model as for publish, and the library is asked. Without,
    SOURCE is a published model or a bundle: its routes are held, on this machine, against the
    library's answers that the bundle keeps.

    \b
    foresql certify train.py:model --data train.parquet
    foresql certify delay@champion
    """
    result = (
        certify_again(open_model(source, registry).bundle)
        if data is None
        else _certify(source, data, as_json, opaque=opaque)
    )
    if as_json:
        print_json(result)
    else:
        say(summary_of(result))


def _certify(source: str, data: str, as_json: bool, *, opaque: bool) -> dict[str, Any]:
    estimator = load_estimator(source)
    training = Training.of(load_frame(data), estimator)
    model = prepare(estimator, training, opaque=opaque)
    with stages(as_json) as report:
        gate = run_gate(model, estimator, training.only(model.signature.names), progress=report)
    return gate.to_json()


def summary_of(certificate: Mapping[str, Any]) -> str:
    """Say in a sentence what a certificate knows; older ones are all of libraries."""
    if certificate.get("reference", "library") == "library":
        how = "agree with the library by {}"
    else:
        how = "are answered alike by {}, AND NO LIBRARY CONFIRMED THEM"
    routes = ", ".join(certificate.get("routes", []))
    ties = certificate.get("ties", 0)
    said = f"; {ties:,} labels lie on ties" if ties else ""
    for route, reason in certificate.get("without", {}).items():
        said += f"; not by {route}: {reason}"
    return (
        f"{certificate.get('rows', 0):,} probe rows {how.format(routes)}; largest difference "
        f"{certificate.get('largest_difference', 0):.3g}{said}."
    )


def metrics_of(pairs: tuple[str, ...]) -> dict[str, float]:
    """Read the options ``--metric NAME=VALUE``."""
    metrics: dict[str, float] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        try:
            metrics[name] = float(value)
        except ValueError:
            equals = ""
        if not equals or not name:
            message = f"--metric {pair!r} is not NAME=VALUE, such as auc=0.71."
            raise ForesqlError(message)
    return metrics


class stages:  # noqa: N801 - a context manager reads as a word
    """Show the current stage beside a spinner."""

    def __init__(self, silent: bool) -> None:
        self._status = None if silent else SCREEN.status("starting")

    def __enter__(self) -> Callable[[str], None]:
        if self._status is None:
            return lambda _: None
        self._status.start()
        return self._status.update

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()
