"""What an account's errors mean, and what to do about them. No secret passes through here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ...errors import AccountError

if TYPE_CHECKING:
    from collections.abc import Iterable

_UPLOAD_FAILED = 253003
_WAY_OUT = {
    603: "try again; if it stays, Snowflake's support needs the query id",
    604: "the statement was cancelled; run the command again",
    606: "name a warehouse: --warehouse NAME, SNOWFLAKE_WAREHOUSE, or 'warehouse' in "
    "connections.toml; the role needs USAGE on it",
    630: "the statement ran into STATEMENT_TIMEOUT_IN_SECONDS; raise it",
    1003: "the statement is not Snowflake's SQL; please report it with `foresql deploy --dry-run`",
    1044: "the function takes other types; `foresql status --on snowflake` compares it",
    2002: "the object exists and is not ours to replace; drop or rename it",
    2003: "check the name, and that the role may see it: `foresql setup snowflake` creates "
    "database, schemas and stage, and grants what each role needs",
    2043: "check the name, and that the role may see it: `foresql setup snowflake` creates roles "
    "and grants them",
    2140: "the function is not there; `foresql deploy` creates it",
    3001: "take a role that may do this (--role), or let an admin run `foresql setup snowflake`",
    90073: "the resource monitor's quota is used up; ask an admin",
    90105: "name a database: --database NAME",
    100038: "a check failed; the message says which",
    100357: "the Python function failed in Snowflake; `foresql doctor snowflake` tries it by parts",
    250001: "check the account's name and the network",
    250003: "check the account's name and the network",
    _UPLOAD_FAILED: "the upload failed; run the command again, it goes on where it stopped",
    390100: "check user and password",
    390101: "check user and password",
    390114: "the token has expired; sign in again",
    390144: "the key does not belong to the user: ALTER USER … SET RSA_PUBLIC_KEY",
    390186: "the role is not granted to this user; GRANT ROLE … TO USER …",
    390189: "the role does not exist or is not granted to this user",
    390201: "the database, schema or warehouse of the connection does not exist or is not granted",
    390318: "the OAuth token has expired; get a new one",
}
_CONNECTION = (250000, 259999)
_LOST = "the connection failed; run the command again: what is done is kept, and the rest follows"
_UNKNOWN = "look up Snowflake's code; `foresql deploy --dry-run` shows every statement"
_SECRET_IN_TEXT = re.compile(
    r"(?i)((?:password|passphrase|token|private[_ ]?key|secret|pwd)['\"]?\s*[=:]\s*)"
    r"('[^']*'|\"[^\"]*\"|\S+)"
)
# How a check of a plan ends: TO_NUMBER of its message.
_FAILED_CHECK = re.compile(r"Numeric value '(foresql: .*)' is not recognized", re.DOTALL)
_LONGEST = 2000


def account_error(
    error: BaseException, statement: str | None = None, *, secrets: Iterable[str] = ()
) -> AccountError:
    """Translate an exception of Snowflake's connector, or of Snowpark.

    Parameters
    ----------
    error
        The exception; its chain is not kept, because it may hold what must not be shown.
    statement
        What was run; the message shows its first line.
    secrets
        Texts that are replaced wherever they occur.
    """
    inner: Any = getattr(error, "conn_error", None) or error
    number = getattr(inner, "errno", None)
    number = number if isinstance(number, int) and number > 0 else None
    state = getattr(inner, "sqlstate", None)
    text = str(getattr(inner, "raw_msg", None) or getattr(inner, "msg", None) or inner)
    check = _FAILED_CHECK.search(text)
    text = check[1] if check else text
    code = None if number is None else f"{number:06d}" + (f" ({state})" if state else "")
    return AccountError(
        without_secrets(text.strip() or type(inner).__name__, secrets)[:_LONGEST],
        _way_out(number),
        statement=None if statement is None else without_secrets(first_line(statement), secrets),
        code=code,
        lost=number is not None
        and _CONNECTION[0] <= number <= _CONNECTION[1]
        and number != _UPLOAD_FAILED,
    )


def _way_out(number: int | None) -> str:
    if number in _WAY_OUT:
        return _WAY_OUT[number]
    is_connection = number is not None and _CONNECTION[0] <= number <= _CONNECTION[1]
    return _LOST if is_connection else _UNKNOWN


def first_line(statement: str) -> str:
    """Give the first line of a statement, shortened."""
    line = statement.strip().partition("\n")[0].strip()
    return line if len(line) <= 160 else f"{line[:157]}…"  # noqa: PLR2004 - a line of a screen


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Blank known secrets, and whatever stands behind a word that announces one."""
    for secret in sorted({each for each in secrets if each}, key=len, reverse=True):
        text = text.replace(secret, "…")
    return _SECRET_IN_TEXT.sub(r"\1…", text)
