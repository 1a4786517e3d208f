"""``foresql task snowflake``: predictions that a Snowflake account keeps up to date."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..deploy.snowflake.asked import Asked
from ..deploy.snowflake.backfill import SLICE
from ..deploy.snowflake.incremental import (
    FORMS,
    plan_backfill,
    plan_incremental,
    plan_incremental_upgrade,
)
from ..deploy.snowflake.task_rights import plan_task_rights
from ..deploy.snowflake.transaction import run_plan
from ..errors import ForesqlError
from .accounts import (
    ENGINES,
    Location,
    account_options,
    dry_run_option,
    output_option,
    write_script,
)
from .options import explained, json_option, print_json, registry_option, say

if TYPE_CHECKING:
    from ..deploy.plan import Plan
    from ..deploy.snowflake.upkeep import Upkeep


@click.command("snowflake")
@click.argument("query", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--to", required=True, type=ENGINES, help="Where to.")
@click.option("--into", required=True, metavar="TABLE", help="The table of predictions.")
@click.option(
    "--key",
    multiple=True,
    required=True,
    metavar="COLUMN",
    help="A column of the query that tells rows apart; several make one key.",
)
@click.option(
    "--do",
    "action",
    type=click.Choice(["create", "upgrade", "backfill", "setup"]),
    default="create",
    show_default=True,
    help="Begin; go over to other versions; rescore what is stale; grant what roles need.",
)
@click.option(
    "--as", "form", type=click.Choice(FORMS), default=FORMS[0], show_default=True, help="How."
)
@click.option(
    "--source", metavar="TABLE", help="The rows in Snowflake; the query's own table by default."
)
@click.option("--view", is_flag=True, help="The rows are a view's.")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME:N",
    help="A version that goes before the registry's aliases.",
)
@click.option(
    "--previous",
    multiple=True,
    metavar="NAME:N",
    help="For an upgrade: the version that runs now, so that a failed one is taken back.",
)
@click.option(
    "--latest-by",
    metavar="COLUMN",
    help="Several rows may have one key: that with the greatest value counts.",
)
@click.option("--append-only", is_flag=True, help="Rows are only ever added.")
@click.option(
    "--lag",
    default="1 minute",
    show_default=True,
    help="How long predictions may be behind: of a serverless task, or a dynamic table.",
)
@click.option(
    "--compute", metavar="WAREHOUSE", help="Who computes; a task without it is serverless."
)
@click.option(
    "--slice",
    "rows",
    type=click.IntRange(min=1),
    default=SLICE,
    show_default=True,
    help="Of a backfill: rows in one transaction.",
)
@click.option("--reconcile", is_flag=True, help="Of a backfill: compare each row's columns too.")
@click.option("--keep-case", is_flag=True, help="Columns are stored as the query spells them.")
@dry_run_option
@output_option
@account_options
@registry_option
@json_option
@explained
def task_in_snowflake(
    query: Path,
    to: str,  # noqa: ARG001 - there is one engine
    action: str,
    form: str,
    compute: str | None,
    rows: int,
    reconcile: bool,
    keep_case: bool,
    dry_run: bool,
    output: Path | None,
    location: Location,
    registry: str | None,
    as_json: bool,
    models: tuple[str, ...],
    previous: tuple[str, ...],
    **asked: Any,
) -> None:
    r"""Keep the predictions of a scoring query up to date in a Snowflake account.

    QUERY is a file with the query that DuckDB runs. Its rows are scored when they change, by the
    versions that its functions mean now.

    The word snowflake may be left out.

    \b
    # Read what it will do; no account is needed:
    foresql task scoring.sql --to snowflake --into PREDICTIONS --key flight_id --dry-run
    # Go over to the champion of today, and rescore:
    foresql task scoring.sql --to snowflake --into PREDICTIONS --key flight_id --do upgrade
    # A dynamic table:
    foresql task scoring.sql --to snowflake --into PREDICTIONS --key flight_id \
      --as dynamic-table --compute WH --lag "5 minutes"
    """
    settings = location.settings
    asked |= {"query": read_text(query), "warehouse": compute, "fold_case": not keep_case}
    upkeep = Asked(**asked, models=models).upkeep(settings, registry)
    before = Asked(**asked, models=previous).upkeep(settings, registry) if previous else None
    plan = _plan(upkeep, action, form, before=before, rows=rows, reconcile=reconcile)
    if dry_run:
        write_script(plan, output, as_json=as_json)
        return
    if output is not None:
        write_script(plan, output, as_json=False)
    session = location.connect(settings)
    try:
        run_plan(session, plan)
    finally:
        session.close()
    if as_json:
        print_json({"done": plan.title, "steps": len(plan.steps)})
    else:
        say(f"{plan.title}: done, in {len(plan.steps)} steps.")


def _plan(
    upkeep: Upkeep,
    action: str,
    form: str,
    *,
    before: Upkeep | None,
    rows: int,
    reconcile: bool,
) -> Plan:
    match action:
        case "create":
            return plan_incremental(upkeep, form)
        case "upgrade":
            return plan_incremental_upgrade(upkeep, form, previous=before)
        case "setup":
            return plan_task_rights(upkeep)
        case _ if form == FORMS[0]:
            return plan_backfill(upkeep, rows=rows, reconcile=reconcile)
        case _:
            message = "A dynamic table needs no backfill: --do upgrade computes all rows."
            raise ForesqlError(message)


def read_text(path: Path) -> str:
    """Read a file with a query."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read: {error}."
        raise ForesqlError(message) from error
