"""Try all checks in an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....errors import AccountError, ForesqlError
from .access import ACCESS
from .arguments import ARGUMENT_CHECKS
from .changes import CHANGES
from .check import Outcome, Result, attempt, said
from .compiled import COMPILED
from .deployed import DEPLOYED
from .numbers import NUMBERS
from .objects import OBJECTS
from .report import Report
from .rights import RIGHTS
from .runtime import RUNTIME_CHECKS
from .scratch import Scratch, drop, dropped_after, make, schema_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..session import Session
    from ..settings import Settings
    from .check import Check


BARE = (*ACCESS, *RIGHTS)
"""Checks that make nothing."""


def _in_order() -> Iterator[Check]:
    """Give all checks, each after those that it builds on."""
    first, *runtime = RUNTIME_CHECKS
    bits, *numbers = NUMBERS
    yield from (
        *BARE,
        first,
        bits,
        *runtime,
        *ARGUMENT_CHECKS,
        *numbers,
        *COMPILED,
        *DEPLOYED,
        *OBJECTS,
        *CHANGES,
    )


CHECKS = tuple(_in_order())
MINUTES = 5
"""About how long a run takes, where a warehouse of the smallest size does nothing else."""


def chosen(names: Sequence[str]) -> tuple[Check, ...]:
    """Give the checks of these names, with those that they build on; without names all of them.

    Raises
    ------
    ForesqlError
        If there is no check of a name.
    """
    if not names:
        return CHECKS
    known = {check.name: check for check in CHECKS}
    wanted: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in known:
            raise ForesqlError(f"There is no check {name!r}. There is: {', '.join(known)}.")
        if name not in wanted:
            wanted.add(name)
            waiting += known[name].after
    return tuple(check for check in CHECKS if check.name in wanted)


def examine(  # noqa: PLR0913 - keyword options of one call
    session: Session,
    settings: Settings,
    *,
    database: str | None = None,
    checks: Sequence[Check] = CHECKS,
    connect: Callable[[], Session] | None = None,
    watch: Callable[[Result], None] | None = None,
) -> Report:
    """Try checks in a schema of their own, which is dropped again.

    Parameters
    ----------
    session
        As whom; the role needs CREATE SCHEMA on the database.
    settings
        Whose rights are looked at.
    database
        Where the schema is made; the settings' own by default.
    checks
        What is tried.
    connect
        Opens one more session in the same account, for what needs two.
    watch
        Called with each result.

    Raises
    ------
    AccountError
        If the account cannot be asked who is connected, or the schema cannot be dropped.
    ForesqlError
        If a schema of that name is somebody else's.
    """
    ((user,),) = session.run("SELECT CURRENT_USER()")
    schema = schema_of(str(user))
    results: list[Result] = []

    def tell(result: Result) -> None:
        results.append(result)
        if watch is not None:
            watch(result)

    scratch = Scratch(session, settings, schema, database=database, connect=connect)
    database = scratch.database
    for check in checks:
        if check in BARE:
            tell(attempt(check, scratch, _passed(results)))
    others = [check for check in checks if check not in BARE]
    left: list[str] = []
    if others:
        with dropped_after(session, database, schema):
            left = drop(session, database, schema)
            problem = _make(session, database, schema)
            for check in others:
                tell(
                    attempt(check, scratch, _passed(results))
                    if problem is None
                    else Result(check, Outcome.NOT_TRIED, problem)
                )
    return Report(tuple(results), f"{database}.{schema}", tuple(left))


def _make(session: Session, database: str, schema: str) -> str | None:
    """Make the schema; gives what that needs, where the role may not."""
    try:
        make(session, database, schema)
    except AccountError as error:
        if error.lost:
            raise
        return f"needs CREATE SCHEMA on the database {database}; the account says: {said(error)}"
    return None


def _passed(results: Sequence[Result]) -> list[str]:
    return [each.check.name for each in results if each.outcome is Outcome.PASSED]
