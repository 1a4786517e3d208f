"""Which functions of a database are a model's, and which are somebody else's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ...errors import RegistrationError
from .macros import CHECK_SCHEMA, quote

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
    """A function that is in the database; ``marks`` are those of the name that was asked for."""

    schema: str
    function: str
    marks: list[str]
    internal: bool


def present_functions(
    connection: duckdb.DuckDBPyConnection, place: Place, functions: Iterable[str]
) -> list[Present]:
    """Find the functions that a call by one of these names could reach."""
    rows = connection.execute(
        "SELECT schema_name, function_name, coalesce(macro_definition, ''), internal "
        "FROM duckdb_functions() WHERE list_contains($functions, lower(function_name)) "
        "AND (internal OR database_name IN ($catalog, 'temp'))",
        {"functions": [name.lower() for name in functions], "catalog": place.catalog},
    ).fetchall()
    owned = re.compile(
        rf"(?<!\w){re.escape(place.name)}: {_UNREGISTERED} \([a-z_]+ [0-9a-f]{{8}}\)", re.IGNORECASE
    )
    return [
        Present(schema, function, owned.findall(definition), internal)
        for schema, function, definition, internal in rows
    ]


def claim(
    connection: duckdb.DuckDBPyConnection, place: Place, wanted: Iterable[str]
) -> list[str]:
    """Give the UDFs behind the present functions of a name.

    Raises
    ------
    RegistrationError
        If a wanted function is there, and is not this name's.
    """
    wanted = {function.lower() for function in wanted}
    functions = wanted | {function_name(place.name, kind) for kind in KINDS}
    found = present_functions(connection, place, functions)
    for function in found:
        if not function.marks and function.function.lower() in wanted:
            whose = "of DuckDB or of Python" if function.internal else "of yours or of another model"
            message = (
                f"{function.function!r} is a function {whose}; register the model under another "
                "name=."
            )
            raise RegistrationError(message)
    return list(dict.fromkeys(mark for function in found for mark in function.marks))


def drop_macros(connection: duckdb.DuckDBPyConnection, place: Place) -> int:
    """Drop what an earlier registration made: it may have had more functions or columns."""
    functions = [function_name(place.name, kind) for kind in KINDS]
    found = present_functions(connection, place, functions)
    ours = {(each.schema, each.function) for each in found if each.marks}
    checks = connection.execute(
        "SELECT DISTINCT schema_name, function_name FROM duckdb_functions() WHERE "
        "database_name = $catalog AND schema_name = $schema "
        "AND starts_with(lower(function_name), lower($check))",
        {
            "catalog": place.catalog,
            "schema": CHECK_SCHEMA,
            "check": f"{place.name}: column ",
        },
    ).fetchall()
    for schema, function in [*ours, *checks]:
        connection.execute(f"DROP MACRO {quote(place.catalog)}.{quote(schema)}.{quote(function)}")
    return len(ours)
