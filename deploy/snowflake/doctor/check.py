"""A check: one thing that is relied on, tried in an account, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ....errors import AccountError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .scratch import Scratch

_REFUSED, _NO_WAREHOUSE = "003001", "000606"
"""Snowflake's codes of what a role may not do, and of a session without a warehouse."""


class Violation(Exception):  # noqa: N818 - no error of the program: the account does another thing
    """The account answered, and not as is relied on."""


class Impossible(Exception):  # noqa: N818 - same: nothing is known of the account
    """The check cannot be tried here; the message says what it needs."""


class Outcome(StrEnum):
    """What became of a check. Only an answer that is as expected has passed."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that is relied on.

    Attributes
    ----------
    name
        What it is called, in reports and for ``--only``.
    claim
        What is relied on, in one sentence.
    means
        What it means for the user when it fails, and what to do.
    attempt
        Tries it: gives what was found in a few words; raises `Violation` or `Impossible`.
    after
        Checks without which this one says nothing.
    needs
        The privilege without which it cannot be tried.
    """

    name: str
    claim: str
    means: str
    attempt: Callable[[Scratch], str]
    after: tuple[str, ...] = ()
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a check, and what was found, or needed."""

    check: Check
    outcome: Outcome
    found: str


def attempt(check: Check, scratch: Scratch, passed: Sequence[str]) -> Result:
    """Try a check, where those before it have passed."""
    missing = [name for name in check.after if name not in passed]
    if missing:
        return Result(check, Outcome.NOT_TRIED, f"needs the check {', '.join(missing)} to pass")
    try:
        found, outcome = check.attempt(scratch), Outcome.PASSED
    except Impossible as reason:
        outcome, found = Outcome.NOT_TRIED, f"needs {reason}"
    except Violation as violation:
        outcome, found = Outcome.FAILED, str(violation)
    except AccountError as error:
        if error.lost:
            raise
        lacking = lacking_right(error, check)
        outcome = Outcome.NOT_TRIED if lacking else Outcome.FAILED
        found = f"needs {lacking}" if lacking else f"the account says: {said(error)}"
    except (LookupError, TypeError, ValueError) as error:
        outcome, found = Outcome.FAILED, f"an answer of another form: {error}"
    return Result(check, outcome, found)


def lacking_right(error: AccountError, check: Check) -> str | None:
    """Say which right the role lacks, where that is what the error is about."""
    code = (error.code or "").partition(" ")[0]
    if code == _NO_WAREHOUSE:
        return "a warehouse"
    return (check.needs or f"a right: {said(error)}") if code == _REFUSED else None


def said(error: AccountError) -> str:
    """Give an account's words in one line."""
    words = " ".join(error.problem.split())
    return words if error.code is None else f"{error.code}: {words}"


def expect(found: object, expected: object, what: str) -> None:
    """Hold an answer against what is relied on.

    Raises
    ------
    Violation
        If they differ.
    """
    if found == expected:
        return
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        pairs = zip(found, expected, strict=True)
        found, expected = next((one, other) for one, other in pairs if one != other)
    raise Violation(f"{what}: {shown(found)}, where {shown(expected)} is relied on")


def shown(value: object) -> str:
    """Write an answer, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"  # noqa: PLR2004 - about two lines
