"""``foresql deploy-sql``: models as SQL alone in an account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..deploy.snowflake.sql_lifecycle import deploy_sql as deploy_there
from ..deploy.snowflake.sql_lifecycle import undeploy_sql as undeploy_there
from ..deploy.snowflake.sql_only import plan_deploy_sql, plan_undeploy_sql
from ..errors import ForesqlError
from ..registry import parse_reference
from ..scoring import open_model
from .accounts import (
    ENGINES,
    Location,
    Watched,
    account_options,
    dry_run_option,
    output_option,
    print_done,
    run_watched,
    write_script,
)
from .options import explained, json_option, registry_option

if TYPE_CHECKING:
    from pathlib import Path

    from ..deploy.plan import Plan
    from ..deploy.snowflake.settings import Settings


@click.command("deploy-sql")
@click.argument("reference")
@click.option("--to", required=True, type=ENGINES, help="Where to.")
@click.option("--alias", help="The alias to switch; the reference's own by default.")
@click.option(
    "--from", "source", metavar="TABLE", help="A view of its rows; else a function of a row."
)
@click.option("--keep", multiple=True, metavar="COLUMN", help="Stands beside the answers.")
@click.option("--drop", is_flag=True, help="Drop it, instead of deploying it.")
@click.option(
    "--previous",
    type=click.IntRange(min=1),
    metavar="N",
    help="With --dry-run: the version that the alias is at there.",
)
@dry_run_option
@output_option
@account_options
@registry_option
@json_option
@explained
def deploy_sql(
    reference: str,
    to: str,  # noqa: ARG001 - there is one engine
    alias: str | None,
    dry_run: bool,
    output: Path | None,
    location: Location,
    registry: str | None,
    as_json: bool,
    **asked: Any,
) -> None:
    r"""Bring a version into a Snowflake account as SQL alone: a view, or a table function.

    No Python runs there. What has no exact SQL is refused: deploy it by `foresql deploy`.

    \b
    foresql deploy-sql delay@champion --to snowflake --from ops.public.flights --keep flight_id
    foresql deploy-sql delay@champion --to snowflake --dry-run -o deploy.sql
    foresql deploy-sql delay@champion --to snowflake --from ops.public.flights --drop
    """
    settings = location.settings
    alias = alias or parse_reference(reference).alias
    if alias is None:
        message = f"{reference} names no alias; give one: {reference.partition(':')[0]}@champion."
        raise ForesqlError(message)
    if asked["keep"] and asked["source"] is None:
        message = "--keep names columns of a table: name the table (--from)."
        raise ForesqlError(message)
    asked |= {"alias": alias, "registry": registry}
    if dry_run:
        write_script(_plan(reference, settings, asked), output, as_json=as_json)
        return
    if asked["previous"] is not None:
        message = "--previous goes with --dry-run: otherwise the account is asked."
        raise ForesqlError(message)
    opened = open_model(reference, registry)
    given = {"alias": alias, "source": asked["source"]}
    done = run_watched(
        Watched(location, settings, registry, f"Deploying {reference}"),
        lambda account: (
            undeploy_there(account, opened, **given)
            if asked["drop"]
            else deploy_there(account, opened, **given, keep=asked["keep"])
        ),
        output=output,
    )
    is_now = "is no longer" if asked["drop"] else "is now"
    said = f"{opened.name}@{alias} {is_now} version {opened.version} as SQL in Snowflake."
    print_done(done, said, as_json=as_json)


def _plan(reference: str, settings: Settings, asked: dict[str, Any]) -> Plan:
    opened = open_model(reference, asked["registry"])
    given: dict[str, Any] = {"alias": asked["alias"], "source": asked["source"]}
    if asked["drop"]:
        return plan_undeploy_sql(opened, settings, **given)
    number = asked["previous"]
    old = None if number is None else open_model(f"{opened.name}:{number}", asked["registry"])
    return plan_deploy_sql(opened, settings, previous=old, keep=asked["keep"], **given)
