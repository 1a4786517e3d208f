"""Deployments as SQL alone, as one command each: planned for what the account has, and run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...udfs.snowflake.names import literal, quote
from .history import current, of_sql
from .lifecycle import Done
from .sql_only import plan_deploy_sql, plan_undeploy_sql
from .transaction import run_plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...scoring.models import OpenModel
    from .lifecycle import Account
    from .session import Session


def deploy_sql(
    account: Account,
    opened: OpenModel,
    *,
    alias: str,
    source: str | None = None,
    keep: Sequence[str] = (),
) -> Done:
    """Bring a version into an account as a view or a table function, and switch an alias to it.

    Raises
    ------
    ForesqlError
        If it cannot be planned, the account refuses, or a step fails.
    """
    alias = alias.lower()
    session = account.connect()
    try:
        at = _version_at(account, session, opened.name, alias)
        plan = plan_deploy_sql(
            opened,
            account.settings,
            alias=alias,
            previous=None if at is None else account.version(opened.name, at),
            source=source,
            keep=keep,
        )
        answers = run_plan(session, plan, progress=account.progress, reconnect=account.connect)
        return Done(plan, opened.version or 0, alias, tuple(answers))
    finally:
        session.close()


def undeploy_sql(
    account: Account, opened: OpenModel, *, alias: str, source: str | None = None
) -> Done:
    """Drop the view, or the table function, of a version and of the alias that is at it.

    Raises
    ------
    ForesqlError
        If another alias is at the version, the account refuses, or a step fails.
    """
    session = account.connect()
    try:
        plan = plan_undeploy_sql(opened, account.settings, alias=alias, source=source)
        answers = run_plan(session, plan, progress=account.progress, reconnect=account.connect)
        return Done(plan, opened.version or 0, alias.lower(), tuple(answers))
    finally:
        session.close()


def _version_at(account: Account, session: Session, model: str, alias: str) -> int | None:
    settings = account.settings
    session.run(f"USE ROLE {quote(settings.deployer)}")
    if settings.warehouse is not None:
        session.run(f"USE WAREHOUSE {quote(settings.warehouse)}")
    rows = session.run(
        f'SELECT "VERSION"\nFROM {current(of_sql(settings))}\n'
        f'WHERE "MODEL" = {literal(model)} AND "ALIAS" = {literal(alias)}'
    )
    return int(rows[0][0]) if rows else None
