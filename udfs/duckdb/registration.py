"""Create, replace and drop the functions of one model in a DuckDB connection."""

from __future__ import annotations

import atexit
import inspect
import re
import secrets
import weakref
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from ...errors import ForesqlError, RegistrationError
from .functions import functions_of
from .macros import CHECK_SCHEMA, argument_of, check_macros, function_macro, literal, quote
from .recent import OnceScorer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ...kernels import Scorer
    from .functions import Function

_UDF_PREFIX = "__foresql_"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_PREDICT = "predict"


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """The functions that a model has in a connection.

    Attributes
    ----------
    name
        The name of the predicting function.
    functions
        From kind (``predict``, ``predict_proba``, ``explain``, ``interval``, ``version``) to the
        function's SQL name.
    omitted
        From kind to the reason why the model has no such function.
    """

    name: str
    functions: Mapping[str, str]
    omitted: Mapping[str, str]
    _once: OnceScorer = field(repr=False)
    _connection: duckdb.DuckDBPyConnection = field(repr=False)

    @property
    def rows_scored(self) -> int:
        """How many rows the kernel has scored, for all functions of the model together."""
        return self._once.rows_scored

    def unregister(self) -> None:
        """Drop the functions."""
        unregister(self._connection, self.name)


def register_scorer(
    connection: duckdb.DuckDBPyConnection, scorer: Scorer, name: str, version: int | None = None
) -> Registration:
    """Make a model's functions callable in SQL, replacing those of the same name.

    Raises
    ------
    RegistrationError
        If the name is not an identifier or belongs to something that is not ours, or the
        database is read-only. What was registered before stays.
    """
    _check_name(name)
    once = OnceScorer(scorer)
    functions, omitted = functions_of(once)
    names = {function.kind: function_name(name, function.kind) for function in functions}
    before = _existing(connection, name, (*names.values(), function_name(name, "version")))
    token = secrets.token_hex(4)
    created: list[str] = []
    try:
        for function in functions:
            udf = f"{_UDF_PREFIX}{names[function.kind]}_{token}"
            _create_udf(connection, udf, function, scorer)
            created.append(udf)
        with _transaction(connection):
            _drop_macros(connection, name)
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {CHECK_SCHEMA}")
            for statement in check_macros(name, scorer.model):
                connection.execute(statement)
            for function, udf in zip(functions, created, strict=True):
                connection.execute(
                    function_macro(
                        names[function.kind],
                        name,
                        udf,
                        scorer.model,
                        takes_level=function.takes_level,
                    )
                )
            if version is not None:
                names["version"] = function_name(name, "version")
                connection.execute(
                    f"CREATE OR REPLACE MACRO {quote(names['version'])}() AS "
                    f"CAST({{'{_UDF_PREFIX}version': {version:d}}}.{_UDF_PREFIX}version AS BIGINT)"
                )
    except duckdb.Error as error:
        _remove_udfs(connection, created)
        raise _explained(error, name) from error
    _remove_udfs(connection, before)
    _remove_at_exit(connection, created)
    return Registration(name, names, omitted, once, connection)


def unregister(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Drop all functions that a model has under a name.

    Raises
    ------
    RegistrationError
        If there are none.
    """
    _check_name(name)
    udfs = _existing(connection, name, ())
    with _transaction(connection):
        dropped = _drop_macros(connection, name)
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


_KINDS = (_PREDICT, "predict_proba", "explain", "interval", "version")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        message = (
            f"{name!r} cannot name a function: use a letter, then at most 62 letters, digits and "
            "underscores."
        )
        raise RegistrationError(message)


def _create_udf(
    connection: duckdb.DuckDBPyConnection, udf: str, function: Function, scorer: Scorer
) -> None:
    model = scorer.model
    fields = {column.name: argument_of(model, column).passed for column in model.signature.columns}
    parameters = [duckdb.struct_type(fields)]
    if function.takes_level:
        parameters.append(duckdb.sqltype("DOUBLE"))
    connection.create_function(
        udf,
        _body(function),
        parameters,
        _sql_type(connection, function.returns),
        type="arrow",
        null_handling="special",
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


def _sql_type(
    connection: duckdb.DuckDBPyConnection, arrow_type: pa.DataType
) -> duckdb.sqltypes.DuckDBPyType:
    """Ask DuckDB which type it gives an Arrow type."""
    empty = pa.table({"answer": pa.array([], arrow_type)})
    return connection.from_arrow(empty).types[0]


def _existing(
    connection: duckdb.DuckDBPyConnection, name: str, wanted: tuple[str, ...]
) -> list[str]:
    """Give the UDFs behind the present functions of a name; refuse to touch foreign ones."""
    ours: list[str] = []
    pattern = re.compile(re.escape(_UDF_PREFIX) + r"\w+_[0-9a-f]{8}")
    for function in dict.fromkeys([*(function_name(name, k) for k in _KINDS), *wanted]):
        rows = connection.execute(
            "SELECT macro_definition, internal FROM duckdb_functions() WHERE "
            "lower(function_name) = lower(?) AND (internal OR function_type = 'macro')",
            [function],
        ).fetchall()
        for definition, internal in rows:
            if definition is not None and _UDF_PREFIX in definition:
                ours += pattern.findall(definition)
            elif function in wanted or internal:
                whose = "one of DuckDB's own functions" if internal else "a macro of yours"
                message = f"{function!r} is {whose}; register the model under another name=."
                raise RegistrationError(message)
    return list(dict.fromkeys(ours))


def _drop_macros(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    """Drop what an earlier registration made: it may have had more functions or columns."""
    functions = [function_name(name, kind) for kind in _KINDS]
    rows = connection.execute(
        "SELECT DISTINCT schema_name, function_name FROM duckdb_functions() WHERE "
        "function_type = 'macro' AND NOT internal AND database_name = current_database() AND ("
        f"(function_name IN ({', '.join(map(literal, functions))}) "
        f"AND contains(macro_definition, {literal(_UDF_PREFIX)})) OR "
        f"(schema_name = {literal(CHECK_SCHEMA)} "
        f"AND starts_with(function_name, {literal(name + ': column ')})))"
    ).fetchall()
    for schema, function in rows:
        connection.execute(f"DROP MACRO {quote(schema)}.{quote(function)}")
    return len(rows)


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
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
            "the database is read-only, and macros live in the database. Connect to memory and "
            "attach the file: con = duckdb.connect(); con.execute(\"ATTACH 'file' (READ_ONLY)\")"
        )
    elif isinstance(error, duckdb.Error) and "ResourceInUse" in type(error).__name__:
        text = "a result of this connection is still being read: fetch all of it first"
    return RegistrationError(f"{name!r} cannot be registered: {text}")


def _remove_udfs(connection: duckdb.DuckDBPyConnection, udfs: list[str]) -> None:
    for udf in udfs:
        # Made by another cursor or process, or the connection is closed: nothing calls it now.
        with suppress(duckdb.Error):
            connection.remove_function(udf)


def _remove_at_exit(connection: duckdb.DuckDBPyConnection, udfs: list[str]) -> None:
    """DuckDB prints a leak report at exit for functions of connections that were not closed."""
    reference = weakref.ref(connection)

    def remove() -> None:
        alive = reference()
        if alive is not None:
            _remove_udfs(alive, udfs)

    atexit.register(remove)
