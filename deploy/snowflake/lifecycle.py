"""A version's life in an account, as one command each: plans made for what the account has, run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...errors import DeploymentError, RegistryError
from ...scoring import open_model
from ...udfs.snowflake.artifact import build_artifact
from .deployment import DEFAULTS, plan_deploy
from .retirement import plan_rollback, plan_undeploy
from .state import read_state
from .status import alias_problems
from .transaction import run_plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ...registry import Reference
    from ...scoring.models import OpenModel
    from ..plan import Plan
    from .deployment import Options
    from .session import Session
    from .settings import Settings
    from .transaction import Answer, Progress


@dataclass(frozen=True, slots=True)
class Account:
    """Where commands go: settings, a way to a session, the registry, and who watches."""

    settings: Settings
    connect: Callable[[], Session]
    registry: str | Path | None = None
    progress: Progress | None = None

    def version(self, model: str, version: int) -> OpenModel:
        """Open a version that the account names.

        Raises
        ------
        DeploymentError
            If the registry does not have it.
        """
        try:
            return open_model(f"{model}:{version}", self.registry)
        except RegistryError as error:
            raise DeploymentError(
                f"The account has {model}:{version}, and this registry does not: {error}\n"
                "  What to do: name the registry that it was deployed from (--registry)."
            ) from error


@dataclass(frozen=True, slots=True)
class Done:
    """A plan that was carried out, and what its steps reported."""

    plan: Plan
    version: int
    alias: str | None
    answers: tuple[Answer, ...]


def deploy(
    account: Account, opened: OpenModel, *, alias: str | None, options: Options = DEFAULTS
) -> Done:
    """Bring a version into an account, prove it there, and switch an alias to it.

    Raises
    ------
    ForesqlError
        If it cannot be planned, the account refuses, or a step fails. What callers see is then as
        it was, unless the message says otherwise.
    """
    alias = alias.lower() if alias else None
    session = account.connect()
    try:
        state = read_state(session, account.settings, opened.name)
        record = state.current(opened.name, alias) if alias else None
        previous = account.version(opened.name, record.version) if record else None
        is_there = opened.version in state.versions(opened.name)
        brought = state.brought(opened.name, opened.version or 0)
        plan = plan_deploy(
            opened,
            account.settings,
            alias=alias,
            previous=previous,
            options=replace(options, is_there=is_there, brought=brought),
        )
        return _carry_out(account, session, plan, opened, alias)
    finally:
        session.close()


def roll_back(
    account: Account, model: str, alias: str, *, columns_may_change: bool = False
) -> Done:
    """Switch an alias back to the version that it was at before, in the account alone.

    Raises
    ------
    ForesqlError
        As :func:`deploy` does; and if there is no version to go back to.
    """
    alias = alias.lower()
    session = account.connect()
    try:
        state = read_state(session, account.settings, model)
        target = state.before(model, alias)
        record = state.current(model, alias)
        now = target if record is None else record.version
        to = account.version(model, target)
        plan = plan_rollback(
            account.version(model, now),
            account.settings,
            to=to,
            alias=alias,
            columns_may_change=columns_may_change,
        )
        return _carry_out(account, session, plan, to, alias)
    finally:
        session.close()


def undeploy(account: Account, reference: Reference) -> Done:
    """Drop a version's functions; for an alias, those of the alias and of the version it is at.

    Raises
    ------
    ForesqlError
        If it is not there, another alias is at the version, or the account refuses.
    """
    alias = reference.alias.lower() if reference.alias else None
    session = account.connect()
    try:
        state = read_state(session, account.settings, reference.name)
        version = reference.version
        if alias is not None:
            record = state.current(reference.name, alias)
            version = record.version if record else None
        if version is None:
            raise DeploymentError(
                f"{reference} is not deployed here, or names no version. Look: foresql status "
                f"--on snowflake {reference.name}"
            )
        opened = account.version(reference.name, version)
        made = build_artifact(opened.bundle, opened.name, version).stage_path
        files = {*state.paths(opened.name, version), made} & state.files
        plan = plan_undeploy(opened, account.settings, alias=alias, files=files)
        answers = run_plan(session, plan, progress=account.progress, reconnect=account.connect)
        return Done(plan, version, alias, tuple(answers))
    finally:
        session.close()


def _carry_out(
    account: Account, session: Session, plan: Plan, opened: OpenModel, alias: str | None
) -> Done:
    answers = run_plan(session, plan, progress=account.progress, reconnect=account.connect)
    if alias is not None:
        _verify(account, session, opened, alias)
    return Done(plan, opened.version or 0, alias, tuple(answers))


def _verify(account: Account, session: Session, opened: OpenModel, alias: str) -> None:
    """Look whether callers get the version: two commands at once overwrite each other's switch.

    Raises
    ------
    DeploymentError
        If they do not.
    """
    state = read_state(session, account.settings, opened.name)
    record = state.current(opened.name, alias)
    if record is None or record.version != opened.version:
        found = "nothing" if record is None else f"version {record.version}"
        by = "" if record is None else f", by {record.deployed_by}"
        problems = [f"The history says that the alias is at {found}{by}."]
    else:
        problems = [each.message for each in alias_problems(state, record)]
    if problems:
        raise DeploymentError(
            f"{opened.name}@{alias} was switched to version {opened.version}, and someone else "
            f"switched it at the same time. {' '.join(problems)}\n"
            f"  What to do: agree on a version, and deploy it again; see foresql status "
            f"--on snowflake {opened.name}"
        )
