"""A model's functions as macros of a DuckDB file, which any client can call without Python.

They are called as the functions that Python registers: by a row, or with one argument a column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UnsupportedModelError
from ..models_sql import target_of
from ..udfs.answers import PREDICT, PROBA
from ..udfs.duckdb.macros import (
    FEWEST_FOR_POSITION,
    Place,
    argument_of,
    literal,
    quote,
    unused_name,
)
from .compiled import compile_model
from .warehouse import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..ir import Model
    from .compiled import Compiled
    from .models import ServedModel

MOST_COLUMNS = 64
"""Of a wider row each value would be copied once a column."""
_ANSWERS = "answers"


def duckdb_functions(served: ServedModel) -> tuple[str, ...]:
    """Write the statements that make a model's macros.

    Raises
    ------
    UnsupportedModelError
        If the model has no exact SQL in DuckDB, needs tables of its own, or is too wide.
    """
    model = served.opened.bundle.model
    if len(model.signature.columns) > MOST_COLUMNS:
        raise UnsupportedModelError(
            f"{served.title} as a macro",
            f"it reads {len(model.signature.columns)} columns, and {MOST_COLUMNS} is the most.",
            "publish its predictions as a table, and leave it out of --models.",
        )
    compiled = compile_model(model, target_of("duckdb"), _source(model))
    if compiled.query.tables:
        raise UnsupportedModelError(
            f"{served.title} as a macro",
            "it lives in tables of its own.",
            "publish its predictions as a table, and leave it out of --models.",
        )
    return tuple(_statements(served, compiled))


def _statements(served: ServedModel, compiled: Compiled) -> Iterator[str]:
    place, model = Place(served.function), compiled.model
    row = unused_name("features", model)
    for kind, answer in _answers(compiled):
        name = served.name(kind)
        # The query stands in a macro of its own, once for both ways to call the function.
        inner = f"{CATALOGUE}.{quote(f'{name}: the model')}"
        yield (
            f"CREATE OR REPLACE MACRO {inner}({row}) AS (\n"
            f"SELECT {answer} FROM (\n{compiled.query.text}\n) AS {_ANSWERS})"
        )
        yield f"{place.create} {place.macro(name)}{_overloads(model, inner)}"
    version = served.opened.version
    yield f"{place.create} {place.macro(served.name('version'))}() AS CAST({version} AS BIGINT)"


def _overloads(model: Model, inner: str) -> str:
    """Take a row, or its values by position or name."""
    columns = model.signature.columns
    row = unused_name("row", model)
    by_row = f"({row}) AS {inner}({_struct(model, f'{row}.')})"
    if len(columns) >= FEWEST_FOR_POSITION:
        names = ", ".join(quote(column.name) for column in columns)
        return f"{by_row}, ({names}) AS {inner}({_struct(model)})"
    # A row and a single value are both one argument: the type of the value decides. DuckDB does not
    # bind a parameter with a type that is named as a column of the query.
    value = unused_name("value", model)
    passed = f"{{{literal(columns[0].name)}: {value}}}"
    kind = argument_of(model, columns[0]).accepts
    return f"({value} {kind}) AS {inner}({passed}), {by_row}"


def _struct(model: Model, prefix: str = "") -> str:
    names = model.signature.names
    return "{" + ", ".join(f"{literal(name)}: {prefix}{quote(name)}" for name in names) + "}"


def _answers(compiled: Compiled) -> Iterator[tuple[str, str]]:
    prediction = [f"{_ANSWERS}.{quote(name)}" for name in compiled.prediction]
    yield (
        PREDICT,
        prediction[0] if len(prediction) == 1 else f"array_value({', '.join(prediction)})",
    )
    probabilities = [f"{_ANSWERS}.{quote(name)}" for name in compiled.probabilities]
    if compiled.labels:
        fields = zip(compiled.labels, probabilities, strict=True)
        yield PROBA, "{" + ", ".join(f"{literal(key)}: {value}" for key, value in fields) + "}"
    elif probabilities:
        yield PROBA, probabilities[0]


def _source(model: Model) -> str:
    """Take the row apart that the macro is given, which is named once, whatever it is.

    The model's SQL itself refuses columns of the wrong type. Macros that check them, as registered
    functions have, cannot stand here: DuckDB does not bind them below parameters of the same name.
    """
    row, packed = unused_name("features", model), unused_name("packed", model)
    fields = ", ".join(
        f"struct_extract({packed}, {literal(name)}) AS {quote(name)}"
        for name in model.signature.names
    )
    return f"(SELECT {fields} FROM (SELECT {row} AS {packed}) AS one) AS given"
