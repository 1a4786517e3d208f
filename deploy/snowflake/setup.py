"""What an administrator sets up once: roles, schemas, stage and history, with the least rights.

Every grant is one line of :func:`rights`, which is both what the plan grants and what the
documentation lists. No role is granted to another of the three, and none owns what it only uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import ForesqlError
from ...udfs.snowflake.names import literal, quote
from ..plan import Phase, Plan, Step
from .history import (
    CATALOG,
    create_catalog,
    create_current,
    create_history,
    current,
    of_sql,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .settings import Settings

ADMIN, SECURITY, OBJECTS, USERS = "ACCOUNTADMIN", "SECURITYADMIN", "SYSADMIN", "USERADMIN"
_OWN_ROLES = (ADMIN, SECURITY, OBJECTS, USERS, "ORGADMIN", "GLOBALORGADMIN", "PUBLIC")
PACKAGES_ROLE = "SNOWFLAKE.PYPI_REPOSITORY_USER"


@dataclass(frozen=True, slots=True)
class Right:
    """One grant: what a role may do, on what, and why; ``by`` is the role that grants it."""

    role: str
    privileges: str
    on: str
    why: str
    by: str = SECURITY

    def statement(self) -> str:
        """Write the grant."""
        if not self.on:
            return f"GRANT {self.privileges} TO ROLE {quote(self.role)}"
        return f"GRANT {self.privileges} ON {self.on} TO ROLE {quote(self.role)}"


def rights(settings: Settings) -> tuple[Right, ...]:
    """List what each role may do, and why it must."""
    return (*_deployer(settings), *_caller(settings), *_operator(settings), *_warehouse(settings))


def rights_table(settings: Settings) -> str:
    """Write the rights as a table in Markdown."""
    lines = ["| role | may | on | because |", "|---|---|---|---|"]
    lines += [
        f"| `{right.role}` | {right.privileges} | {_shown(right.on)} | {right.why} |"
        for right in rights(settings)
    ]
    return "\n".join(lines) + "\n"


def plan_setup(settings: Settings) -> Plan:
    """Plan what is set up once; run again, it changes nothing."""
    places = settings.places
    for role in (settings.deployer, settings.caller, settings.operator):
        if role in _OWN_ROLES:
            raise ForesqlError(
                f"{role} is a role of Snowflake's own, which is not to have these rights. Name "
                "another (--role, --set caller=, --set operator=)."
            )
    roles = (
        f"Three roles: {settings.deployer} creates and switches functions, {settings.caller} "
        f"calls them, {settings.operator} watches and restarts what runs on a schedule."
    )
    schemas = f"Versions: {places.models_schema}. What callers see: {places.serving_schema}."
    how = (
        f"Run once by a user who has {ADMIN}, {SECURITY}, {OBJECTS} and {USERS}: "
        "snow sql --enable-templating NONE -f FILE. Run again, it changes nothing."
    )
    then = (
        "Then grant the roles to users, and to the deployer SELECT on the tables on which "
        "versions are to be compared."
    )
    header = (roles, schemas, how, then)
    steps = (*_roles(settings), *_objects(settings), *_grants(settings))
    return Plan(title="Set up an account for foresql", header=header, steps=steps)


def _deployer(settings: Settings) -> Iterator[Right]:
    role, places = settings.deployer, settings.places
    models, serving = f"SCHEMA {places.models_schema}", f"SCHEMA {places.serving_schema}"
    stage = f"STAGE {places.in_models(settings.stage)}"
    yield Right(role, "USAGE", f"DATABASE {quote(settings.database)}", "to find the schemas")
    yield Right(
        role,
        "USAGE, CREATE FUNCTION, CREATE TABLE, CREATE VIEW",
        models,
        "to create the functions, or the tables and views, of a version",
    )
    yield Right(
        role,
        "USAGE, CREATE FUNCTION, CREATE VIEW",
        serving,
        "to switch aliases: functions and views over those of a version",
    )
    yield Right(
        role,
        "CREATE TABLE, CREATE STREAM, CREATE TASK, CREATE DYNAMIC TABLE",
        serving,
        "to keep predictions of a table up to date",
    )
    yield Right(role, "READ, WRITE", stage, "to upload bundles, and to create functions from them")
    for each in (settings, of_sql(settings)):
        yield Right(
            role,
            "SELECT, INSERT",
            f"TABLE {each.history_table}",
            "to note deployments; rows cannot be changed or deleted",
        )
        yield Right(role, "SELECT", f"VIEW {current(each)}", "to check what each alias is at")
    yield Right(
        role,
        f"DATABASE ROLE {PACKAGES_ROLE}",
        "",
        "to install numpy and pandas where functions run",
        ADMIN,
    )
    yield Right(
        role,
        "EXECUTE TASK, EXECUTE MANAGED TASK",
        "ACCOUNT",
        "to let its tasks run, which they do as their owner",
        ADMIN,
    )


def _caller(settings: Settings) -> Iterator[Right]:
    role, places = settings.caller, settings.places
    yield Right(role, "USAGE", f"DATABASE {quote(settings.database)}", "to find the schemas")
    for schema, why in (
        (places.models_schema, "to call a fixed version, in tasks and dynamic tables"),
        (places.serving_schema, "to call what an alias is at"),
    ):
        yield Right(role, "USAGE", f"SCHEMA {schema}", "to find the functions")
        yield Right(role, "USAGE", f"FUTURE FUNCTIONS IN SCHEMA {schema}", why)
    yield Right(
        role,
        "SELECT",
        f"FUTURE VIEWS IN SCHEMA {places.serving_schema}",
        "to read views that score a table",
    )
    yield Right(
        role,
        "SELECT",
        f"VIEW {places.in_serving(CATALOG)}",
        "to see which models there are",
    )
    yield Right(
        role,
        "READ",
        f"STAGE {places.in_models(settings.stage)}",
        "to call functions whose code is a file there",
    )


def _operator(settings: Settings) -> Iterator[Right]:
    role, places = settings.operator, settings.places
    yield Right(role, "USAGE", f"DATABASE {quote(settings.database)}", "to find the schemas")
    yield Right(role, "USAGE", f"SCHEMA {places.serving_schema}", "to find tasks and views")
    for kind in ("TASKS", "DYNAMIC TABLES"):
        yield Right(
            role,
            "OPERATE, MONITOR",
            f"FUTURE {kind} IN SCHEMA {places.serving_schema}",
            "to suspend, resume and watch them",
        )
    yield Right(
        role,
        "SELECT",
        f"FUTURE VIEWS IN SCHEMA {places.serving_schema}",
        "to read monitoring views",
    )
    yield Right(
        role,
        "SELECT",
        f"VIEW {places.in_serving(CATALOG)}",
        "to see which version each alias is at",
    )


def _warehouse(settings: Settings) -> Iterator[Right]:
    if settings.warehouse is not None:
        for role in (settings.deployer, settings.caller, settings.operator):
            yield Right(
                role, "USAGE", f"WAREHOUSE {quote(settings.warehouse)}", "to run its queries"
            )


def _acting(role: str) -> Step:
    return Step(what=f"Act as {role}.", sql=f"USE ROLE {role}", phase=Phase.PREPARE)


def _roles(settings: Settings) -> Iterator[Step]:
    yield _acting(USERS)
    for role, meaning in (
        (settings.deployer, "creates and switches functions of models"),
        (settings.caller, "calls functions of models"),
        (settings.operator, "watches and restarts what scores on a schedule"),
    ):
        yield Step(
            what=f"Create the role that {meaning}.",
            sql=_made("ROLE", quote(role), meaning),
            phase=Phase.CREATE,
        )
        yield Step(
            what="Put it below the administrators, as Snowflake advises.",
            sql=f"GRANT ROLE {quote(role)} TO ROLE {OBJECTS}",
            phase=Phase.CREATE,
        )


def _objects(settings: Settings) -> Iterator[Step]:
    places = settings.places
    yield _acting(OBJECTS)
    database, stage = quote(settings.database), places.in_models(settings.stage)
    encrypted = "ENCRYPTION = (TYPE = 'SNOWFLAKE_SSE') DIRECTORY = (ENABLE = FALSE)"
    made = (
        ("Create the database.", _made("DATABASE", database, "models as functions")),
        (
            "Create the schema of versions.",
            _made("SCHEMA", places.models_schema, "versions of models, which never change"),
        ),
        (
            "Create the schema of what callers see.",
            _made("SCHEMA", places.serving_schema, "what callers see; aliases point to versions"),
        ),
        (
            "Create the stage of the bundles, inside Snowflake and encrypted there.",
            _made("STAGE", f"{stage} {encrypted}", "files in folders named after their hash"),
        ),
        ("Create the history of deployments.", create_history(settings)),
        ("Create the history of deployments as SQL alone.", create_history(of_sql(settings))),
        ("Create the view of what each alias is at.", create_current(settings)),
        ("Create the same view of deployments as SQL alone.", create_current(of_sql(settings))),
        (f"Create {CATALOG}: what callers may know of it.", create_catalog(settings)),
    )
    for what, sql in made:
        yield Step(what=what, sql=sql, phase=Phase.CREATE)


def _made(kind: str, what: str, meaning: str) -> str:
    return f"CREATE {kind} IF NOT EXISTS {what} COMMENT = {literal(f'foresql: {meaning}')}"


def _grants(settings: Settings) -> Iterator[Step]:
    granted = rights(settings)
    for by in (SECURITY, ADMIN):
        yield _acting(by)
        for right in granted:
            if right.by == by:
                yield Step(
                    what=f"{right.role}: {right.why}.",
                    sql=right.statement(),
                    phase=Phase.GRANT,
                )


def _shown(on: str) -> str:
    return f"`{on}`" if on else "ACCOUNT"
