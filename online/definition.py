"""What is to be materialised: one view of the command line, or several of a TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from ..errors import FeatureError
from .manifest import check_name, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_VIEW_KEYS = ("relation", "query", "key", "missing")
_FILE_KEYS = ("database", "into", "views")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A view to materialise.

    Attributes
    ----------
    name
        How scoring queries call it, in lower case.
    keys
        The columns that tell entities apart; the case of letters does not count.
    relation, query
        What is read: a table or view, or one query. The relation of this name, if neither is given.
    missing
        ``error``, ``null`` or ``defaults``.
    defaults
        By column, as text; None for NULL.
    """

    name: str
    keys: tuple[str, ...]
    relation: str | None = None
    query: str | None = None
    missing: str = "error"
    defaults: Mapping[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what can be checked before the warehouse is opened."""
        object.__setattr__(self, "name", check_name(self.name))
        if self.relation is not None and self.query is not None:
            message = f"{self.name} has a relation and a query: leave one out."
            raise FeatureError(message)
        if not self.keys:
            message = (
                f"{self.name} has no key.\n  What to do: name the columns that tell its rows "
                'apart: --key COLUMN, or key = ["COLUMN"].'
            )
            raise FeatureError(message)

    @property
    def title(self) -> str:
        """How messages call what is read."""
        if self.query is not None:
            return f"The query of {self.name}"
        return self.relation or self.name


@dataclass(frozen=True, slots=True)
class Definition:
    """Several views, and where they are read and written unless the command says otherwise."""

    views: tuple[Wanted, ...]
    database: Path | None
    into: str | None


def read_definition(path: Path) -> Definition:
    """Read a file of feature views; its paths are relative to it.

    Raises
    ------
    FeatureError
        If it cannot be read, or a key is unknown, missing or wrong.
    """
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read: {error}."
        raise FeatureError(message) from error
    _check_known(found, _FILE_KEYS, str(path))
    views = found.get("views")
    if not isinstance(views, dict) or not views:
        message = f'{path} names no view: write [views.NAME], and key = ["COLUMN"] below it.'
        raise FeatureError(message)
    database, into = (_optional_text(found, key, str(path)) for key in ("database", "into"))
    if into is not None and "://" not in into:
        into = str(path.parent / into)
    return Definition(
        tuple(_wanted(name, table, f"{path}, [views.{name}]") for name, table in views.items()),
        None if database is None else path.parent / database,
        into,
    )


def _wanted(name: str, table: Any, at: str) -> Wanted:
    if not isinstance(table, dict):
        message = f"{at} must be a table."
        raise FeatureError(message)
    _check_known(table, _VIEW_KEYS, at)
    key = table.get("key", [])
    keys = [key] if isinstance(key, str) else key
    if not isinstance(keys, list) or not all(isinstance(each, str) for each in keys):
        message = f"{at}: key must be a column, or a list of columns."
        raise FeatureError(message)
    missing = table.get("missing", "error")
    defaults: dict[str, str | None] = {}
    if isinstance(missing, dict):
        defaults = {column: _default(value, f"{at}, {column}") for column, value in missing.items()}
        missing = "defaults"
    if missing not in {"error", "null", "defaults"}:
        message = f'{at}: missing must be "error", "null", or a table of defaults by column.'
        raise FeatureError(message)
    try:
        return Wanted(
            name=name,
            keys=tuple(keys),
            relation=_optional_text(table, "relation", at),
            query=_optional_text(table, "query", at),
            missing=missing,
            defaults=defaults,
        )
    except FeatureError as error:
        message = f"{at}: {error}"
        raise FeatureError(message) from error


def _default(value: Any, at: str) -> str:
    if not isinstance(value, bool | int | float | str | date | datetime):
        message = f"{at}: a default is a text, number, boolean, date or time."
        raise FeatureError(message)
    return text_of(value)


def _optional_text(table: Mapping[str, Any], key: str, at: str) -> str | None:
    value = table.get(key)
    if value is not None and not isinstance(value, str):
        message = f"{at}: {key} must be text."
        raise FeatureError(message)
    return value


def _check_known(table: Mapping[str, Any], known: tuple[str, ...], at: str) -> None:
    for key in table:
        if key not in known:
            message = f"{at}: {key} is unknown; known are {', '.join(known)}."
            raise FeatureError(message)
