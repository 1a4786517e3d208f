"""Snowflake. NaN equals itself and is the greatest number; there is no float32.

FLOAT is a float64. A literal is text with a type, since a plain one may be a fixed-point number.
"""

from ...ir import ColumnType
from ...ir.steps import Function
from ..target import Forms, Limits, Target, decimal, escaped


def number(value: float) -> str:
    """Write a number as text with a type."""
    return f"'{decimal(value)}'::FLOAT"


TARGET = Target(
    name="snowflake",
    title="Snowflake",
    dialect="snowflake",
    evidence=(
        "to be checked against "
        "the SQL reference of Snowflake (Numeric data types, Conversion functions, GREATEST); "
        "sqlglot parses it, no test runs it"
    ),
    folds="upper",
    number=number,
    infinity="'inf'::FLOAT",
    minus_infinity="'-inf'::FLOAT",
    is_nan="{} = 'NaN'::FLOAT",
    divides_by_zero=False,
    to_double="CAST({} AS FLOAT)",
    truth_to_double="CASE WHEN {0} THEN '1'::FLOAT WHEN NOT {0} THEN '0'::FLOAT END",
    text_literal=escaped,
    message=escaped,
    time_literal="'{}'::TIMESTAMP_NTZ",
    functions={
        Function.EXP: "EXP({})",
        Function.LOG: "LN({})",
        Function.SQRT: "SQRT({})",
        Function.FLOOR: "FLOOR({})",
        Function.CEIL: "CEIL({})",
    },
    # A text that is no number ends the query, and the error quotes it.
    refusal=(
        "CASE WHEN {condition} THEN "
        "TO_NUMBER({message} || COALESCE(CAST({value} AS VARCHAR), '')) ELSE 0 END"
    ),
    limits=Limits(bytes=1_000_000, terms=200, depth=100, cases=60, columns=5_000),
    types={
        ColumnType.DOUBLE: "FLOAT",
        ColumnType.BIGINT: "NUMBER(38, 0)",
        ColumnType.BOOLEAN: "BOOLEAN",
        ColumnType.VARCHAR: "VARCHAR",
        ColumnType.TIMESTAMP: "TIMESTAMP_NTZ",
    },
    forms=Forms(
        function=(
            "CREATE OR REPLACE FUNCTION {name}({parameters})\n"
            "RETURNS TABLE ({results}) AS $$\n{query}\n$$"
        ),
    ),
)
