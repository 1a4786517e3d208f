"""What an account has: its history of deployments, its functions, the files on its stage."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import DeploymentError
from ...udfs.snowflake.names import literal, quote
from .history import UNDEPLOY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .session import Session
    from .settings import Settings

_COLUMNS = (
    *("MODEL", "ALIAS", "VERSION", "PREVIOUS_VERSION", "ACTION", "BUNDLE_SHA256"),
    *("ARTIFACT_SHA256", "STAGE_PATH", "FUNCTIONS", "DEPLOYED_AT", "DEPLOYED_BY"),
)
_OF_VERSION = re.compile(r"foresql (\w+):(\d+); bundle sha256:([0-9a-f]{64});")
_CALLS = re.compile(r'_V(\d+)"\(|^\s*(\d+)::NUMBER')
ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Record:
    """A row of the history; see ``COLUMNS`` in ``history.py``."""

    model: str
    alias: str | None
    version: int
    previous: int | None
    action: str
    bundle: str
    artifact: str | None
    stage_path: str | None
    functions: tuple[str, ...]
    deployed_at: Any
    deployed_by: str

    @property
    def of_version(self) -> tuple[str, ...]:
        """The version's functions: the first half, where an alias has as many and one more."""
        return self.functions if self.alias is None else self.functions[: len(self.functions) // 2]

    @property
    def of_alias(self) -> tuple[str, ...]:
        """The alias's functions."""
        return self.functions[len(self.of_version) :]


@dataclass(frozen=True, slots=True)
class AccountFunction:
    """A function in one of the two schemas."""

    schema: str
    name: str
    arguments: str
    comment: str
    definition: str

    @property
    def of(self) -> tuple[str, int, str] | None:
        """Model, version and bundle of a version's function, as its comment says."""
        found = _OF_VERSION.match(self.comment)
        return (found[1], int(found[2]), found[3]) if found else None

    @property
    def calls(self) -> int | None:
        """The version that an alias's function calls, or says."""
        found = _CALLS.search(self.definition)
        return int(found[1] or found[2]) if found else None


@dataclass(frozen=True, slots=True)
class State:
    """What an account has of the models that were asked for, or of all."""

    settings: Settings
    records: tuple[Record, ...]
    functions: tuple[AccountFunction, ...]
    files: frozenset[str]

    @property
    def models(self) -> list[str]:
        """The models that the account knows."""
        named = {each.of[0] for each in self.functions if each.of}
        return sorted(named | {record.model for record in self.records})

    def current(self, model: str, alias: str) -> Record | None:
        """Give the record of the version that an alias is at."""
        moves = [each for each in self.records if (each.model, each.alias) == (model, alias)]
        return moves[-1] if moves and moves[-1].action != UNDEPLOY else None

    def aliases(self, model: str) -> dict[str, Record]:
        """Give the aliases that are at a version."""
        names = {each.alias for each in self.records if each.model == model and each.alias}
        found = {name: self.current(model, name) for name in sorted(names)}
        return {name: record for name, record in found.items() if record is not None}

    def versions(self, model: str) -> dict[int, Record]:
        """Give the versions that are deployed, with the record that brought each."""
        found: dict[int, Record] = {}
        for record in self.records:
            if record.model == model:
                if record.action == UNDEPLOY:
                    found.pop(record.version, None)
                elif record.action != ROLLBACK or record.version not in found:
                    found[record.version] = record
        return found

    def brought(self, model: str, version: int) -> Record | None:
        """Give the record of a version whose code and data are there as it says."""
        record = self.versions(model).get(version)
        if record is None or record.artifact is None:
            return None
        is_there = record.stage_path is None or record.stage_path in self.files
        return record if is_there else None

    def paths(self, model: str, version: int) -> set[str]:
        """Give the files that deployments of a version put on the stage."""
        return {
            record.stage_path
            for record in self.records
            if (record.model, record.version) == (model, version) and record.stage_path
        }

    def before(self, model: str, alias: str) -> int:
        """Find the version to which an alias goes back.

        As in the registry, a deployment puts a version on a stack, and going back takes the
        topmost off: no going back returns to what one has left.

        Raises
        ------
        DeploymentError
            If there is none below, or it is no longer in the account.
        """
        stack: list[int] = []
        for record in self.records:
            if (record.model, record.alias) != (model, alias):
                continue
            if record.action == UNDEPLOY:
                stack = []
            elif record.action == ROLLBACK:
                stack = _down_to(stack, record.version)
            elif stack[-1:] != [record.version]:
                stack.append(record.version)
        deployed = self.versions(model)
        if not stack:
            raise DeploymentError(f"{model}@{alias} is not deployed here: nothing to roll back.")
        below = [version for version in stack[:-1] if version in deployed]
        if not below:
            raise DeploymentError(
                f"{model}@{alias} has no version before {stack[-1]} that is still in the account. "
                f"Deploy the one that you want: foresql deploy {model}:N --alias {alias}"
            )
        return below[-1]

    def named(self, schema: str, name: str) -> Iterator[AccountFunction]:
        """Give the functions of a name."""
        for each in self.functions:
            if (each.schema, each.name) == (schema, name):
                yield each


def read_state(session: Session, settings: Settings, model: str | None = None) -> State:
    """Read what the account has, of one model or of all.

    Raises
    ------
    AccountError
        If it cannot be read; where the history is missing, the account was never set up.
    """
    session.run(f"USE ROLE {quote(settings.deployer)}")
    if settings.warehouse is not None:
        session.run(f"USE WAREHOUSE {quote(settings.warehouse)}")
    columns = ", ".join(map(quote, _COLUMNS))
    wanted = "" if model is None else f'\nWHERE "MODEL" = {literal(model)}'
    rows = session.run(
        f'SELECT {columns}\nFROM {settings.history_table}{wanted}\nORDER BY "DEPLOYED_AT"'
    )
    records = tuple(map(_record, rows))
    functions = _functions(session, settings)
    if model is not None:
        names = {name for record in records for name in record.functions}
        functions = tuple(
            each
            for each in functions
            if each.name in names or (each.of is not None and each.of[0] == model)
        )
    return State(settings, records, functions, _files(session, settings))


def _record(row: tuple[Any, ...]) -> Record:
    model, alias, version, previous, action, bundle, artifact, path, functions, at, by = row
    names = tuple(str(functions).split(", "))
    before = None if previous is None else int(previous)
    code = (bundle, artifact, path)
    return Record(model, alias, int(version), before, action, *code, names, at, by)


def _down_to(stack: list[int], version: int) -> list[int]:
    place = max((i for i, each in enumerate(stack) if each == version), default=-1)
    return stack[: place + 1] if place >= 0 else [version]


def _functions(session: Session, settings: Settings) -> tuple[AccountFunction, ...]:
    schemas = f"{literal(settings.models)}, {literal(settings.serving)}"
    rows = session.run(
        "SELECT FUNCTION_SCHEMA, FUNCTION_NAME, ARGUMENT_SIGNATURE, COMMENT, FUNCTION_DEFINITION\n"
        f"FROM {quote(settings.database)}.INFORMATION_SCHEMA.FUNCTIONS\n"
        f"WHERE FUNCTION_SCHEMA IN ({schemas})\nORDER BY 1, 2, 3"
    )
    return tuple(AccountFunction(*(str(cell or "") for cell in row)) for row in rows)


def _files(session: Session, settings: Settings) -> frozenset[str]:
    rows = session.run(f"LIST {settings.places.staged()}")
    return frozenset(str(row[0]).partition("/")[2] for row in rows)
