"""Which functions a version of a model has in Snowflake, with their arguments and what they return.

Numbers are declared FLOAT: every integer and decimal of SQL coerces to it, correctly rounded, and
it arrives as float64, in which NULL is NaN. So are keys that are integers, where all of them are
below 2**53: then no two integers become the key's float, and a fraction is refused instead of
rounded, as it would be on its way into a NUMBER.
Source: https://docs.snowflake.com/en/developer-guide/udf/python/udf-python-batch
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...ir import ColumnType
from ...kernels.contributions import explanation_problem
from ...kernels.frame import Reading
from ..answers import (
    EXPLAIN,
    INTERVAL,
    NO_INTERVAL,
    NO_PROBABILITIES,
    PREDICT,
    PROBA,
    labels_of,
    margin_names,
)
from .handler import MOST_ARGUMENTS

if TYPE_CHECKING:
    from ...ir import Column, Model

FLOAT, INTEGER = "FLOAT", "NUMBER(38, 0)"
_EXACT_IN_FLOAT = 2**53
_BINARY = 2

_TYPES = {
    ColumnType.DOUBLE: FLOAT,
    ColumnType.BIGINT: INTEGER,
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.VARCHAR: "VARCHAR",
    ColumnType.TIMESTAMP: "TIMESTAMP_NTZ",
}


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a function: the model's column, and the SQL type that is declared."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class ServedFunction:
    """One function of a version.

    Attributes
    ----------
    kind
        ``predict``, ``predict_proba``, ``explain`` or ``interval``.
    arguments
        The model's columns in the order of its signature; ``interval`` has its level last.
    returns
        The SQL type of the answer. An OBJECT holds a probability a class, ``base_value`` and
        ``contributions`` (a number a column) or, where there are several raw scores, these by
        class; and ``low`` and ``high``. A number in an OBJECT or
        ARRAY that is not finite is the text NaN, inf or -inf, which ``::FLOAT`` reads back.
    entry
        The Python function in the handler's module.
    packed
        There are more arguments than Snowflake takes. The columns come in one OBJECT, which
        ``OBJECT_CONSTRUCT_KEEP_NULL('column', value, …)`` makes, under the names of the model;
        ``interval``'s level follows as a second argument.
    """

    kind: str
    arguments: tuple[Argument, ...]
    returns: str
    entry: str
    packed: bool


def served_functions(model: Model) -> tuple[list[ServedFunction], dict[str, str]]:
    """List the functions that a model has, and why it lacks the others."""
    columns = argument_types(model)
    level = (*columns, Argument(_unused("level", model), FLOAT))
    functions = [_function(PREDICT, columns, _prediction_type(model))]
    omitted: dict[str, str] = {}
    problem = _probability_problem(model)
    if problem is None:
        returns = FLOAT if len(labels_of(model)) == _BINARY else "OBJECT"
        functions.append(_function(PROBA, columns, returns))
    else:
        omitted[PROBA] = problem
    problem = explanation_problem(model) or _name_problem(margin_names(model))
    if problem is None:
        functions.append(_function(EXPLAIN, columns, "OBJECT"))
    else:
        omitted[EXPLAIN] = problem
    if model.residuals:
        functions.append(_function(INTERVAL, level, "OBJECT"))
    else:
        omitted[INTERVAL] = NO_INTERVAL
    return functions, omitted


def argument_types(model: Model) -> tuple[Argument, ...]:
    """Give each column of the model the SQL type with which it arrives whole."""
    keys = {name: voc.keys for name, voc in Reading.of(model).vocabularies.items()}
    return tuple(
        Argument(column.name, _argument_type(column, keys.get(column.name, ())))
        for column in model.signature.columns
    )


def _argument_type(column: Column, keys: tuple[object, ...]) -> str:
    if column.type is not ColumnType.BIGINT:
        return _TYPES[column.type]
    integers = [key for key in keys if isinstance(key, int)]
    return FLOAT if all(abs(key) < _EXACT_IN_FLOAT for key in integers) else INTEGER


def _function(kind: str, arguments: tuple[Argument, ...], returns: str) -> ServedFunction:
    return ServedFunction(kind, arguments, returns, kind, len(arguments) > MOST_ARGUMENTS)


def _prediction_type(model: Model) -> str:
    outputs = model.outputs
    if outputs.classes is not None:
        return _TYPES[outputs.label_type]
    return FLOAT if len(outputs.prediction) == 1 else "ARRAY"


def _probability_problem(model: Model) -> str | None:
    return _name_problem(labels_of(model)) if model.outputs.probabilities else NO_PROBABILITIES


def _name_problem(names: list[str]) -> str | None:
    """Keys of an OBJECT differ by case, so only equal ones collide."""
    return None if len(set(names)) == len(names) else "two class labels have the same text"


def _unused(name: str, model: Model) -> str:
    taken = {column.casefold() for column in model.signature.names}
    while name.casefold() in taken:
        name += "_"
    return name
