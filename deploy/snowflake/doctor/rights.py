"""Checks of what each role may do, against what the setup grants."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from ....errors import AccountError
from ....udfs.snowflake.names import quote
from ..setup import rights
from .check import Check, Impossible, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..setup import Right
    from .scratch import Scratch

_FUTURE = re.compile(r"FUTURE ([A-Z ]+?)S IN SCHEMA (.+)")
_PART = re.compile(r'"((?:[^"]|"")*)"')
_UNKNOWN = ("002003", "002043", "003001")
"""Snowflake's codes of what is not there, or may not be seen."""
Grant = tuple[str, str, str]
"""A privilege, the kind of object, and its name with dots between its parts."""


def wanted(right: Right) -> Iterator[Grant]:
    """Give what a right is in the lists of Snowflake."""
    if not right.on:
        yield "USAGE", "DATABASE_ROLE", right.privileges.removeprefix("DATABASE ROLE ")
        return
    future = _FUTURE.fullmatch(right.on)
    if future is not None:
        kind = future[1].replace(" ", "_")
        name = f"{_plain(future[2])}.<{kind}>"
    else:
        kind, _, place = right.on.partition(" ")
        name = _plain(place)
    for privilege in right.privileges.split(", "):
        yield privilege, kind.replace(" ", "_"), name


def _plain(place: str) -> str:
    """Write a qualified name as lists do, without its quotes."""
    return ".".join(_PART.findall(place)).replace('"', "")


def _granted(scratch: Scratch, role: str) -> set[Grant]:
    now = scratch.records(f"SHOW GRANTS TO ROLE {quote(role)}")
    later = scratch.records(f"SHOW FUTURE GRANTS TO ROLE {quote(role)}")
    rows = [(row["privilege"], row["granted_on"], row["name"]) for row in now]
    rows += [(row["privilege"], row["grant_on"], row["name"]) for row in later]
    return {
        # The lists name the account; a grant on it does not.
        (right, kind.replace(" ", "_"), "" if kind == "ACCOUNT" else name.replace('"', ""))
        for right, kind, name in rows
    }


def _rights(scratch: Scratch, which: str) -> str:
    role = getattr(scratch.settings, which)
    expected = [right for right in rights(scratch.settings) if right.role == role]
    try:
        granted = _granted(scratch, role)
    except AccountError as error:
        if not (error.code or "").startswith(_UNKNOWN):
            raise
        raise Impossible(
            f"the role {role}, and that this role sees it: foresql setup snowflake"
        ) from error
    owned = {(kind, name) for privilege, kind, name in granted if privilege == "OWNERSHIP"}
    missing = [
        right.statement()
        for right in expected
        if any(each not in granted and each[1:] not in owned for each in wanted(right))
    ]
    if missing:
        raise Violation(f"{role} lacks: {'; '.join(missing)}")
    return f"{role} has the {len(expected)} rights of the setup"


def _check(which: str, claim: str) -> Check:
    return Check(
        name=f"{which}-rights",
        claim=claim,
        means="Let an administrator run `foresql setup snowflake`, or the grants that are listed.",
        attempt=partial(_rights, which=which),
    )


RIGHTS = (
    _check("deployer", "The deployer has the rights of the setup."),
    _check("caller", "The caller has the rights of the setup."),
    _check("operator", "The operator has the rights of the setup."),
)
