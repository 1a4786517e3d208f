"""Checks of the account itself: who is connected, with which warehouse.

They make nothing, so they run where the role may not make a schema either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....udfs.snowflake.names import literal
from .check import Check, Violation

if TYPE_CHECKING:
    from ..session import Session
    from .scratch import Scratch


def _connection(scratch: Scratch) -> str:
    ((version, role),) = scratch.run("SELECT CURRENT_VERSION(), CURRENT_ROLE()")
    if not version or not role:
        raise Violation(f"version {version!r}, role {role!r}")
    return f"Snowflake {version}, as {role}"


def warehouse_of(session: Session) -> str:
    """Say which warehouse a session uses, of which size; starts none.

    Raises
    ------
    Violation
        If it uses none, or one that the role does not see.
    """
    ((name,),) = session.run("SELECT CURRENT_WAREHOUSE()")
    if name is None:
        raise Violation("no warehouse is in use")
    rows = session.run(f"SHOW WAREHOUSES LIKE {literal(name)}")
    columns = [column.lower() for column in session.columns]
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    found = [row for row in found if row["name"] == name]
    if not found:
        raise Violation(f"{name} is in use, and the role does not see it")
    return f"{name} ({found[0]['size']}, suspended after {found[0]['auto_suspend']} s)"


def _warehouse(scratch: Scratch) -> str:
    return warehouse_of(scratch.session)


ACCESS = (
    Check(
        name="connection",
        claim="The connection answers, with a role.",
        means="Check user, key and role of the connection: docs/snowflake.md, Connect.",
        attempt=_connection,
    ),
    Check(
        name="warehouse",
        claim="A warehouse is in use, and the role sees it.",
        means="Name one by --warehouse or in the connection, and grant the role USAGE on it.",
        needs="USAGE on a warehouse",
        attempt=_warehouse,
    ),
)
