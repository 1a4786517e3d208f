"""A schema to try things in: made for a run, and dropped after it, whatever happens.

It has one name for each user, so the next run finds what a killed one left. A schema of that name
that foresql did not make is left alone.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....errors import AccountError, ForesqlError
from ....udfs.snowflake.artifact import PACKAGES, RUNTIME
from ....udfs.snowflake.names import dollar_quoted, literal, quote
from ....udfs.snowflake.statements import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ..session import Session
    from ..settings import Settings

PREFIX = "FORESQL_DOCTOR_"
CLONE = "_CLONE"
COMMENT = "Made by foresql doctor, which drops it."
HANDLER = Path(__file__).with_name("probe_handler.py")


class Scratch:
    """A session, and a schema in which anything may be made."""

    def __init__(
        self,
        session: Session,
        settings: Settings,
        schema: str,
        *,
        database: str | None = None,
        connect: Callable[[], Session] | None = None,
    ) -> None:
        """Name the schema; ``connect`` opens one more session in the same account."""
        self.session = session
        self.settings = settings
        self.database = database or settings.database
        self.schema = schema
        self.connect = connect
        self.repository: str | None = REPOSITORY
        self.packages: tuple[str, ...] = PACKAGES
        self._functions: dict[str, str] = {}

    def place(self, name: str, suffix: str = "") -> str:
        """Qualify a name of the schema, or of its clone."""
        return f"{quote(self.database)}.{quote(self.schema + suffix)}.{quote(name)}"

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement, and give its rows."""
        return self.session.run(sql)

    def value(self, sql: str) -> Any:
        """Give the one value of a query."""
        ((value,),) = self.run(sql)
        return value

    def records(self, sql: str) -> list[dict[str, Any]]:
        """Give rows by their columns' names, in lower case."""
        rows = self.run(sql)
        names = [name.lower().strip('"') for name in self.session.columns]
        return [dict(zip(names, row, strict=True)) for row in rows]

    def python(self, entry: str, arguments: str, returns: str, *, name: str | None = None) -> str:
        """Make a vectorised function of the probe handler, once, and give its qualified name."""
        name = name or entry.upper()
        key = f"{name}({arguments})"
        if key not in self._functions:
            place = self.place(name)
            body = HANDLER.read_text("utf-8")
            self.run(self.python_function(place, entry, arguments, returns, body))
            self._functions[key] = place
        return self._functions[key]

    def python_function(  # noqa: PLR0913 - the parts of one statement
        self,
        place: str,
        entry: str,
        arguments: str,
        returns: str,
        body: str | None,
        *,
        imports: str | None = None,
    ) -> str:
        """Write a vectorised function, as those of a model are written.

        ``body`` is its source; or ``imports`` is a file on a stage, with ``entry`` in a module.
        """
        lines = [
            f"CREATE OR REPLACE SECURE FUNCTION {place}({arguments})",
            f"RETURNS {returns}",
            "LANGUAGE PYTHON",
            "CALLED ON NULL INPUT",
            "IMMUTABLE",
            f"RUNTIME_VERSION = {literal(RUNTIME)}",
        ]
        if self.repository is not None:
            lines.append(f"ARTIFACT_REPOSITORY = {self.repository}")
        lines.append(f"PACKAGES = ({', '.join(map(literal, self.packages))})")
        if imports is not None:
            lines.append(f"IMPORTS = ({literal(imports)})")
        lines.append(f"HANDLER = {literal(entry)}")
        if body is not None:
            lines.append(f"AS {dollar_quoted(body)}")
        return "\n".join(lines)


def schema_of(user: str) -> str:
    """Name a user's schema. A hash, since a user's name may be an address."""
    return PREFIX + hashlib.sha256(user.encode()).hexdigest()[:8].upper()


def drop(session: Session, database: str, schema: str) -> list[str]:
    """Drop a user's schema and its clone, where foresql made them; give their names.

    Raises
    ------
    ForesqlError
        If a schema of that name is somebody else's.
    """
    there = _comments(session, database, schema)
    for name, comment in there.items():
        if comment != COMMENT:
            raise ForesqlError(
                f"The schema {database}.{name} is there, and its comment does not say that foresql "
                "made it. Rename or drop it, or name another database: --scratch-in."
            )
    for name in there:
        session.run(f"DROP SCHEMA IF EXISTS {quote(database)}.{quote(name)}")
    return sorted(there)


def _comments(session: Session, database: str, schema: str) -> dict[str, str]:
    # An underscore means any letter there, so names are compared again.
    pattern = literal(f"{schema}%")
    rows = session.run(f"SHOW SCHEMAS LIKE {pattern} IN DATABASE {quote(database)}")
    names = [name.lower().strip('"') for name in session.columns]
    found = [dict(zip(names, row, strict=True)) for row in rows]
    ours = (schema, schema + CLONE)
    return {row["name"]: row["comment"] or "" for row in found if row["name"] in ours}


def make(session: Session, database: str, schema: str) -> None:
    """Make the schema, and work in it."""
    place = f"{quote(database)}.{quote(schema)}"
    session.run(
        f"CREATE TRANSIENT SCHEMA {place} DATA_RETENTION_TIME_IN_DAYS = 0 "
        f"COMMENT = {literal(COMMENT)}"
    )
    session.run(f"USE SCHEMA {place}")


@contextmanager
def dropped_after(session: Session, database: str, schema: str) -> Generator[None]:
    """Drop the schema in the end, whatever ends it.

    Raises
    ------
    AccountError
        If it cannot be dropped.
    """
    try:
        yield
    finally:
        _roll_back(session)
        try:
            drop(session, database, schema)
        except AccountError as error:
            raise AccountError(
                f"the schema {database}.{schema} could not be dropped: {error.problem}",
                "run foresql doctor again, which drops it first, or DROP SCHEMA yourself",
                code=error.code,
            ) from error


def _roll_back(session: Session) -> None:
    """End a transaction that an interrupted check left, so that dropping commits nothing of it."""
    with suppress(AccountError):
        session.run("ROLLBACK")
