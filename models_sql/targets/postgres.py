"""PostgreSQL. NaN equals itself and is the greatest number.

An overflow, an underflow to zero and a division by zero end the query. A subquery would be merged
into the one around it, and what it computes be computed again: so stages are materialized.
"""

from ...ir import ColumnType
from ...ir.steps import Function
from ..target import Forms, Limits, Target, decimal


def number(value: float) -> str:
    """Write a number as text with a type: a literal by itself is NUMERIC."""
    return f"'{decimal(value)}'::float8"


TARGET = Target(
    name="postgres",
    title="PostgreSQL",
    dialect="postgres",
    evidence="run by the tests (PostgreSQL 18)",
    folds="lower",
    number=number,
    infinity="'Infinity'::float8",
    minus_infinity="'-Infinity'::float8",
    is_nan="{} = 'NaN'::float8",
    divides_by_zero=False,
    to_double="CAST({} AS float8)",
    to_float32="CAST(CAST({} AS float4) AS float8)",
    truth_to_double="CASE WHEN {0} THEN '1'::float8 WHEN NOT {0} THEN '0'::float8 END",
    # Collations are for text only, so a column of another type is an error.
    text_key='({} COLLATE "C")',
    time_literal="TIMESTAMP '{}'",
    functions={
        Function.EXP: "exp({})",
        Function.LOG: "ln({})",
        Function.SQRT: "sqrt({})",
        Function.FLOOR: "floor({})",
        Function.CEIL: "ceil({})",
    },
    # A constant cast would fail before a row is read; the row's value keeps it from being one.
    refusal=(
        "CASE WHEN {condition} THEN "
        "CAST({message} || coalesce(': ' || CAST({value} AS text), '') AS int) ELSE 0 END"
    ),
    stage="{name} AS MATERIALIZED (\n{query}\n)",
    limits=Limits(bytes=64 * 2**20, terms=800, depth=400, cases=400, columns=1_600),
    types={
        ColumnType.DOUBLE: "float8",
        ColumnType.BIGINT: "int8",
        ColumnType.BOOLEAN: "boolean",
        ColumnType.VARCHAR: "text",
        ColumnType.TIMESTAMP: "timestamp",
    },
    forms=Forms(
        function=(
            "CREATE OR REPLACE FUNCTION {name}({parameters})\n"
            "RETURNS TABLE ({results}) LANGUAGE sql STABLE AS $foresql$\n{query}\n$foresql$"
        ),
        argument="${index}",
    ),
)
