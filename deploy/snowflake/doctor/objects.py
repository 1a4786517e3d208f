"""Checks of what deploying relies on: replaced functions, grants, clones, comments."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from ....errors import AccountError
from ....udfs.snowflake.names import dollar_quoted, literal, quote
from .check import Check, Impossible, Violation, expect, said
from .runtime import staged_function
from .scratch import CLONE, COMMENT

if TYPE_CHECKING:
    from ..session import Session
    from .scratch import Scratch

WAIT = 2
"""Seconds from the begin of a slow query to the switch under it."""
_ALIAS = "ALIAS"
_HASH = "sha256:0123456789abcdef"


def _point(scratch: Scratch, function: str, *, grants: bool = True) -> None:
    """Let the alias call a function."""
    scratch.run(
        f"CREATE OR REPLACE SECURE FUNCTION {scratch.place(_ALIAS)}(x FLOAT)"
        f"{' COPY GRANTS' if grants else ''} RETURNS FLOAT LANGUAGE SQL IMMUTABLE "
        f"COMMENT = {literal(_HASH)} AS {dollar_quoted(f'{function}(x)')}"
    )


def _versions(scratch: Scratch) -> tuple[str, str]:
    old = scratch.python("scaled", "x FLOAT", "FLOAT")
    return old, scratch.python("tripled", "x FLOAT", "FLOAT")


def _switch(scratch: Scratch) -> str:
    old, new = _versions(scratch)
    call = f"SELECT {scratch.place(_ALIAS)}(5)"
    found: list[float] = []
    for version in (old, new, old):
        _point(scratch, version)
        found.append(scratch.value(call))
    expect(found, [10.0, 15.0, 10.0], "answers after a switch, and after it is taken back")
    return "the next query has the new version, and after a rollback the old one"


def _copy_grants(scratch: Scratch) -> str:
    old, new = _versions(scratch)
    signature = f"{scratch.place(_ALIAS)}(FLOAT)"
    _point(scratch, old)
    scratch.run(f"GRANT USAGE ON FUNCTION {signature} TO ROLE PUBLIC")
    expect(_may_call(scratch, signature), True, "PUBLIC may call it after a grant")
    _point(scratch, new)
    expect(_may_call(scratch, signature), True, "PUBLIC may call it after COPY GRANTS")
    return "grants are kept when the alias is replaced"


def _may_call(scratch: Scratch, signature: str) -> bool:
    rows = scratch.records(f"SHOW GRANTS ON FUNCTION {signature}")
    return any(row["privilege"] == "USAGE" and row["grantee_name"] == "PUBLIC" for row in rows)


def _comment(scratch: Scratch) -> str:
    _point(scratch, _versions(scratch)[0])
    place = f"{quote(scratch.database)}.{quote(scratch.schema)}"
    rows = scratch.records(f"SHOW USER FUNCTIONS LIKE {literal(_ALIAS)} IN SCHEMA {place}")
    found = [(row["name"], row["description"]) for row in rows]
    expect(found, [(_ALIAS, _HASH)], "the comment of the alias")
    return "comments hold the hash"


def _running_query(scratch: Scratch) -> str:
    if scratch.connect is None:
        raise Impossible("a second connection to the account")
    slow = scratch.python("slow", "x FLOAT", "FLOAT")
    new = scratch.python("tripled", "x FLOAT", "FLOAT")
    _point(scratch, slow)
    found: list[object] = []
    other = scratch.connect()
    thread = threading.Thread(target=_ask, args=(other, scratch.place(_ALIAS), found))
    try:
        thread.start()
        time.sleep(WAIT)
        _point(scratch, new)
        thread.join(timeout=120)
    finally:
        other.close()
    expect(found, [10.0], "a query that ran while the alias was replaced")
    return "a running query ends with the version that it began with"


def _ask(session: Session, alias: str, found: list[object]) -> None:
    try:
        found.append(session.run(f"SELECT {alias}(5)")[0][0])
    except AccountError as error:
        found.append(said(error))


def _clone(scratch: Scratch) -> str:
    inline = scratch.python("scaled", "x FLOAT", "FLOAT")
    staged_function(scratch, "STAGED", "scaled", "x FLOAT", "FLOAT")
    source = f"{quote(scratch.database)}.{quote(scratch.schema)}"
    clone = f"{quote(scratch.database)}.{quote(scratch.schema + CLONE)}"
    expect(scratch.value(f"SELECT {inline}(5)"), 10.0, "the function itself")
    scratch.run(f"CREATE TRANSIENT SCHEMA {clone} CLONE {source} COMMENT = {literal(COMMENT)}")
    expect(scratch.value(f"SELECT {scratch.place('SCALED', CLONE)}(5)"), 10.0, "the clone")
    try:
        found = scratch.value(f"SELECT {scratch.place('STAGED', CLONE)}(5)")
    except AccountError:
        return "inline functions work in a clone; those of a stage in the cloned schema do not"
    expect(found, 10.0, "the clone of a function from a stage")
    return "functions work in a clone, inline and from the stage"


def _same_name(scratch: Scratch) -> str:
    """Two versions of one module name, whose bodies differ, in one statement."""
    old, new = _versions(scratch)
    found = scratch.run(f"SELECT {old}(5), {new}(5), {old}(NULL), {new}(NULL)")
    expect(found, [(10.0, 15.0, -1.0, -1.0)], "two versions in one query")
    return "each version answers for itself, also for NULL"


def _checks_stop(scratch: Scratch) -> str:
    message = "row 3 gives 0.5 instead of 0.25"
    try:
        scratch.run(f"SELECT CASE WHEN 1 > 0 THEN TO_NUMBER({literal(message)}) ELSE 0 END AS x")
    except AccountError as error:
        if message in error.problem:
            return "the statement fails, with the reason"
        raise Violation(f"the reason is not in the account's error: {said(error)}") from error
    raise Violation("the statement did not fail")


_PYTHON = ("python-function",)

OBJECTS = (
    Check(
        name="versions",
        claim="Two versions of a model answer in one query, and NULL reaches the function.",
        means="Versions cannot be compared in the account, so do not deploy. Send us the report.",
        attempt=_same_name,
        after=_PYTHON,
    ),
    Check(
        name="failing-check",
        claim="A golden row that is wrong ends the script at its statement, with the reason.",
        means="A deployment would go on after a wrong answer. Do not deploy. Send us the report.",
        attempt=_checks_stop,
    ),
    Check(
        name="alias-switch",
        claim="Replacing the alias function switches all later queries, there and back.",
        means="A deployment or rollback may not take effect. Call the versioned function.",
        attempt=_switch,
        after=_PYTHON,
    ),
    Check(
        name="copy-grants",
        claim="COPY GRANTS keeps who may call a function that is replaced.",
        means="Callers lose the alias at a switch. Grant USAGE again after each deployment: run "
        "the script's grants.",
        needs="the right to grant on its own functions (no managed access above them)",
        attempt=_copy_grants,
        after=("alias-switch",),
    ),
    Check(
        name="alias-under-query",
        claim="A query that runs while the alias is replaced ends with the version it began with.",
        means="Queries may fail, or mix versions, at the moment of a switch. Deploy when nobody "
        "queries, or let long queries call the versioned function.",
        attempt=_running_query,
        after=("alias-switch",),
    ),
    Check(
        name="comments",
        claim="SHOW USER FUNCTIONS gives the comment with the hash.",
        means="`foresql status` cannot tell what is deployed. It says so.",
        attempt=_comment,
        after=_PYTHON,
    ),
    Check(
        name="clone",
        claim="Inline functions work in a clone of their schema.",
        means="Deploy again into the clone.",
        needs="CREATE SCHEMA on the database",
        attempt=_clone,
        after=("stage-import",),
    ),
)
