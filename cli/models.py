"""``foresql models``, ``show``, ``promote``, ``rollback``: what is in the registry."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from ..deploy.snowflake.lifecycle import roll_back
from ..deploy.snowflake.retirement import plan_rollback
from ..errors import ForesqlError, RegistryError
from ..registry import ANY, Registry, default_path, parse_reference
from ..registry.aliases import previous_version
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
from .options import OUTPUT, explained, json_option, print_json, registry_option, say
from .publishing import summary_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..registry import AliasMove
    from ..scoring.models import OpenModel


def _store(registry: str | None) -> Registry:
    return Registry.open(Path(registry) if registry else default_path())


@click.command()
@registry_option
@json_option
@explained
def models(registry: str | None, as_json: bool) -> None:
    r"""List the registry's models.

    \b
    foresql models
    foresql models --registry s/models --json
    """
    summaries = _store(registry).models()
    if as_json:
        print_json([asdict(summary) for summary in summaries])
        return
    table = Table("model", "versions", "aliases")
    for summary in summaries:
        aliases = ", ".join(f"{a} → {v}" for a, v in sorted(summary.aliases.items()))
        table.add_row(summary.name, str(len(summary.versions)), aliases or "-")
    OUTPUT.print(table if summaries else "No models yet. Publish one: foresql publish --help")


@click.command()
@click.argument("reference")
@registry_option
@json_option
@explained
def show(reference: str, registry: str | None, as_json: bool) -> None:
    r"""Show a version's model card: columns, metrics, lineage, certificate.

    \b
    foresql show delay@champion
    foresql show delay:3 --json
    foresql show delay.foresql          a bundle file, without any registry
    """
    opened = open_model(reference, registry)
    history = _history(opened, registry)
    if as_json:
        signature = [asdict_column(column) for column in opened.bundle.model.signature.columns]
        card = {k: v for k, v in opened.bundle.card.items() if k != "golden"}
        moves = [asdict(move) for move in history]
        print_json({**card, "version": opened.version, "columns": signature, "history": moves})
        return
    _print_card(opened, history)


def asdict_column(column: Any) -> dict[str, Any]:
    """Give a column as JSON values."""
    return {
        "name": column.name,
        "type": column.type.value,
        "nullable": column.nullable,
        "categories": list(column.categories) if column.categories is not None else None,
    }


def _history(opened: OpenModel, registry: str | None) -> list[AliasMove]:
    if opened.version is None:
        return []
    store = _store(registry)
    return [
        move for alias in store.aliases(opened.name) for move in store.history(opened.name, alias)
    ]


def _print_card(opened: OpenModel, history: list[AliasMove]) -> None:
    card = opened.bundle.card
    imported = card.get("imported") or {}
    facts = Table(show_header=False, box=None)
    version = "" if opened.version is None else f":{opened.version}"
    facts.add_row("model", Text(f"{opened.name}{version}", style="bold"))
    for name in ("description", "estimator", "created_at", "created_by", "git_commit"):
        facts.add_row(name.replace("_", " "), Text(str(card.get(name) or "-")))
    metrics = ", ".join(f"{k} {v:.4g}" for k, v in card.get("metrics", {}).items())
    facts.add_row("metrics", Text(metrics or "-"))
    if imported:
        sha256 = imported.get("sha256", "")
        facts.add_row("imported from", Text(f"{imported.get('from')}, {sha256[:12]}…"))
        facts.add_row("compared on", _rows_of(imported.get("rows")))
    else:
        facts.add_row("trained on", _rows_of(card.get("training") or {}))
    facts.add_row("certificate", Text(summary_of(card.get("certificate") or {})))
    libraries = ", ".join(f"{k} {v}" for k, v in card.get("versions", {}).items())
    facts.add_row("versions", libraries)
    kept = card.get("kept_whole")
    if kept:
        needs = ", ".join(f"{k} {v}" for k, v in kept.get("needs", {}).items())
        facts.add_row("kept whole", f"scoring needs {needs}")
    OUTPUT.print(facts)
    columns = Table("column", "type", "missing in training", "categories")
    for column in opened.bundle.model.signature.columns:
        levels = column.categories
        shown = "-" if levels is None else f"{len(levels)}: " + ", ".join(map(str, levels[:6]))
        missing = "unknown" if imported else "yes" if column.nullable else "no"
        columns.add_row(Text(column.name), column.type.value, missing, Text(shown))
    OUTPUT.print(columns)
    if history:
        moves = Table("alias", "version", "reason", "when", "by")
        for move in history:
            when = f"{move.moved_at:%Y-%m-%d %H:%M}"
            by = Text(move.moved_by)
            moves.add_row(move.alias, str(move.version), move.reason.value, when, by)
        OUTPUT.print(moves)


def _rows_of(rows: Mapping[str, Any] | None) -> str:
    if rows is None:
        return "rows made up from the model's splits"
    return f"{rows.get('rows', 0):,} rows, {rows.get('sha256', '')[:12]}…"


@click.command()
@click.argument("target")
@click.argument("version", type=int)
@click.option("--expected", type=int, help="Fail unless the alias is at this version now.")
@registry_option
@json_option
@explained
def promote(
    target: str,
    version: int,
    expected: int | None,
    registry: str | None,
    as_json: bool,
) -> None:
    r"""Point an alias at a version.

    \b
    foresql promote delay@champion 4
    foresql promote delay@champion 4 --expected 3     only if nobody moved it meanwhile
    """
    name, alias = _alias(target)
    move = _store(registry).move_alias(
        name, alias, version, expected=ANY if expected is None else expected, reason="promote"
    )
    _print_move(move, as_json=as_json)


@click.command()
@click.argument("target")
@click.option(
    "--to", "engine", type=ENGINES, help="Roll back there, and leave the registry's alias alone."
)
@click.option("--columns-may-change", is_flag=True, help="With --to: to other columns, or classes.")
@dry_run_option
@output_option
@account_options
@registry_option
@json_option
@explained
def rollback(
    target: str,
    engine: str | None,
    columns_may_change: bool,
    dry_run: bool,
    output: Path | None,
    location: Location,
    registry: str | None,
    as_json: bool,
) -> None:
    r"""Point an alias at the version that it pointed to before.

    In the registry, or with --to in an account alone, where callers get the old version at once.

    \b
    foresql rollback delay@champion
    foresql rollback delay@champion --to snowflake
    foresql rollback delay@champion --to snowflake --dry-run    from the registry's version back
    """
    name, alias = _alias(target)
    if engine is None:
        given = (columns_may_change, dry_run, output, location != Location())
        if any(given):
            message = "These options go with --to snowflake; the registry's alias needs none."
            raise ForesqlError(message)
        _print_move(_store(registry).rollback(name, alias), as_json=as_json)
        return
    settings = location.settings
    if dry_run:
        moves = _store(registry).history(name, alias)
        now, to = (
            open_model(f"{name}:{version}", registry)
            for version in (moves[-1].version, previous_version(moves))
        )
        plan = plan_rollback(
            now, settings, to=to, alias=alias, columns_may_change=columns_may_change
        )
        write_script(plan, output, as_json=as_json)
        return
    done = run_watched(
        Watched(location, settings, registry, f"Rolling {target} back"),
        lambda account: roll_back(account, name, alias, columns_may_change=columns_may_change),
        output=output,
    )
    said = f"{name}@{done.alias} is now version {done.version} in Snowflake; the registry's alias "
    print_done(done, said + "was left alone.", as_json=as_json)


def _alias(target: str) -> tuple[str, str]:
    reference = parse_reference(target)
    if reference.alias is None:
        message = f"{target!r} names no alias; write {reference.name}@champion."
        raise RegistryError(message)
    return reference.name, reference.alias


def _print_move(move: AliasMove, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(move))
    else:
        say(f"{move.name}@{move.alias} is now version {move.version}.")
