"""The SQL text of the macros through which a model's functions are called.

A macro takes a row (a table alias or any struct with the model's columns), or one argument a
column, by position or by name. Each column goes through a check macro of its own, whose name is
the error message that a wrong type gives: DuckDB's binder quotes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ...ir import ColumnType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ...ir import Column, Model

CHECK_SCHEMA = "foresql_checks"
"""The schema of the check macros, so that they do not clutter the user's own."""

Call: TypeAlias = Callable[[list[str]], str]
"""Writes a call of what scores a function, from the SQL of its arguments."""

_WIDE = 64
FEWEST_FOR_POSITION = 2


class Place(NamedTuple):
    """Where a model's macros live; the check macros are named after the predicting function.

    Macros of the database are not qualified by its name: they must go on working when its file is
    renamed. Temporary ones belong to the connection, and have no schemas.
    """

    name: str
    is_temporary: bool = False

    @property
    def create(self) -> str:
        """How a statement that makes a macro begins."""
        return f"CREATE OR REPLACE {'TEMP ' if self.is_temporary else ''}MACRO"

    def macro(self, function: str) -> str:
        """Qualify a function."""
        return quote(function) if self.is_temporary else f"main.{quote(function)}"

    def check(self, model: Model, column: Column) -> str:
        """Name the macro that checks a column: the message that a wrong type gives."""
        noun = argument_of(model, column).noun
        message = quote(f"{self.name}: column {column.name} must be {noun}")
        return message if self.is_temporary else f"{CHECK_SCHEMA}.{message}"


class Argument(NamedTuple):
    """How a column's values enter a function."""

    accepts: str
    noun: str
    expression: str
    passed: str


_NUMBER = Argument("DOUBLE", "a number", "value", "DOUBLE")
_KEYS: Mapping[ColumnType, Argument] = {
    ColumnType.BIGINT: Argument("HUGEINT", "an integer", "CAST(value AS BIGINT)", "BIGINT"),
    ColumnType.BOOLEAN: Argument("BOOLEAN", "a boolean", "value", "BOOLEAN"),
    ColumnType.VARCHAR: Argument("VARCHAR", "text", "value", "VARCHAR"),
    ColumnType.TIMESTAMP: Argument("TIMESTAMP", "a date or time", "value", "TIMESTAMP"),
}
_BEYOND_MICROSECONDS = r"\.\d{6}0*[1-9]"
_BOOLEAN_NUMBER = Argument("BOOLEAN", "a boolean", "value", "BOOLEAN")


def argument_of(model: Model, column: Column) -> Argument:
    """Say which SQL types a column accepts and as which it reaches the kernel."""
    if model.is_key(column.name):
        return _KEYS[column.type]
    return _BOOLEAN_NUMBER if column.type is ColumnType.BOOLEAN else _NUMBER


def quote(identifier: str) -> str:
    """Quote an identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a string."""
    return "'" + text.replace("'", "''") + "'"


def check_macros(place: Place, model: Model) -> Iterator[str]:
    """Create the check macros of all columns."""
    for column in model.signature.columns:
        argument = argument_of(model, column)
        yield (
            f"{place.create} {place.check(model, column)}(value {argument.accepts}) AS "
            f"{argument.expression}"
        )


def function_macro(
    place: Place, function: str, call: Call, model: Model, *, takes_level: bool = False
) -> str:
    """Create one function, which ``call`` writes: by row, and by position or name."""
    columns = model.signature.columns
    level = [unused_name("level", model)] if takes_level else []
    row = unused_name("row", model)
    by_row = _overload([row, *level], _of_row(place, call, model, row, level))
    names = [quote(column.name) for column in columns]
    by_value = call([features_struct(place, model), *level])
    created = f"{place.create} {place.macro(function)}"
    if len(columns) < FEWEST_FOR_POSITION:
        # A row and a single value are both one argument: the type of the value decides.
        names = [f"{names[0]} {argument_of(model, columns[0]).accepts}"]
        return f"{created}{_overload([*names, *level], by_value)}, {by_row}"
    return f"{created}{by_row}, {_overload([*names, *level], by_value)}"


def _overload(parameters: list[str], body: str) -> str:
    return f"({', '.join(parameters)}) AS {body}"


def _of_row(place: Place, call: Call, model: Model, row: str, level: list[str]) -> str:
    if len(model.signature.columns) <= _WIDE:
        return call([features_struct(place, model, f"{row}."), *level])
    # DuckDB copies the whole row into each field access of a macro's parameter: quadratic in the
    # columns. A lambda binds the row once; it only costs what a narrow row would lose in pruning.
    each = call([features_struct(place, model, "each_row."), *level])
    return f"list_transform([{row}], lambda each_row: {each})[1]"


def features_struct(place: Place, model: Model, prefix: str = "") -> str:
    """Write the struct that a model reads: each column checked, and in the kernel's type.

    ``prefix`` stands before each column name, such as the name of a table and a dot.
    """
    fields = ", ".join(
        f"{literal(column.name)}: {_checked(place, model, column, prefix + quote(column.name))}"
        for column in model.signature.columns
    )
    return "{" + fields + "}"


def _checked(place: Place, model: Model, column: Column, value: str) -> str:
    """Check a column; a time in nanoseconds is not rounded to a key that it only is close to."""
    checked = f"{place.check(model, column)}({value})"
    if argument_of(model, column).accepts != "TIMESTAMP":
        return checked
    message = (
        f"{place.name}: column {column.name} has a time that is not whole microseconds. Cast it to "
        "TIMESTAMP in the query, if rounding is what you mean."
    )
    # As text, because a macro is bound for columns of any type.
    return (
        f"CASE WHEN typeof({value}) = 'TIMESTAMP_NS' "
        f"AND regexp_matches(CAST({value} AS VARCHAR), '{_BEYOND_MICROSECONDS}') "
        f"THEN error({literal(message)}) ELSE {checked} END"
    )


def call_udf(udf: str) -> Call:
    """Write the call of a function that Python has."""
    return lambda arguments: f"{quote(udf)}({', '.join(arguments)})"


def unused_name(wanted: str, model: Model) -> str:
    """Give a parameter a name that no column has."""
    taken = {name.casefold() for name in model.signature.names}
    while wanted in taken:
        wanted += "_"
    return quote(wanted)
