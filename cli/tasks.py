"""``foresql task``: predictions that are kept up to date, in a DuckDB file or in Snowflake."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..streams import (
    Run,
    create_task,
    drop_task,
    list_tasks,
    resume_task,
    run_task,
    show_task,
    suspend_task,
    task_history,
    watch,
)
from ..streams.running import FAILED
from ..streams.task import FAILURES, STARTED
from ..streams.watching import INTERVAL
from .database import database_option, opened, print_rows, wait_option
from .options import (
    EXIT_FAILED,
    SCREEN,
    explained,
    json_option,
    print_json,
    registry_option,
    say,
    unwrapped,
)
from .snowflake_tasks import read_text, task_in_snowflake
from .task_scripts import compile_task
from .terminating import EXIT_TERMINATED, stopping

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb


class _Group(click.Group):
    """A group whose first word may be left out: what is no command is Snowflake's query."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Name the command where the line does not."""
        named = bool(args) and args[0] in {*self.commands, *ctx.help_option_names}
        if not named and any(each.startswith("--to") or each.endswith(".sql") for each in args):
            args = [str(task_in_snowflake.name), *args]
        return super().parse_args(ctx, args)


@click.group("task", cls=_Group)
@unwrapped
def task() -> None:
    r"""Keep the predictions of a scoring query up to date, in a DuckDB file or in Snowflake.

    A task in DuckDB scores what a table stream gives (foresql stream), each change exactly once.
    All commands but drop take --json.

    \b
    foresql task create scoring --stream flight_changes --query scoring.sql --into predictions \
      --database warehouse.duckdb
    foresql task run scoring --database warehouse.duckdb
    foresql task resume scoring --database warehouse.duckdb
    foresql task run --watch --database warehouse.duckdb
    # In a Snowflake account:
    foresql task scoring.sql --to snowflake --into PREDICTIONS --key flight_id --dry-run
    """


@task.command("create")
@click.argument("name")
@click.option("--stream", required=True, metavar="NAME", help="The stream that it consumes.")
@click.option(
    "--query",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A file with the scoring query: one SELECT over the stream's table, with its key.",
)
@click.option(
    "--into", required=True, metavar="TABLE", help="The table of predictions; it is made."
)
@click.option(
    "--suspend-task-after-num-failures",
    "failures",
    type=click.IntRange(min=0),
    default=FAILURES,
    show_default=True,
    help="After so many failures in a row it suspends itself; 0 for never.",
)
@database_option
@wait_option
@registry_option
@json_option
@explained
def create(
    name: str,
    stream: str,
    query: Path,
    into: str,
    failures: int,
    database: Path,
    wait: float,
    registry: str | None,
    as_json: bool,
) -> None:
    r"""Make a task that scores what a stream gives.

    It is suspended until foresql task resume; foresql task run runs it once all the same. The first
    run scores all rows, and so does a run by other versions than the one before.

    \b
    foresql task create scoring --stream flight_changes --query scoring.sql --into predictions \
      --database warehouse.duckdb
    """
    with opened(database, wait) as connection:
        made = create_task(
            connection,
            name,
            stream=stream,
            query=read_text(query),
            into=into,
            suspend_task_after_num_failures=failures,
            registry=registry,
        )
        described = show_task(connection, made.name)
    if as_json:
        print_json(described)
    else:
        say(
            f"Made the task {name}: {stream} into {into}. It is suspended; foresql task resume "
            f"{name} lets --watch run it."
        )


@task.command("run")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--watch", "watches", is_flag=True, help="Go on, and run whenever there are changes.")
@click.option(
    "--every",
    "interval",
    type=click.FloatRange(min=0.1),
    default=INTERVAL,
    show_default=True,
    metavar="SECONDS",
    help="With --watch: how often to look. The file is closed in between.",
)
@click.option("--full", is_flag=True, help="Score all rows, whatever changed.")
@database_option
@wait_option
@registry_option
@json_option
@explained
def run(
    names: tuple[str, ...],
    watches: bool,
    interval: float,
    full: bool,
    database: Path,
    wait: float,
    registry: str | None,
    as_json: bool,
) -> None:
    r"""Run tasks once, or again and again with --watch.

    Without names: all tasks that are started. A named one runs once even where it is suspended, but
    --watch runs no suspended task. With --json each run is a line.

    \b
    foresql task run scoring --database warehouse.duckdb
    foresql task run --watch --every 10 --database warehouse.duckdb
    """
    if watches:
        if full:
            message = "--full is for one run, and --watch for many."
            raise click.UsageError(message)
        stop = threading.Event()
        seen = watch(database, names, interval=interval, registry=registry, stop=stop, told=_tell)
        with stopping(stop):
            for each in seen:
                _print_run(each, as_json=as_json)
        sys.exit(EXIT_TERMINATED)
    with opened(database, wait) as connection:
        runs = [
            run_task(connection, name, registry=registry, full=full)
            for name in names or _started(connection)
        ]
    for each in runs:
        _print_run(each, as_json=as_json)
    if any(each.state == FAILED for each in runs):
        sys.exit(EXIT_FAILED)


def _started(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return [row["name"] for row in list_tasks(connection) if row["state"] == STARTED]


def _tell(message: str) -> None:
    SCREEN.print(message, markup=False, highlight=False, soft_wrap=True)


def _print_run(run_: Run, *, as_json: bool) -> None:
    if as_json:
        print_json(run_.as_dict(), on_one_line=True)
    elif run_.state == FAILED:
        _tell(f"{run_.name}: FAILED. {run_.error_message}")
    elif run_.scored is None:
        say(f"{run_.name}: SKIPPED, the stream has no data.")
    else:
        seconds = (run_.completed_time - run_.query_start_time).total_seconds()
        say(
            f"{run_.name}: SUCCEEDED, scored {run_.rows_scored} rows ({run_.scored}) with "
            f"{run_.model_name} {run_.model_version} in {seconds:.2f} s; changes: "
            f"{run_.rows_inserted} inserted, {run_.rows_updated} updated, "
            f"{run_.rows_deleted} deleted."
        )


@task.command("list")
@database_option
@wait_option
@json_option
@explained
def list_(database: Path, wait: float, as_json: bool) -> None:
    r"""List the tasks of a database.

    \b
    foresql task list --database warehouse.duckdb
    """
    with opened(database, wait) as connection:
        rows = list_tasks(connection)
    shown = ("name", "state", "stream", "into", "failures", "last_suspended_reason")
    print_rows(rows, shown, as_json=as_json)


@task.command("history")
@click.argument("name", required=False)
@click.option("--limit", default=20, show_default=True, help="How many runs, the newest first.")
@database_option
@wait_option
@json_option
@explained
def history(name: str | None, limit: int, database: Path, wait: float, as_json: bool) -> None:
    r"""Show the last runs; in SQL they are the table foresql.task_history.

    \b
    foresql task history scoring --database warehouse.duckdb
    """
    with opened(database, wait) as connection:
        rows = task_history(connection, name, limit=limit)
    shown = ("completed_time", "name", "state", "scored", "rows_scored", "model_version")
    print_rows(rows, (*shown, "error_message"), as_json=as_json)


def _state_command(name: str, change: Callable[..., Any], help_: str) -> Callable[..., None]:
    @task.command(name, help=help_)
    @click.argument("task_name", metavar="NAME")
    @database_option
    @wait_option
    @json_option
    @explained
    def command(task_name: str, database: Path, wait: float, as_json: bool) -> None:
        with opened(database, wait) as connection:
            changed = change(connection, task_name)
            described = show_task(connection, changed.name)
        if as_json:
            print_json(described)
        else:
            say(f"{described['name']} is {described['state']}.")

    return command


_state_command(
    "resume",
    resume_task,
    "Let --watch run a task, and count its failures anew.\n\n\b\n"
    "foresql task resume scoring --database warehouse.duckdb",
)
_state_command(
    "suspend",
    suspend_task,
    "Let --watch run a task no more; its stream keeps what changes.\n\n\b\n"
    "foresql task suspend scoring --database warehouse.duckdb",
)


@task.command("drop")
@click.argument("name")
@database_option
@wait_option
@explained
def drop(name: str, database: Path, wait: float) -> None:
    r"""Drop a task; its predictions, history and stream stay.

    \b
    foresql task drop scoring --database warehouse.duckdb
    """
    with opened(database, wait) as connection:
        drop_task(connection, name)
    say(f"Dropped the task {name}.")


task.add_command(compile_task)
task.add_command(task_in_snowflake)
