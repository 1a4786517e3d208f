"""``foresql deploy``, ``undeploy``, ``status`` and ``setup``: models in an account."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from ..deploy.snowflake.deployment import Options, plan_deploy, plan_undeploy
from ..deploy.snowflake.lifecycle import deploy as deploy_there
from ..deploy.snowflake.lifecycle import undeploy as undeploy_there
from ..deploy.snowflake.setup import plan_setup
from ..deploy.snowflake.state import read_state
from ..deploy.snowflake.status import compare_with_registry
from ..deploy.snowflake.transaction import run_plan
from ..errors import ForesqlError
from ..registry import Registry, default_path, parse_reference
from ..scoring import open_model
from .accounts import (
    ENGINES,
    Location,
    Watched,
    account_options,
    check_output,
    dry_run_option,
    output_option,
    print_done,
    run_watched,
    write_script,
)
from .options import (
    EXIT_FAILED,
    OUTPUT,
    explained,
    json_option,
    print_json,
    registry_option,
    say,
)

if TYPE_CHECKING:
    from ..deploy.snowflake.status import Status


@click.command()
@click.argument("reference")
@click.option("--to", required=True, type=ENGINES, help="Where to.")
@click.option("--alias", help="The alias to switch; the reference's own by default.")
@dry_run_option
@output_option
@click.option(
    "--inline/--stage",
    "inline",
    default=False,
    help="The model in the functions' bodies, or in a file on the stage.",
    show_default="--stage",
)
@click.option("--sample-from", metavar="TABLE", help="Compare old and new version on its rows.")
@click.option(
    "--sample-rows",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="On how many of them.",
)
@click.option(
    "--max-change",
    type=click.FloatRange(min=0),
    help="The most that answers may differ there: a number, or a share of labels.",
)
@click.option(
    "--columns-may-change", is_flag=True, help="The new version takes other columns, or classes."
)
@click.option(
    "--previous",
    type=click.IntRange(min=1),
    metavar="N",
    help="With --dry-run: the version that the alias is at there.",
)
@account_options
@registry_option
@json_option
@explained
def deploy(
    reference: str,
    to: str,  # noqa: ARG001 - there is one engine
    alias: str | None,
    dry_run: bool,
    output: Path | None,
    previous: int | None,
    location: Location,
    registry: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    r"""Bring a version into a Snowflake account, prove it there, and switch an alias to it.

    Callers get the new version when it has answered its golden rows as certified. If a step fails,
    they keep the old one.

    \b
    # Read what it will do; no account is needed:
    foresql deploy delay@champion --to snowflake --dry-run -o deploy.sql
    # Do it:
    foresql deploy delay@champion --to snowflake --connection work
    # Refuse a version that moves any answer by more than 30, on a table's rows:
    foresql deploy delay@champion --to snowflake --sample-from ops.public.flights --max-change 30
    # Bring a version, and switch nothing:
    foresql deploy delay:7 --to snowflake
    """
    settings = location.settings
    opened = open_model(reference, registry)
    alias = alias or parse_reference(reference).alias
    chosen = Options(**options)
    if previous is not None and not dry_run:
        message = "--previous goes with --dry-run: otherwise the account is asked."
        raise ForesqlError(message)
    if previous is not None and not alias:
        message = f"--previous says where an alias is, and {reference} names none (--alias)."
        raise ForesqlError(message)
    if dry_run:
        old = None if previous is None else open_model(f"{opened.name}:{previous}", registry)
        plan = plan_deploy(opened, settings, alias=alias, previous=old, options=chosen)
        write_script(plan, output, as_json=as_json)
        return
    done = run_watched(
        Watched(location, settings, registry, f"Deploying {reference}"),
        lambda account: deploy_there(account, opened, alias=alias, options=chosen),
        output=output,
    )
    label = f"{opened.name}:{opened.version}"
    what = f"{opened.name}@{done.alias} is now version" if done.alias else f"{label} is there; no"
    said = f"{what} {opened.version} in Snowflake." if done.alias else f"{what} alias was switched."
    print_done(done, said, as_json=as_json)


@click.command()
@click.argument("reference")
@click.option("--from", "source", required=True, type=ENGINES, help="Where from.")
@dry_run_option
@output_option
@account_options
@registry_option
@json_option
@explained
def undeploy(
    reference: str,
    source: str,  # noqa: ARG001 - there is one engine
    dry_run: bool,
    output: Path | None,
    location: Location,
    registry: str | None,
    as_json: bool,
) -> None:
    r"""Drop a version's functions and files from an account.

    A version that an alias is at stays. Named by the alias, both are dropped.

    \b
    foresql undeploy delay:7 --from snowflake
    foresql undeploy delay@challenger --from snowflake    the alias, and the version it is at
    foresql undeploy delay:7 --from snowflake --dry-run
    """
    settings = location.settings
    named = parse_reference(reference)
    if dry_run:
        plan = plan_undeploy(open_model(reference, registry), settings, alias=named.alias)
        write_script(plan, output, as_json=as_json)
        return
    done = run_watched(
        Watched(location, settings, registry, f"Dropping {reference}"),
        lambda account: undeploy_there(account, named),
        output=output,
    )
    print_done(done, f"{named.name}:{done.version} is no longer in Snowflake.", as_json=as_json)


@click.command()
@click.argument("model", required=False)
@click.option("--on", "engine", required=True, type=ENGINES, help="Where.")
@account_options
@registry_option
@json_option
@explained
def status(
    model: str | None,
    engine: str,  # noqa: ARG001 - there is one engine
    location: Location,
    registry: str | None,
    as_json: bool,
) -> None:
    r"""Compare what an account has with the registry; the exit code is 1 where they differ.

    \b
    foresql status --on snowflake
    foresql status --on snowflake delay --json
    """
    settings = location.settings
    store = Registry.open(Path(registry) if registry else default_path())
    session = location.connect(settings)
    try:
        found = compare_with_registry(read_state(session, settings, model), store, model)
    finally:
        session.close()
    if as_json:
        print_json(
            {
                "aliases": [asdict(place) for place in found.places],
                "drift": [asdict(drift) for drift in found.drift],
            }
        )
    else:
        _print_status(found)
    if found.drift:
        sys.exit(EXIT_FAILED)


def _print_status(found: Status) -> None:
    table = Table("alias", "registry", "account", "deployed", "by")
    for place in found.places:
        cells = (place.registry, place.account, place.deployed_at, place.deployed_by)
        shown = ["-" if cell is None else str(cell)[:19] for cell in cells]
        table.add_row(Text(f"{place.model}@{place.alias}"), *map(Text, shown))
    if found.places:
        OUTPUT.print(table)
    for drift in found.drift:
        say(f"{drift.kind}: {drift.message}\n  What to do: {drift.way_out}")
    if not found.drift:
        say("The account is as the registry says.")


@click.command()
@click.argument("engine", type=ENGINES)
@dry_run_option
@output_option
@account_options
@json_option
@explained
def setup(
    engine: str,  # noqa: ARG001 - there is one engine
    dry_run: bool,
    output: Path | None,
    location: Location,
    as_json: bool,
) -> None:
    r"""Make what deploying needs: roles, schemas, a stage, the history. An admin runs it once.

    \b
    foresql setup snowflake --dry-run -o setup.sql
    foresql setup snowflake --connection admin --warehouse compute_wh
    """
    settings = location.settings
    plan = plan_setup(settings)
    if dry_run:
        write_script(plan, output, as_json=as_json)
        return
    check_output(output)
    with Watched(location, settings, None, plan.title) as account:
        session = account.connect()
        try:
            run_plan(session, plan, progress=account.progress, reconnect=account.connect)
        finally:
            session.close()
    if output is not None:
        write_script(plan, output, as_json=False)
    if as_json:
        print_json({"done": plan.title, "steps": len(plan.steps)})
    else:
        say(f"The account is set up: {settings.deployer}, {settings.caller}, {settings.operator}.")
