"""The SQL that scores a function natively: a call of the extension, in the function's own type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from ..functions import PREDICT, PROBA
from .extension import loaded_extension
from .macros import literal, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from duckdb import DuckDBPyConnection

    from ...ir import Model
    from ..functions import Function
    from .macros import Call

_EXACT_IN_DOUBLE = 2**53


def native_calls(
    connection: DuckDBPyConnection,
    model: Model,
    functions: Sequence[Function],
    marks: Mapping[str, str],
    bundle: str | None,
) -> Mapping[str, Call]:
    """From kind to what writes its call, of the functions that run natively in a connection.

    ``bundle`` is the extension's reference to the model, with its digest; by the ``marks``, which
    are texts, the macros around the calls are known as ours.
    """
    loaded = loaded_extension(connection) if bundle is not None else None
    if bundle is None or loaded is None or not loaded.reads_files:
        return {}
    written = {f.kind: _native_call(bundle, f, model, marks[f.kind]) for f in functions}
    return {kind: call for kind, call in written.items() if call is not None}


def _native_call(bundle: str, function: Function, model: Model, marked: str) -> Call | None:
    if function.kind not in {PREDICT, PROBA}:
        return None
    # The mark is the field of a struct: DuckDB folds it when it binds the call.
    path = f"{{{literal(marked)}: {literal(bundle)}}}.{quote(marked)}"
    name, wrap = _prediction(model, function.returns)
    if function.kind == PROBA:
        name, wrap = _probabilities(function.returns)

    def write(arguments: list[str]) -> str:
        return wrap(f"system.main.{name}({', '.join([path, *arguments])})")

    return write


def _as_it_is(call: str) -> str:
    return call


def _cast(sql_type: str) -> Callable[[str], str]:
    return lambda call: f"CAST({call} AS {sql_type})"


def _prediction(model: Model, returns: pa.DataType) -> tuple[str, Callable[[str], str]]:
    if pa.types.is_string(returns):
        return "foresql_predict_label", _as_it_is
    if pa.types.is_boolean(returns):
        return "foresql_predict", _cast("BOOLEAN")
    if pa.types.is_integer(returns):
        exact = all(abs(int(label)) <= _EXACT_IN_DOUBLE for label in model.outputs.classes or ())
        return "foresql_predict" if exact else "foresql_predict_label", _cast("BIGINT")
    if pa.types.is_fixed_size_list(returns):
        return "foresql_predict_all", _cast(f"DOUBLE[{returns.list_size}]")
    return "foresql_predict", _as_it_is


def _probabilities(returns: pa.DataType) -> tuple[str, Callable[[str], str]]:
    if pa.types.is_floating(returns):
        return "foresql_predict_proba", _as_it_is
    fields = ", ".join(
        f"{literal(returns.field(index).name)}: each_class[{index + 1}]"
        for index in range(returns.num_fields)
    )
    # A lambda binds the list once: a macro would call the model for every class.
    return (
        "foresql_predict_proba_all",
        lambda call: f"list_transform([{call}], lambda each_class: {{{fields}}})[1]",
    )
