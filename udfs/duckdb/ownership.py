"""Which functions of a database are a model's, and which are somebody else's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ...errors import RegistrationError
from .macros import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb

    from .macros import Place

_PREDICT = "predict"
KINDS = (_PREDICT, "predict_proba", "explain", "interval", "version")
"""Every kind of function that a registration can make."""

_GENERIC = {"predict", "predict_proba"}
"""Functions of the extension that a registration may hide: each has a second name."""
_SECOND_NAME = "foresql_predict"

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


def token_of(marked: str) -> str:
    """Give what no other function's mark has."""
    return marked[-9:-1]


class Claim(NamedTuple):
    """What a registration replaces: the UDFs and, each in three parts, the names of the macros."""

    udfs: list[str]
    macros: list[tuple[str, str, str]]

    def drop(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Drop the macros: the registration before may have had more functions or columns."""
        for parts in self.macros:
            connection.execute(f"DROP MACRO {'.'.join(map(quote, parts))}")


class Held(NamedTuple):
    """The names of a registration, and the marks of its functions."""

    place: Place
    marks: Mapping[str, str]

    def answers_in(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """Whether calls in a connection still mean these temporary functions, all of them."""
        present = _present(connection, self.place.name)
        there = {name.lower(): text for database, _, name, text, _ in present if database == "temp"}
        return all(
            token_of(marked) in there.get(function_name(self.place.name, kind).lower(), "")
            for kind, marked in self.marks.items()
        )


def claim(connection: duckdb.DuckDBPyConnection, place: Place, wanted: Iterable[str] = ()) -> Claim:
    """Find what a name has in the database, and see that nothing else has the wanted functions.

    Temporary macros hide those of the database: a registration in the database replaces both.

    Raises
    ------
    RegistrationError
        If a wanted function is there, and is not this name's.
    """
    wanted = {function.lower() for function in wanted}
    own = re.compile(
        rf"(?<!\w){re.escape(place.name)}: {_UNREGISTERED} \([a-z_]+ [0-9a-f]{{8}}\)", re.IGNORECASE
    )
    udfs: dict[str, None] = {}
    macros: dict[tuple[str, str, str], None] = {}
    present = _present(connection, place.name)
    generic = _GENERIC if any(entry[2] == _SECOND_NAME for entry in present) else set[str]()
    for database, schema, function, definition, internal in present:
        if internal and (function in generic or function not in wanted):
            continue
        found = own.findall(definition)
        if function.lower() in wanted and not found:
            whose = "DuckDB's or Python's" if internal else "yours or another model's"
            message = (
                f"{function!r} is a function already, {whose}; register the model under another "
                "name=."
            )
            raise RegistrationError(message)
        is_ours = found or _is_check(place.name, function)
        if is_ours and (database == "temp" or not place.is_temporary):
            udfs |= dict.fromkeys(found)
            macros[database, schema, function] = None
    return Claim(list(udfs), list(macros))


def _present(
    connection: duckdb.DuckDBPyConnection, name: str
) -> list[tuple[str, str, str, str, bool]]:
    """List all functions that a call could reach by a name of ours, and our checks."""
    return connection.execute(
        "SELECT database_name, schema_name, function_name, coalesce(macro_definition, ''), "
        "internal FROM duckdb_functions() "
        "WHERE (internal OR database_name IN (current_database(), 'temp')) "
        "AND (list_contains($names, lower(function_name)) "
        "OR function_type = 'macro' AND starts_with(lower(function_name), $check))",
        {
            "names": [_SECOND_NAME, *(function_name(name, kind).lower() for kind in KINDS)],
            "check": f"{name}: column ".lower(),
        },
    ).fetchall()


def _is_check(name: str, function: str) -> bool:
    return function.lower().startswith(f"{name}: column ".lower())
