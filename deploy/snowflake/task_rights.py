"""What the roles may do beside deploying, where predictions are kept by tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...udfs.snowflake.names import quote
from ..plan import Phase, Plan, Step
from .setup import ADMIN, SECURITY, Right
from .upkeep import qualified

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .upkeep import Upkeep


def task_rights(upkeep: Upkeep) -> Iterator[Right]:
    """List what the deployer needs to own a task, and the operator to see its objects."""
    settings = upkeep.settings
    role, target = settings.deployer, qualified(upkeep.target[:2])
    yield Right(
        role,
        "USAGE, CREATE TABLE, CREATE VIEW, CREATE STREAM, CREATE TASK, CREATE DYNAMIC TABLE",
        f"SCHEMA {target}",
        "to keep predictions there",
    )
    yield Right(role, "USAGE", f"DATABASE {quote(upkeep.source[0])}", "to find the rows")
    yield Right(role, "USAGE", f"SCHEMA {qualified(upkeep.source[:2])}", "to find the rows")
    kind = "VIEW" if upkeep.view else "TABLE"
    yield Right(role, "SELECT", f"{kind} {upkeep.source_table}", "to read the rows")
    yield Right(role, "EXECUTE TASK", "ACCOUNT", "to own tasks that run", ADMIN)
    if upkeep.warehouse is None:
        yield Right(
            role, "EXECUTE MANAGED TASK", "ACCOUNT", "to own tasks without a warehouse", ADMIN
        )
    else:
        warehouse = f"WAREHOUSE {quote(upkeep.warehouse)}"
        yield Right(role, "USAGE", warehouse, "to compute the predictions")
    for reader in (settings.operator, settings.caller):
        yield Right(reader, "USAGE", f"DATABASE {quote(upkeep.target[0])}", "to find predictions")
        yield Right(reader, "USAGE", f"SCHEMA {target}", "to find predictions")


def plan_task_rights(upkeep: Upkeep) -> Plan:
    """Plan what an administrator grants once for a table of predictions."""
    granted = list(task_rights(upkeep))
    steps: list[Step] = []
    for by in (SECURITY, ADMIN):
        steps.append(Step(what=f"Act as {by}.", sql=f"USE ROLE {by}", phase=Phase.GRANT))
        steps += [
            Step(what=f"{right.role}: {right.why}.", sql=right.statement(), phase=Phase.GRANT)
            for right in granted
            if right.by == by
        ]
    kind = "VIEW" if upkeep.view else "TABLE"
    tracking = f"ALTER {kind} {upkeep.source_table} SET CHANGE_TRACKING = TRUE"
    header = (
        f"Run once by a user who has {SECURITY} and {ADMIN}. Run again, it changes nothing.",
        f"Then whoever owns the rows runs: {tracking}",
    )
    return Plan(
        title=f"Let tasks keep {'.'.join(upkeep.target)}", header=header, steps=tuple(steps)
    )
