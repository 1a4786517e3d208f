"""Options and manners that all commands share."""

from __future__ import annotations

import functools
import json
import math
import sys
from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console

from ..errors import CertificationError, ForesqlError

if TYPE_CHECKING:
    from rich.progress import Progress

Command = TypeVar("Command", bound=Callable[..., Any])

EXIT_FAILED, EXIT_NOT_CERTIFIED = 1, 3
EXIT_CODES = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not certified, 143 terminated."

# Messages and progress go to stderr, so that stdout holds the result alone.
SCREEN = Console(stderr=True)
OUTPUT = Console()

registry_option = click.option(
    "--registry",
    type=click.Path(file_okay=False),
    envvar="FORESQL_REGISTRY",
    help="The registry's folder.  [env: FORESQL_REGISTRY; default: ./foresql_registry]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


def unwrapped(command: Command) -> Command:
    """Keep the lines of a paragraph that a docstring marks: click wants the character itself."""
    command.__doc__ = (command.__doc__ or "").replace(r"\b", "\b")
    return command


def explained(command: Command) -> Command:
    """Print foresql's own errors as messages, and end with an exit code that means something."""

    @functools.wraps(unwrapped(command))
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except ForesqlError as error:
            code = EXIT_NOT_CERTIFIED if isinstance(error, CertificationError) else EXIT_FAILED
            fail(str(error), kind=type(error).__name__, as_json=bool(options.get("as_json")))
            sys.exit(code)

    return run  # type: ignore[return-value]


def fail(message: str, *, kind: str, as_json: bool) -> None:
    """Print an error: text on stderr, or an object on stdout for machines."""
    if as_json:
        print_json({"error": {"kind": kind, "message": message}})
    else:
        SCREEN.print(f"[bold red]{kind}[/]: ", end="")
        SCREEN.print(message, markup=False, highlight=False, soft_wrap=True)


def say(sentence: str) -> None:
    """Print a sentence, unbroken: a terminal wraps it, and a pipe wants it whole."""
    OUTPUT.print(sentence, markup=False, highlight=False, soft_wrap=True)


def print_json(value: object, *, on_one_line: bool = False) -> None:
    """Print one JSON document."""
    indent = None if on_one_line else 2
    click.echo(json.dumps(_plain(value), indent=indent, ensure_ascii=False, allow_nan=False))


def _plain(value: Any) -> Any:
    """Give JSON values for what JSON has not, such as dates, and null for NaN and infinity."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case None | bool() | int() | float() | str():
            return value
        case dict():
            return {str(_plain(key)): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case date() | datetime():
            return value.isoformat()
        case _:
            return str(value)


def progress_bar() -> Progress:
    """Make a progress bar on stderr; it stays silent where nobody watches."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=SCREEN,
        disable=not SCREEN.is_terminal,
    )
