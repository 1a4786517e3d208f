"""A model as functions of Postgres: one set a version, and in front of it those that readers call.

Postgres finds a function by its latest definition, whatever snapshot a query reads. So what
readers call looks up in a table, by the query's own snapshot, which version is published there, and
calls that version's function. A version's functions appear before it is published, and stay while
it is the one before: stored predictions and functions always are of one version.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from ...udfs.duckdb.ownership import function_name
from .functions import SCORE, VERSION, VersionFunction
from .session import quoted, text_literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def create_version(schema: str, function: VersionFunction, body: str) -> Iterator[str]:
    """Write the statements that make a version's function."""
    place = f"{quoted(schema)}.{quoted(function.name)}"
    # A table's columns are parameters too, and may not have the names of others.
    parameters = function.types if function.kind == SCORE else function.parameters
    yield _create(place, parameters, function.returns, body)
    yield f"COMMENT ON FUNCTION {place}({function.types}) IS {text_literal(function.mark)}"


def create_caller(
    schema: str, functions: Sequence[VersionFunction], stamp: str
) -> Iterator[tuple[str, str, list[str]]]:
    """Write what readers call by values: one function for each list of columns.

    ``functions`` are the versions of one function, the newest first. Gives each caller's signature,
    its shape, and the statements that make it. Where columns of two versions have the same types
    and other names, the caller is the newer version's alone: by position it could mean either.
    """
    newest = functions[0]
    by_types: dict[str, tuple[tuple[str, str], ...]] = {}
    for function in functions:
        by_types.setdefault(function.types, function.columns)
    for columns in by_types.values():
        able = [each for each in functions if each.columns == columns]
        arguments = [f"${index}" for index in range(1, len(columns) + 1)]
        parameters = able[0].types if newest.kind == SCORE else able[0].parameters
        calls = [(each, ", ".join(arguments)) for each in able if each.returns == newest.returns]
        if calls:
            takes = (parameters, able[0].types, able[0].parameters)
            yield _caller(schema, newest, takes, calls, stamp)


def create_row_caller(
    schema: str,
    functions: Sequence[VersionFunction],
    row: tuple[str, str],
    columns: dict[str, str],
    stamp: str,
) -> tuple[str, str, list[str]] | None:
    """Write what readers call by a row of a table; None where the newest version cannot read it.

    ``row`` is the table's schema and name, ``columns`` its columns with their types.
    """
    newest = functions[0]
    calls = []
    for each in functions:
        arguments = _from_row(each, columns)
        if arguments is not None and each.returns == newest.returns:
            calls.append((each, arguments))
    if not calls or calls[0][0] is not newest:
        return None
    kind = ".".join(map(quoted, row))
    return _caller(schema, newest, (kind, kind, kind), calls, stamp)


_READ_AS = {
    "float8": ("smallint", "integer", "bigint", "numeric", "real", "double precision"),
    "int8": ("smallint", "integer", "bigint"),
    "boolean": ("boolean",),
    "text": ("text", "character varying"),
    "timestamp": ("timestamp without time zone", "date"),
}


_SIZES = re.compile(r"\([\d,]+\)")


def _from_row(function: VersionFunction, columns: dict[str, str]) -> str | None:
    """Take a version's arguments out of a row; None where a column is missing or of another."""
    by_name = {name.casefold(): (name, kind) for name, kind in columns.items()}
    arguments = []
    for name, wanted in function.columns:
        found, kind = by_name.get(name.casefold(), (None, ""))
        if found is None or _SIZES.sub("", kind) not in _READ_AS[wanted]:
            return None
        arguments.append(f"CAST(($1).{quoted(found)} AS {wanted})")
    return ", ".join(arguments)


def _caller(
    schema: str,
    newest: VersionFunction,
    takes: tuple[str, str, str],
    calls: Sequence[tuple[VersionFunction, str]],
    stamp: str,
) -> tuple[str, str, list[str]]:
    """Write a caller; ``takes`` are its parameters as written, their types, and with names."""
    parameters, types, named = takes
    place = f"{quoted(schema)}.{quoted(newest.called)}"
    version = version_call(schema, newest.function)
    reason = (
        f" of {newest.called} cannot be asked in this way: it reads other columns, or was replaced "
        "during the transaction"
    )
    gone = f"CAST('foresql: version ' || {version} || {text_literal(reason)} AS int)"
    shape = f"({named}) RETURNS {newest.returns}"
    mark = caller_mark(newest.function, stamp, shape)
    body = _chosen_rows if newest.kind == SCORE else _chosen_value
    statements = [
        _create(place, parameters, newest.returns, body(schema, newest, calls, version, gone)),
        f"COMMENT ON FUNCTION {place}({types}) IS {text_literal(mark)}",
    ]
    return f"{place}({types})", shape, statements


def _chosen_value(
    schema: str,
    newest: VersionFunction,
    calls: Sequence[tuple[VersionFunction, str]],
    version: str,
    gone: str,
) -> str:
    branches = " ".join(
        f"WHEN {each.version} THEN {quoted(schema)}.{quoted(each.name)}({arguments})"
        for each, arguments in calls
    )
    # It ends the query before there is a value.
    ended = f"CAST(CASE WHEN {gone} IS NULL THEN NULL END AS {newest.returns})"
    return f"SELECT CASE {version} {branches} ELSE {ended} END"


def _chosen_rows(
    schema: str,
    newest: VersionFunction,
    calls: Sequence[tuple[VersionFunction, str]],
    version: str,
    gone: str,
) -> str:
    names = ", ".join(f"v.{quoted(name)}" for name in newest.fields)
    selects = [
        f"SELECT {names} FROM {quoted(schema)}.{quoted(each.name)}({arguments}) AS v "
        f"WHERE {version} = {each.version}"
        for each, arguments in calls
    ]
    known = ", ".join(str(each.version) for each, _ in calls)
    ended = f"CASE WHEN {version} IN ({known}) THEN false ELSE {gone} IS NULL END"
    name = calls[0]
    unknown = (
        f"SELECT {names} FROM {quoted(schema)}.{quoted(name[0].name)}({name[1]}) AS v WHERE {ended}"
    )
    return "\nUNION ALL\n".join([*selects, unknown])


def caller_mark(function: str, stamp: str, shape: str) -> str:
    """Write the comment of a function that readers call.

    ``shape`` is what Postgres changes by dropping the function alone: names and result.
    """
    mark = {"function": function, "stamp": stamp, "shape": shape}
    return json.dumps(mark, ensure_ascii=False)


def version_call(schema: str, function: str) -> str:
    """Write the call that gives the published version."""
    return f"{quoted(schema)}.{quoted(version_name(function))}()"


def version_name(function: str) -> str:
    """Name the function that gives a function's version."""
    return function_name(function, VERSION)


def create_version_lookup(schema: str, function: str, stamp: str) -> list[str]:
    """Write the function that reads the published version, for whoever may call it."""
    place = f"{quoted(schema)}.{quoted(version_name(function))}()"
    return [
        f"CREATE OR REPLACE FUNCTION {place} RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE "
        "SECURITY DEFINER SET search_path = pg_catalog AS "
        + _dollars(
            "SELECT model_version FROM foresql.functions "
            f"WHERE schema_name = {text_literal(schema)} "
            f"AND function_name = {text_literal(function)}"
        ),
        f"COMMENT ON FUNCTION {place} IS {text_literal(caller_mark(function, stamp, 'bigint'))}",
    ]


def _create(place: str, parameters: str, returns: str, body: str) -> str:
    return (
        f"CREATE OR REPLACE FUNCTION {place}({parameters}) RETURNS {returns} "
        f"LANGUAGE sql STABLE PARALLEL SAFE AS {_dollars(body)}"
    )


def _dollars(body: str) -> str:
    """Quote a body by a mark that it does not hold."""
    number = 0
    while f"$foresql{number}$" in body:
        number += 1
    return f"$foresql{number}$\n{body}\n$foresql{number}$"
