"""What an endpoint is: a scoring query in a file, and beside it what TOML says of its rows."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...errors import EndpointError, RegistryError
from ...registry import parse_reference
from ...scoring.sections import At, read_section

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

QUERY, BESIDE = ".sql", ".toml"
_MOST_BYTES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSection:
    """The rows that a request brings.

    Attributes
    ----------
    table
        The relation of the query that they take the place of; the only one that is no feature view
        where it is left out.
    columns
        From its columns to DuckDB's types; those of the database where they are left out.
    database
        The warehouse's file, in which the relation says its columns and types.
    key
        The columns by which an entity is known: it stays with one version while two are compared.
    """

    table: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    database: str | None = None
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSection:
    """What an answer has: ``columns`` of the query's, all of them by default."""

    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Definition:
    """An endpoint as it was written.

    Attributes
    ----------
    name
        By which it is served.
    text
        The scoring query.
    folder
        What relative paths begin at.
    place
        The file to look at when something is wrong.
    known
        The columns of relations, with their types, where the project says them, by folded names.
    """

    name: str
    text: str
    folder: Path
    place: Path
    request: RequestSection
    answer: AnswerSection
    known: Mapping[tuple[str, ...], Mapping[str, str]] = field(default_factory=dict)


def read_definition(path: Path) -> Definition:
    """Read an endpoint: ``late.sql``, and ``late.toml`` where there is one.

    Raises
    ------
    EndpointError
        If the name cannot be served, a file not be read, or a key is unknown or has a wrong value.
    """
    text = read_text(path)
    beside = path.with_suffix(BESIDE)
    tables = _parsed(beside) if beside.exists() else {}
    return definition_of(path.stem, text, tables, path, beside)


def definition_of(
    name: str, text: str, tables: Mapping[str, object], place: Path, said: Path
) -> Definition:
    """Make an endpoint of a query, and of what is said of it in the file ``said``.

    Raises
    ------
    EndpointError
        If the name cannot be served, or a key is unknown or has a wrong value.
    """
    check_name(name, place)
    at = At(str(said), kind=EndpointError)
    at.check_known(tables, ("request", "answer"))
    request = read_section(RequestSection, tables.get("request", {}), at.section("request"))
    answer = read_section(AnswerSection, tables.get("answer", {}), at.section("answer"))
    for key in request.key:
        if request.columns and key not in request.columns:
            raise at.section("request").error("key", f"{key} is none of the columns")
    return Definition(name, text, said.parent, place, request, answer)


def check_name(name: str, place: Path) -> None:
    """Check that a name can be asked for and granted, as that of a model.

    Raises
    ------
    EndpointError
        If it cannot.
    """
    try:
        is_name = str(parse_reference(name).name) == name
    except RegistryError:
        is_name = False
    if not is_name:
        message = (
            f"{place}: {name!r} cannot be the name of an endpoint. Call it by letters, digits and "
            "_, beginning with a letter, such as late_flights.sql."
        )
        raise EndpointError(message)


def read_text(path: Path) -> str:
    """Read a file of the definition.

    Raises
    ------
    EndpointError
        If it cannot be read, or is larger than such a file can be.
    """
    try:
        content = path.read_bytes()
        if len(content) > _MOST_BYTES:
            message = f"{path} has more than {_MOST_BYTES:,} bytes."
            raise EndpointError(message)
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        message = f"{path} cannot be read: {reason}."
        raise EndpointError(message) from error


def _parsed(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        message = f"{path} is not TOML: {error}."
        raise EndpointError(message) from error
