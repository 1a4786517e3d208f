"""The file of rules: which share of a model's requests another version answers, or shadows."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import ForesqlError, RegistryError
from ...registry import parse_reference
from ..shelf import CHAMPION
from .assignment import limit_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ENTITY = "foresql-entity"
"""The header or parameter that names the entity of a request, where no feature does."""

REQUEST_ID = "foresql-request-id"
"""The header or parameter of an answer that says under which id it is logged."""

_HUNDRED = 100
_SALT = re.compile(r"[A-Za-z0-9_.-]{0,64}")
_KINDS = ("canary", "shadow")
_FIELDS = {"alias", "percent", "key", "salt"}


@dataclass(frozen=True, slots=True)
class Rule:
    """A share of the rows that goes to another alias.

    Attributes
    ----------
    key
        The feature by which rows are told apart, or ``foresql-entity``; None takes a shadow's
        rows by chance.
    limit
        The place from which on keys are not taken.
    """

    alias: str
    percent: float
    key: str | None
    salt: str
    limit: int


@dataclass(frozen=True, slots=True)
class Rules:
    """What is said of one model."""

    canary: Rule | None = None
    shadow: Rule | None = None


def read_rules(path: Path) -> Mapping[str, Rules]:
    """Read the file: rules by the names of models.

    Raises
    ------
    ForesqlError
        If it cannot be read, or anything in it is not understood.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ForesqlError(f"The file of traffic {path} cannot be read: {reason}.") from error
    return {name: _rules(path, name, table) for name, table in tables.items()}


def _rules(path: Path, name: str, table: Any) -> Rules:
    try:
        is_name = str(parse_reference(name)) == name == parse_reference(name).name
    except RegistryError:
        is_name = False
    if not is_name:
        raise _wrong(path, name, "it is no name of a model, without alias and version")
    if not isinstance(table, dict) or not table or set(table) - set(_KINDS):
        raise _wrong(path, name, "it is a table with canary, shadow or both")
    return Rules(**{kind: _rule(path, name, kind, given) for kind, given in table.items()})


def _rule(path: Path, name: str, kind: str, given: Any) -> Rule:
    entry = f"{name}.{kind}"
    needed = {"alias", "percent", "key"} if kind == "canary" else {"alias"}
    if not isinstance(given, dict) or not needed <= set(given) <= _FIELDS:
        form = 'alias = "challenger", percent = 5, key = "customer_id"'
        least = ", ".join(sorted(needed))
        raise _wrong(path, entry, f"it needs {least}, and may have salt: {{ {form} }}")
    percent = given.get("percent", _HUNDRED)
    if isinstance(percent, bool) or not isinstance(percent, int | float):
        raise _wrong(path, entry, "percent is a number")
    if not 0 <= percent <= _HUNDRED:
        raise _wrong(path, entry, "percent is a number from 0 to 100")
    key = given.get("key")
    if key is not None and not (isinstance(key, str) and key):
        raise _wrong(path, entry, f"key is the name of a feature, or {ENTITY!r}")
    salt = given.get("salt", "")
    if not isinstance(salt, str) or not _SALT.fullmatch(salt):
        raise _wrong(path, entry, "salt has letters, digits, '_', '.' and '-', 64 at most")
    alias = _alias(path, entry, name, given["alias"])
    return Rule(alias, float(percent), key, salt, limit_of(percent))


def _alias(path: Path, entry: str, name: str, alias: Any) -> str:
    try:
        is_alias = parse_reference(f"{name}@{alias}").alias == alias
    except RegistryError:
        is_alias = False
    if not is_alias or alias == CHAMPION:
        raise _wrong(path, entry, f"alias is the name of an alias, and not {CHAMPION!r}")
    return alias


def _wrong(path: Path, entry: str, problem: str) -> ForesqlError:
    return ForesqlError(f"The file of traffic {path} is wrong in [{entry}]: {problem}.")
