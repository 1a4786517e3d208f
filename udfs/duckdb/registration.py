"""Create, replace and drop the functions of one model in a DuckDB connection."""

from __future__ import annotations

import atexit
import re
import secrets
import threading
import weakref
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from duckdb.func import ARROW, SPECIAL

from ...errors import RegistrationError
from ..functions import functions_of
from ..recent import OnceScorer
from .callables import make_callable, retire
from .macros import (
    CHECK_SCHEMA,
    Place,
    argument_of,
    call_udf,
    check_macros,
    function_macro,
    literal,
    quote,
)
from .native import native_calls
from .ownership import KINDS, Held, claim, function_name, mark, token_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from duckdb.sqltypes import DuckDBPyType

    from ...ir import Model
    from ...kernels import Scorer
    from ..functions import Function
    from .macros import Call

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
# No keyword, but DuckDB reads date(x) as a cast.
_SYNTAX = {"date"}
# Two threads that replace the same functions would conflict in DuckDB's catalog.
_registering = threading.RLock()
_models: dict[str, tuple[weakref.ref[OnceScorer], str]] = {}
"""By the token of each function: its model, and what people call it."""


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
    held
        Tells later whether they are still what a connection calls by these names.
    """

    _place: Place = field(repr=False)
    functions: Mapping[str, str]
    omitted: Mapping[str, str]
    _once: OnceScorer = field(repr=False)
    _connection: duckdb.DuckDBPyConnection = field(repr=False)
    held: Held = field(repr=False)

    @property
    def name(self) -> str:
        """The name of the predicting function."""
        return self._place.name

    @property
    def rows_scored(self) -> int:
        """How many rows the kernel has scored for predictions, probabilities and intervals.

        All functions of the model count together; ``explain`` walks the model in its own way, and
        is not counted.
        """
        return self._once.rows_scored

    def unregister(self) -> None:
        """Drop the functions."""
        unregister(self._connection, self.name, temporary=self._place.is_temporary)


def register_scorer(  # noqa: PLR0913 - keyword options of one call
    connection: duckdb.DuckDBPyConnection,
    scorer: Scorer,
    name: str,
    *,
    version: int | None = None,
    temporary: bool = False,
    bundle: str | None = None,
    label: str | None = None,
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
    bundle
        Where the model's bundle is, if it holds a native program, as the extension reads it: an
        absolute path, a ``#``, and the digest. With the extension, ``predict`` and
        ``predict_proba`` then run natively.
    label
        What people call the model; the predicting function's name by default.

    Raises
    ------
    RegistrationError
        If the name is not an identifier or belongs to something that is not ours, or the
        database is read-only. What was registered before stays.
    """
    once = OnceScorer(scorer)
    functions, omitted = functions_of(once)
    names = {function.kind: function_name(name, function.kind) for function in functions}
    if version is not None:
        names["version"] = function_name(name, "version")
    marks = {kind: mark(name, kind, secrets.token_hex(4)) for kind in names}
    native = native_calls(connection, scorer.model, functions, marks, bundle)
    calls = {**{kind: call_udf(marked) for kind, marked in marks.items()}, **native}
    with _registering, _explained(name):
        place = _place(connection, name, is_temporary=temporary)
        replaced = claim(connection, place, names.values())
        try:
            for function in functions:
                if function.kind not in native:
                    create_udf(connection, marks[function.kind], function, scorer)
            with _transaction(connection):
                replaced.drop(connection)
                for statement in _macros(place, scorer.model, functions, names, calls):
                    connection.execute(statement)
                if version is not None:
                    statement = _version_macro(place, names["version"], marks["version"], version)
                    connection.execute(statement)
        except duckdb.Error:
            remove_udfs(connection, marks.values())
            raise
        remove_udfs(connection, replaced.udfs)
    remove_at_exit(connection, list(marks.values()))
    _remember(once, label or name, marks.values())
    return Registration(place, names, omitted, once, connection, Held(place, marks))


def registered_model(token: str) -> tuple[Model, str] | None:
    """Give the model behind a function, and what people call it; None of another process.

    ``token`` are the last eight letters of the mark in the function's macro.
    """
    reference, label = _models.get(token, (None, ""))
    once = reference() if reference is not None else None
    return None if once is None else (once.scorer.model, label)


def registered_tokens() -> frozenset[str]:
    """Give the tokens of all functions that were registered in this process, while they live."""
    return frozenset(_models)


def _remember(once: OnceScorer, label: str, marks: Iterable[str]) -> None:
    for token in [token for token, (there, _) in _models.items() if there() is None]:
        del _models[token]
    _models.update({token_of(marked): (weakref.ref(once), label) for marked in marks})


def _place(
    connection: duckdb.DuckDBPyConnection, name: str, *, is_temporary: bool = False
) -> Place:
    """Check the name."""
    if not _NAME.fullmatch(name):
        message = (
            f"{name!r} cannot name a function: use a letter, then at most 62 letters, digits and "
            "underscores."
        )
        raise RegistrationError(message)
    # DuckDB wants every result read to its end before the next statement: fetchall, not fetchone.
    categories = connection.execute(
        "SELECT keyword_category FROM duckdb_keywords() WHERE keyword_name = lower(?)", [name]
    ).fetchall()
    if name.lower() in _SYNTAX or any(category != "unreserved" for (category,) in categories):
        message = f"{name!r} is a word of SQL's own; register the model under another name=."
        raise RegistrationError(message)
    return Place(name, is_temporary)


def _macros(
    place: Place,
    model: Model,
    functions: Sequence[Function],
    names: Mapping[str, str],
    calls: Mapping[str, Call],
) -> Iterator[str]:
    if not place.is_temporary:
        yield f"CREATE SCHEMA IF NOT EXISTS {CHECK_SCHEMA}"
    yield from check_macros(place, model)
    for function in functions:
        kind = function.kind
        level = function.takes_level
        yield function_macro(place, names[kind], calls[kind], model, takes_level=level)


def _version_macro(place: Place, function: str, marked: str, version: int) -> str:
    """Give a constant; the struct's field marks the macro as ours."""
    constant = f"CAST({{{literal(marked)}: {version:d}}}.{quote(marked)} AS BIGINT)"
    return f"{place.create} {place.macro(function)}() AS {constant}"


def register_absent(connection: duckdb.DuckDBPyConnection, name: str, reason: str) -> None:
    """Make functions that say, when a query calls them, why there is no model behind them."""
    names = {kind: function_name(name, kind) for kind in KINDS}
    with _registering, _explained(name):
        place = _place(connection, name)
        replaced = claim(connection, place, names.values())
        with _transaction(connection):
            replaced.drop(connection)
            for kind, function in names.items():
                marked = mark(name, kind, secrets.token_hex(4))
                body = f"error({{{literal(marked)}: {literal(reason)}}}.{quote(marked)})"
                parameters = "" if kind == "version" else '"row"'
                connection.execute(
                    f"{place.create} {place.macro(function)}({parameters}) AS "
                    f"CAST({body} AS DOUBLE)"
                )
        remove_udfs(connection, replaced.udfs)


def unregister(
    connection: duckdb.DuckDBPyConnection, name: str, *, temporary: bool = False
) -> None:
    """Drop all functions that a model has under a name.

    Raises
    ------
    RegistrationError
        If there are none.
    """
    with _registering, _explained(name):
        place = _place(connection, name, is_temporary=temporary)
        replaced = claim(connection, place)
        if not replaced.udfs:
            message = f"No model is registered as {name!r} in this connection."
            raise RegistrationError(message)
        with _transaction(connection):
            replaced.drop(connection)
        remove_udfs(connection, replaced.udfs)


def create_udf(
    connection: duckdb.DuckDBPyConnection, udf: str, function: Function, scorer: Scorer
) -> None:
    """Let Python answer a function of DuckDB's."""
    model = scorer.model
    fields = {column.name: argument_of(model, column).passed for column in model.signature.columns}
    parameters: list[Any] = [duckdb.struct_type(fields)]
    if function.takes_level:
        parameters.append(duckdb.sqltype("DOUBLE"))
    connection.create_function(
        udf,
        make_callable(udf, function),
        parameters,
        arrow_to_sql_type(connection, function.returns),
        type=ARROW,
        null_handling=SPECIAL,
    )


def arrow_to_sql_type(
    connection: duckdb.DuckDBPyConnection, arrow_type: pa.DataType
) -> DuckDBPyType:
    """Ask DuckDB which type it gives an Arrow type."""
    empty = pa.table({"answer": pa.array([], arrow_type)})
    return connection.from_arrow(empty).types[0]


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Generator[None]:
    """Run statements in one transaction, or in the caller's if there is one."""
    if _in_transaction(connection):
        yield
        return
    connection.begin()
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _in_transaction(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell by the numbers of two statements: a BEGIN would abort a transaction that is open."""
    first, second = (connection.execute("SELECT txid_current()").fetchall() for _ in range(2))
    return first == second


@contextmanager
def _explained(name: str) -> Generator[None]:
    """Turn DuckDB's errors into ours, with what to do."""
    try:
        yield
    except duckdb.Error as error:
        text = str(error)
        if "read-only" in text:
            text = (
                "the database is read-only, and macros live in the database. Use temporary=True to "
                "keep them in this connection"
            )
        elif "ResourceInUse" in type(error).__name__:
            text = "a result of this connection is still being read: fetch all of it first"
        message = f"The functions of {name!r} cannot be changed: {text}"
        raise RegistrationError(message) from error


def remove_udfs(connection: duckdb.DuckDBPyConnection, udfs: Iterable[str]) -> None:
    """Remove functions, and let their models go."""
    udfs = list(udfs)
    for udf in udfs:
        # Made by another cursor or process, or the connection is closed: nothing calls it now.
        with suppress(duckdb.Error):
            connection.remove_function(udf)
    retire(udfs)


def remove_at_exit(connection: duckdb.DuckDBPyConnection, udfs: list[str]) -> None:
    """Remove functions before Python ends.

    DuckDB prints a leak report at exit for those of connections that were not closed.
    """
    reference = weakref.ref(connection)

    def remove() -> None:
        alive = reference()
        if alive is not None:
            remove_udfs(alive, udfs)

    atexit.register(remove)
