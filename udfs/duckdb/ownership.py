"""Which functions of a database are a model's, and which are somebody else's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ...errors import RegistrationError
from .macros import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb

    from .macros import Place

_PREDICT = "predict"
KINDS = (_PREDICT, "predict_proba", "explain", "interval", "version")
"""Every kind of function that a registration can make."""

_UNREGISTERED = "register the model in this process first"


def function_name(name: str, kind: str) -> str:
    """Name a function: after ``predict_delay`` come ``explain_delay`` and its like."""
    if kind == _PREDICT:
        return name
    if name.lower().startswith(f"{_PREDICT}_"):
        return kind + name[len(_PREDICT) :]
    return f"{name}_{'proba' if kind == 'predict_proba' else kind}"


def mark(name: str, kind: str, token: str) -> str:
    """Give the text by which a macro is known as a model's: the name of its UDF.

    Macros stay in a database, and UDFs end with their process. DuckDB then quotes the name of the
    UDF that it lacks, so the name says what to do.
    """
    return f"{name}: {_UNREGISTERED} ({kind} {token})"


class Present(NamedTuple):
    """A function that is there; ``marks`` are the UDFs behind it, where it is the name's own."""

    database: str
    schema: str
    function: str
    marks: list[str]
    internal: bool


def present_functions(
    connection: duckdb.DuckDBPyConnection, name: str, functions: Iterable[str]
) -> list[Present]:
    """Find the functions that a call by one of these names could reach."""
    rows = connection.execute(
        "SELECT database_name, schema_name, function_name, coalesce(macro_definition, ''), "
        "internal FROM duckdb_functions() WHERE list_contains(?, lower(function_name)) "
        "AND (internal OR database_name IN (current_database(), 'temp'))",
        [[function.lower() for function in functions]],
    ).fetchall()
    own = re.compile(
        rf"(?<!\w){re.escape(name)}: {_UNREGISTERED} \([a-z_]+ [0-9a-f]{{8}}\)", re.IGNORECASE
    )
    return [
        Present(database, schema, function, own.findall(definition), internal)
        for database, schema, function, definition, internal in rows
    ]


def claim(connection: duckdb.DuckDBPyConnection, place: Place, wanted: Iterable[str]) -> list[str]:
    """Give the UDFs behind the functions that are to be replaced.

    Raises
    ------
    RegistrationError
        If a wanted function is there, and is not this name's.
    """
    wanted = {function.lower() for function in wanted}
    for function in present_functions(connection, place.name, wanted):
        if not function.marks:
            whose = "DuckDB's or Python's" if function.internal else "yours or another model's"
            message = (
                f"{function.function!r} is a function already, {whose}; register the model under "
                "another name=."
            )
            raise RegistrationError(message)
    marks = (mark for function in _own(connection, place) for mark in function.marks)
    return list(dict.fromkeys(marks))


def drop_macros(connection: duckdb.DuckDBPyConnection, place: Place) -> int:
    """Drop what an earlier registration made: it may have had more functions or columns."""
    own = _own(connection, place)
    macros = {(function.database, function.schema, function.function) for function in own}
    checks = connection.execute(
        "SELECT DISTINCT database_name, schema_name, function_name FROM duckdb_functions() WHERE "
        "database_name IN (current_database(), 'temp') AND function_type = 'macro' "
        "AND starts_with(lower(function_name), lower(?))",
        [f"{place.name}: column "],
    ).fetchall()
    for parts in [*macros, *checks]:
        if _is_in(place, parts[0]):
            connection.execute(f"DROP MACRO {'.'.join(map(quote, parts))}")
    return len(macros)


def _own(connection: duckdb.DuckDBPyConnection, place: Place) -> list[Present]:
    functions = [function_name(place.name, kind) for kind in KINDS]
    found = present_functions(connection, place.name, functions)
    return [each for each in found if each.marks and _is_in(place, each.database)]


def _is_in(place: Place, database: str) -> bool:
    """Tell whether a registration replaces what is in a database.

    Temporary macros hide those of the database, so a registration there replaces both.
    """
    return database == "temp" or not place.is_temporary
