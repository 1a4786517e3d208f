"""A connection to Postgres: without a password in sight, and one publisher at a time."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...errors import PublishingError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from types import ModuleType

    import psycopg

SCHEMES = ("postgresql://", "postgres://")
_LOCK = 0x666F726573716C  # "foresql", as a number
_SECRETS = {"password", "sslpassword", "oauth_client_secret"}
_PAUSE = 0.2
_LEAST_LOCK_TIMEOUT = 10.0


def quoted(identifier: str) -> str:
    """Quote an identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """Write a text as a literal, whatever the server's settings are."""
    doubled = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{doubled}'" if "\\" in text else f"'{doubled}'"


class Session:
    """Statements of one connection."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        """Take a connection that is open."""
        self.connection = connection

    def run(self, statement: str, parameters: Sequence[Any] | None = None) -> int:
        """Run a statement, and give the number of rows that it changed."""
        # The driver reads a percent sign in a statement as a parameter only where there are some.
        return self.connection.execute(statement.encode(), parameters).rowcount

    def rows(self, query: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Give the rows of a query."""
        return self.connection.execute(query.encode(), parameters).fetchall()


def check_address(address: str) -> str:
    """Refuse an address that holds a password: others see the arguments of a command.

    Returns
    -------
    str
        The address, to be shown to people: server and database.
    """
    psycopg = _psycopg()
    try:
        settings = psycopg.conninfo.conninfo_to_dict(address)
    except psycopg.Error:
        settings = None
    if settings is None:
        # The driver's message quotes the address, with what may be a password.
        message = "The address of the server is none: postgresql://user@host:5432/database."
        raise PublishingError(message)
    if _SECRETS & set(settings) or re.search(r"//[^/@?]*:[^/@?]*@", address):
        message = (
            "The address holds a password, which everybody sees who lists processes.\n"
            "  What to do: leave it out, and set PGPASSWORD, or keep it in ~/.pgpass or in a "
            "service file (PGSERVICE), which takes other secrets too."
        )
        raise PublishingError(message)
    host, database = settings.get("host"), settings.get("dbname")
    return f"postgresql://{host or ''}/{database or ''}"


@contextmanager
def open_session(address: str, wait: float) -> Generator[Session]:
    """Connect, and be the only one who publishes into this database.

    Raises
    ------
    PublishingError
        If the server cannot be reached, refuses a statement, or another process publishes.
    """
    check_address(address)
    psycopg = _psycopg()
    try:
        connection = psycopg.connect(
            address, autocommit=True, application_name="foresql publish-serving"
        )
    except psycopg.Error as error:
        message = (
            f"The server cannot be reached: {str(error).strip()}\n"
            "  What to do: check host, user and database. The password is read from PGPASSWORD, "
            "~/.pgpass or a service file."
        )
        raise PublishingError(message) from error
    try:
        with connection, _explained():
            session = Session(connection)
            _prepare(session, wait)
            yield session
    finally:
        connection.close()


def _prepare(session: Session, wait: float) -> None:
    timeout = int(1000 * max(wait, _LEAST_LOCK_TIMEOUT))
    for setting in (
        "search_path = pg_catalog",  # all names are qualified
        "TimeZone = 'UTC'",
        "DateStyle = 'ISO, YMD'",
        "IntervalStyle = 'postgres'",
        "client_encoding = 'UTF8'",
        f"lock_timeout = {timeout}",
        "client_min_messages = warning",
    ):
        session.run(f"SET {setting}")
    until = time.monotonic() + wait
    while not session.rows(f"SELECT pg_try_advisory_lock({_LOCK})")[0][0]:
        if time.monotonic() >= until:
            raise _busy(session)
        time.sleep(_PAUSE)


def _busy(session: Session) -> PublishingError:
    holders = session.rows(
        "SELECT a.pid, a.usename, a.backend_start FROM pg_locks AS l "
        "JOIN pg_stat_activity AS a USING (pid) WHERE l.locktype = 'advisory' AND l.granted "
        f"AND (l.classid::bigint << 32 | l.objid::bigint) = {_LOCK} "
        "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    who = ""
    if holders:
        process, user, since = holders[0]
        who = f" (the server's process {process}, user {user}, since {since:%H:%M:%S} UTC)"
    return PublishingError(
        f"Another publishing into this database is under way{who}.\n"
        "  What to do: run this again when it has ended, or let it wait: --wait 600."
    )


@contextmanager
def _explained() -> Generator[None]:
    psycopg = _psycopg()
    try:
        yield
    except psycopg.errors.DependentObjectsStillExist as error:
        message = (
            f"Something that others made stands in the way: {error.diag.message_primary}. "
            f"{error.diag.message_detail}\n"
            "  What to do: drop it, publish, and make it again; nothing was published."
        )
        raise PublishingError(message) from error
    except psycopg.errors.LockNotAvailable as error:
        message = (
            "A reader's transaction holds a table whose columns change, for longer than this waits."
            "\n  What to do: end it (pg_stat_activity lists it), or wait longer: --wait 600. "
            "Nothing was published."
        )
        raise PublishingError(message) from error
    except psycopg.errors.InsufficientPrivilege as error:
        message = (
            f"{_told(error)}\n"
            "  What to do: docs/publishing.md lists what the publishing role needs. Nothing was "
            "published."
        )
        raise PublishingError(message) from error
    except psycopg.Error as error:
        message = f"The server refused to publish: {_told(error)}\n  Nothing was published."
        raise PublishingError(message) from error


def _told(error: Any) -> str:
    """Give what the server says, without the statement."""
    told = error.diag
    parts = [told.message_primary, told.message_detail, told.context]
    return " ".join(part for part in parts if part) or str(error)


def _psycopg() -> ModuleType:
    try:
        import psycopg
    except ModuleNotFoundError as error:
        message = "Publishing to Postgres needs psycopg: pip install 'foresql[postgres]'"
        raise PublishingError(message) from error
    return psycopg
