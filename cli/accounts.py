"""Options of the commands that work in an account, and how their results are printed."""

from __future__ import annotations

import functools
import re
import secrets
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from ..deploy.snowflake.lifecycle import Account
from ..deploy.snowflake.session import connect
from ..deploy.snowflake.settings import Settings
from ..errors import ForesqlError
from .options import OUTPUT, SCREEN, Command, print_json, progress_bar, say

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from rich.progress import Progress

    from ..deploy.plan import Plan, Step
    from ..deploy.snowflake.lifecycle import Done
    from ..deploy.snowflake.transaction import Answer

_SCRIPT = re.compile(rb"(?:-- .*\n)+--\n(?:--.*\n)*\n-- ==== \w")
"""How a plan's script begins: its title, what it is about, and its first phase."""
ENGINES = click.Choice(["snowflake"])

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Write the script and run nothing; needs no account."
)
output_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the script to a file, and what it uploads beside it.",
)


@dataclass(frozen=True, slots=True)
class Location:
    """Which account a command works in, and where in it, as its options say."""

    connection: str | None = None
    database: str | None = None
    role: str | None = None
    warehouse: str | None = None
    names: tuple[str, ...] = ()

    @property
    def settings(self) -> Settings:
        """Gather where in the account.

        Raises
        ------
        ForesqlError
            If a setting is not written WHAT=NAME, or there is none of its name.
        """
        others: dict[str, str] = {}
        for name in self.names:
            what, equals, value = name.partition("=")
            if not equals or what in {"database", "deployer", "warehouse"}:
                raise ForesqlError(
                    f"--set {name} is not understood; write --set serving=ANALYTICS. Database, "
                    "role and warehouse have options of their own."
                )
            others[what] = value
        return Settings.named(
            database=self.database, deployer=self.role, warehouse=self.warehouse, **others
        )

    def connect(self, settings: Settings, role: str | None = None) -> Any:
        """Open a session."""
        return connect(self.connection, role=role, warehouse=settings.warehouse)


def account_options(command: Command) -> Command:
    """Add the options that say which account; the command takes them as one ``location``."""

    @functools.wraps(command)
    def run(**options: Any) -> Any:
        location = Location(**{field.name: options.pop(field.name) for field in fields(Location)})
        return command(location=location, **options)

    for option in (
        click.option(
            "--set",
            "names",
            multiple=True,
            metavar="WHAT=NAME",
            help="Another name for models, serving, stage, history, caller or operator.",
        ),
        click.option("--warehouse", help="Runs the checks; the connection's own by default."),
        click.option("--role", help="Owns the functions.  [default: FORESQL_DEPLOYER]"),
        click.option("--database", help="Holds the schemas.  [default: FORESQL]"),
        click.option(
            "--connection",
            metavar="NAME",
            help="Of connections.toml; else the environment's SNOWFLAKE_ACCOUNT and so on.",
        ),
    ):
        run = option(run)
    return run  # type: ignore[return-value]


class Watched:
    """A way to an account whose progress is shown."""

    def __init__(
        self, location: Location, settings: Settings, registry: str | None, title: str
    ) -> None:
        """Say where to, and what the bar is called."""
        self._location, self._settings, self._registry = location, settings, registry
        self._title = title
        self._bar: Progress = progress_bar()

    def __enter__(self) -> Account:
        """Begin to show progress."""
        self._bar.start()
        task = self._bar.add_task(self._title, total=None)

        def show(number: int, step: Step) -> None:
            self._bar.update(task, completed=number - 1, description=step.what)

        return Account(self._settings, self._open, self._registry, show)

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._bar.stop()

    def _open(self) -> Any:
        return self._location.connect(self._settings)


def write_script(plan: Plan, output: Path | None, *, as_json: bool) -> None:
    """Write a plan's script to a file, with what it uploads beside it, or to the screen.

    Raises
    ------
    ForesqlError
        If a file cannot be written, or is not ours.
    """
    uploads = [step.upload for step in plan.steps if step.upload is not None]
    if output is not None:
        check_output(output)
        files = {output: plan.script().encode()}
        for upload in uploads:
            path = output.parent / upload.stage_path.rpartition("/")[2]
            _check_free(path, is_ours=lambda found, own=upload.content: found == own)
            files[path] = upload.content
        _replace(files)
    if as_json:
        print_json({"title": plan.title, "script": plan.script()})
    elif output is None:
        click.echo(plan.script(), nl=False)
        for upload in uploads:
            name = upload.stage_path.rpartition("/")[2]
            SCREEN.print(
                f"The script uploads {name}; with -o FILE it is written beside the script.",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )


def check_output(output: Path | None) -> None:
    """Find out whether a script can be written, before anything is done in an account.

    Raises
    ------
    ForesqlError
        If it cannot, or the file is not ours.
    """
    if output is not None:
        _check_free(output, is_ours=lambda found: _SCRIPT.match(found) is not None)
        with _draft(output, b""):
            pass


def _check_free(path: Path, is_ours: Callable[[bytes], bool]) -> None:
    """Keep what others wrote."""
    with _explained(path):
        is_free = not path.exists() or (path.is_file() and is_ours(path.read_bytes()))
    if not is_free:
        message = f"{path} exists, and is not ours. Name another file with -o, or remove this one."
        raise ForesqlError(message)


def _replace(files: Mapping[Path, bytes]) -> None:
    """Write all files beside their places, then give each its name: whole ones, or none."""
    with ExitStack() as stack:
        drafts = {
            path: stack.enter_context(_draft(path, content)) for path, content in files.items()
        }
        for path, draft in drafts.items():
            with _explained(path):
                draft.replace(path.resolve())


@contextmanager
def _draft(path: Path, content: bytes) -> Generator[Path]:
    """Write a file beside another one; it is gone in the end, unless it was renamed."""
    place = path.resolve()
    draft = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    try:
        with _explained(path):
            draft.write_bytes(content)
        yield draft
    finally:
        with suppress(OSError):
            draft.unlink()


@contextmanager
def _explained(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}."
        raise ForesqlError(message) from error


def print_done(done: Done, sentence: str, *, as_json: bool) -> None:
    """Print what a plan did, and what its steps reported."""
    if as_json:
        print_json(
            {
                "done": done.plan.title,
                "version": done.version,
                "alias": done.alias,
                "steps": len(done.plan.steps),
                "reports": [
                    {
                        "what": each.what,
                        "columns": each.columns,
                        "rows": [[_number(cell) for cell in row] for row in each.rows],
                    }
                    for each in done.answers
                ],
            }
        )
        return
    for answer in done.answers:
        _print_answer(answer)
    say(sentence)


def _number(cell: Any) -> Any:
    """Give a number of Snowflake's, which the driver makes a Decimal, as JSON has it."""
    if not isinstance(cell, Decimal):
        return cell
    return int(cell) if cell == cell.to_integral_value() else float(cell)


def _print_answer(answer: Answer) -> None:
    table = Table(*answer.columns, title=Text(answer.what), title_justify="left")
    for row in answer.rows:
        table.add_row(*(Text("-" if cell is None else str(cell)) for cell in row))
    OUTPUT.print(table)


def run_watched(
    watched: Watched, action: Callable[[Account], Done], *, output: Path | None
) -> Done:
    """Do something in an account while its progress is shown.

    ``output`` is where the script is written then; if it cannot be, nothing is done.
    """
    check_output(output)
    with watched as account:
        done = action(account)
    if output is not None:
        write_script(done.plan, output, as_json=False)
    return done
