"""Create, replace and drop the functions of one model in a DuckDB connection."""

from __future__ import annotations

import atexit
import inspect
import re
import secrets
import weakref
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from duckdb.func import ARROW, SPECIAL

from ...errors import ForesqlError, RegistrationError
from .functions import functions_of
from .macros import (
    CHECK_SCHEMA,
    Place,
    argument_of,
    check_macros,
    function_macro,
    literal,
    quote,
)
from .recent import OnceScorer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from duckdb.sqltypes import DuckDBPyType

    from ...ir import Model
    from ...kernels import Scorer
    from .functions import Function

_UDF_PREFIX = "__foresql_"
_HERE = {True: "database_name = 'temp'", False: "database_name = current_database()"}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_PREDICT = "predict"


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """The functions that a model has in a connection.

    Attributes
    ----------
    functions
        From kind (``predict``, ``predict_proba``, ``explain``, ``interval``, ``version``) to the
        function's SQL name.
    omitted
        From kind to the reason why the model has no such function.
    """

    _place: Place = field(repr=False)
    functions: Mapping[str, str]
    omitted: Mapping[str, str]
    _once: OnceScorer = field(repr=False)
    _connection: duckdb.DuckDBPyConnection = field(repr=False)

    @property
    def name(self) -> str:
        """The name of the predicting function."""
        return self._place.name

    @property
    def rows_scored(self) -> int:
        """How many rows the kernel has scored, for all functions of the model together."""
        return self._once.rows_scored

    def unregister(self) -> None:
        """Drop the functions."""
        unregister(self._connection, self.name, temporary=self._place.is_temporary)


def register_scorer(
    connection: duckdb.DuckDBPyConnection,
    scorer: Scorer,
    name: str,
    *,
    version: int | None = None,
    temporary: bool = False,
) -> Registration:
    """Make a model's functions callable in SQL, replacing those of the same name.

    Parameters
    ----------
    connection, scorer
        The connection, and the model made ready.
    name
        The predicting function's name; the others are named after it.
    version
        The model's version, for its ``version`` function; it has none without.
    temporary
        Keep the macros in this connection alone and write nothing to its database.

    Raises
    ------
    RegistrationError
        If the name is not an identifier or belongs to something that is not ours, or the
        database is read-only. What was registered before stays.
    """
    place = _place(name, is_temporary=temporary)
    once = OnceScorer(scorer)
    functions, omitted = functions_of(once)
    names = {function.kind: function_name(name, function.kind) for function in functions}
    if version is not None:
        names["version"] = function_name(name, "version")
    before = _existing(connection, place, names.values())
    token = secrets.token_hex(4)
    udfs = {f.kind: f"{_UDF_PREFIX}{names[f.kind]}_{token}" for f in functions}
    try:
        for function in functions:
            _create_udf(connection, udfs[function.kind], function, scorer)
        with _transaction(connection):
            _drop_macros(connection, place)
            for statement in _macros(place, scorer.model, functions, names, udfs):
                connection.execute(statement)
            if version is not None:
                connection.execute(_version_macro(place, names["version"], version))
    except duckdb.Error as error:
        _remove_udfs(connection, udfs.values())
        raise _explained(error, name) from error
    _remove_udfs(connection, before)
    _remove_at_exit(connection, udfs.values())
    return Registration(place, names, omitted, once, connection)


def _place(name: str, *, is_temporary: bool = False) -> Place:
    if not _NAME.fullmatch(name):
        message = (
            f"{name!r} cannot name a function: use a letter, then at most 62 letters, digits and "
            "underscores."
        )
        raise RegistrationError(message)
    return Place(name, is_temporary)


def _macros(
    place: Place,
    model: Model,
    functions: Sequence[Function],
    names: Mapping[str, str],
    udfs: Mapping[str, str],
) -> Iterator[str]:
    if not place.is_temporary:
        yield f"CREATE SCHEMA IF NOT EXISTS {CHECK_SCHEMA}"
    yield from check_macros(place, model)
    for function in functions:
        kind = function.kind
        level = function.takes_level
        yield function_macro(place, names[kind], udfs[kind], model, takes_level=level)


def _version_macro(place: Place, function: str, version: int) -> str:
    """Give a constant; the struct's field marks the macro as ours."""
    field = f"{_UDF_PREFIX}version"
    constant = f"CAST({{'{field}': {version:d}}}.{field} AS BIGINT)"
    return f"{place.create} {place.macro(function)}() AS {constant}"


def register_absent(connection: duckdb.DuckDBPyConnection, name: str, reason: str) -> None:
    """Make functions that say, when a query calls them, why there is no model behind them."""
    place = _place(name)
    names = [function_name(name, kind) for kind in KINDS]
    udfs = _existing(connection, place, names)
    field = f"{_UDF_PREFIX}reason"
    body = f"CAST(error({{'{field}': {literal(reason)}}}.{field}) AS DOUBLE)"
    with _transaction(connection):
        _drop_macros(connection, place)
        for function in names:
            parameters = "" if function == function_name(name, "version") else '"row"'
            connection.execute(f"{place.create} {place.macro(function)}({parameters}) AS {body}")
    _remove_udfs(connection, udfs)


def unregister(
    connection: duckdb.DuckDBPyConnection, name: str, *, temporary: bool = False
) -> None:
    """Drop all functions that a model has under a name.

    Raises
    ------
    RegistrationError
        If there are none.
    """
    place = _place(name, is_temporary=temporary)
    udfs = _existing(connection, place, ())
    with _transaction(connection):
        dropped = _drop_macros(connection, place)
    if not dropped:
        message = f"No model is registered as {name!r} in this connection."
        raise RegistrationError(message)
    _remove_udfs(connection, udfs)


def function_name(name: str, kind: str) -> str:
    """Name a function: after ``predict_delay`` come ``explain_delay`` and its like."""
    if kind == _PREDICT:
        return name
    if name.startswith(_PREDICT) and name != _PREDICT:
        return kind + name.removeprefix(_PREDICT)
    return f"{name}_{'proba' if kind == 'predict_proba' else kind}"


KINDS = (_PREDICT, "predict_proba", "explain", "interval", "version")
"""Every kind of function that a registration can make."""


def _create_udf(
    connection: duckdb.DuckDBPyConnection, udf: str, function: Function, scorer: Scorer
) -> None:
    model = scorer.model
    fields = {column.name: argument_of(model, column).passed for column in model.signature.columns}
    parameters: list[Any] = [duckdb.struct_type(fields)]
    if function.takes_level:
        parameters.append(duckdb.sqltype("DOUBLE"))
    connection.create_function(
        udf,
        _body(function),
        parameters,
        _sql_type(connection, function.returns),
        type=ARROW,
        null_handling=SPECIAL,
    )


def _body(function: Function) -> Callable[..., pa.Array]:
    """Wrap a function's body as DuckDB calls it: chunked arrays in, one array out."""

    def answer(*arguments: pa.ChunkedArray | pa.Array) -> pa.Array:
        whole = (a.combine_chunks() if isinstance(a, pa.ChunkedArray) else a for a in arguments)
        return function.answer(*whole)

    count = 2 if function.takes_level else 1
    kind = inspect.Parameter.POSITIONAL_ONLY
    answer.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(f"argument{index}", kind) for index in range(count)]
    )
    return answer


def _sql_type(connection: duckdb.DuckDBPyConnection, arrow_type: pa.DataType) -> DuckDBPyType:
    """Ask DuckDB which type it gives an Arrow type."""
    empty = pa.table({"answer": pa.array([], arrow_type)})
    return connection.from_arrow(empty).types[0]


def _existing(
    connection: duckdb.DuckDBPyConnection, place: Place, wanted: Iterable[str]
) -> list[str]:
    """Give the UDFs behind the present functions of a name; refuse to replace foreign ones."""
    ours: list[str] = []
    pattern = re.compile(re.escape(_UDF_PREFIX) + r"\w+_[0-9a-f]{8}")
    wanted = set(wanted)
    for function in {function_name(place.name, kind) for kind in KINDS} | wanted:
        rows = connection.execute(
            "SELECT macro_definition, internal FROM duckdb_functions() "
            f"WHERE lower(function_name) = lower(?) AND (internal OR {_HERE[place.is_temporary]})",
            [function],
        ).fetchall()
        for definition, internal in rows:
            if _UDF_PREFIX in (definition or ""):
                ours += pattern.findall(definition)
            elif function in wanted:
                whose = "one of DuckDB's own functions" if internal else "a macro of yours"
                message = f"{function!r} is {whose}; register the model under another name=."
                raise RegistrationError(message)
    return list(dict.fromkeys(ours))


def _drop_macros(connection: duckdb.DuckDBPyConnection, place: Place) -> int:
    """Drop what an earlier registration made: it may have had more functions or columns."""
    functions = [function_name(place.name, kind) for kind in KINDS]
    rows = connection.execute(
        "SELECT DISTINCT schema_name, function_name FROM duckdb_functions() "
        f"WHERE function_type = 'macro' AND {_HERE[place.is_temporary]} AND ("
        "(list_contains($functions, function_name) AND contains(macro_definition, $prefix)) "
        "OR (schema_name = $schema AND starts_with(function_name, $check)))",
        {
            "functions": functions,
            "prefix": _UDF_PREFIX,
            "schema": CHECK_SCHEMA,
            "check": f"{place.name}: column ",
        },
    ).fetchall()
    for schema, function in rows:
        catalog = "temp." if place.is_temporary else ""
        connection.execute(f"DROP MACRO {catalog}{quote(schema)}.{quote(function)}")
    return len(rows)


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Generator[None]:
    """Run statements in one transaction, or in the caller's if there is one."""
    try:
        connection.begin()
    except duckdb.TransactionException:
        yield
        return
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _explained(error: duckdb.Error, name: str) -> ForesqlError:
    text = str(error)
    if "read-only" in text:
        text = (
            "the database is read-only, and macros live in the database. Use temporary=True to "
            "keep them in this connection"
        )
    elif "ResourceInUse" in type(error).__name__:
        text = "a result of this connection is still being read: fetch all of it first"
    return RegistrationError(f"{name!r} cannot be registered: {text}")


def _remove_udfs(connection: duckdb.DuckDBPyConnection, udfs: Iterable[str]) -> None:
    for udf in udfs:
        # Made by another cursor or process, or the connection is closed: nothing calls it now.
        with suppress(duckdb.Error):
            connection.remove_function(udf)


def _remove_at_exit(connection: duckdb.DuckDBPyConnection, udfs: Iterable[str]) -> None:
    """DuckDB prints a leak report at exit for functions of connections that were not closed."""
    reference = weakref.ref(connection)

    def remove() -> None:
        alive = reference()
        if alive is not None:
            _remove_udfs(alive, udfs)

    atexit.register(remove)
