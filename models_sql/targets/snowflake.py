"""Snowflake. NaN equals itself and is the greatest number; there is no float32.

FLOAT is a float64. Nothing says how text is rounded to one, so numbers are written as quotients of
whole ones. Texts are compared as bytes: a column may have a collation of its own.
"""

from ...ir import ColumnType
from ...ir.steps import Function
from ..storage import Storage
from ..target import Forms, Limits, Target, escaped, quotient


def number(value: float) -> str:
    """Write a number by whole ones, each of which a FLOAT holds."""
    return quotient(value, "{}::FLOAT")


def binary(text: str) -> str:
    """Write a text as its bytes."""
    return f"TO_BINARY({escaped(text)}, 'UTF-8')"


TARGET = Target(
    name="snowflake",
    title="Snowflake",
    dialect="snowflake",
    evidence=(
        "the documentation of Snowflake (Numeric data types, Collation support, Limits on query "
        "text size); fakesnow runs its syntax; unproven: integers beyond 2**53 as FLOAT, numbers "
        "below 2.2e-308, overflow, last bits of EXP and LN, limits of nesting"
    ),
    folds="upper",
    number=number,
    infinity="'inf'::FLOAT",
    minus_infinity="'-inf'::FLOAT",
    # True of NaN whether it is unequal to itself, or equal.
    is_nan="({0} <> {0} OR {0} = 'NaN'::FLOAT)",
    has_denormals=None,
    divides_by_zero=False,
    to_double="CAST({} AS FLOAT)",
    truth_to_double="CASE WHEN {0} THEN 1::FLOAT WHEN NOT {0} THEN 0::FLOAT END",
    text_key="TO_BINARY({}, 'UTF-8')",
    text_literal=binary,
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
    storage=Storage(
        integer="NUMBER(38, 0)",
        double="FLOAT",
        suffix="parquet",
        load=(
            "CREATE OR REPLACE TEMPORARY STAGE foresql_load",
            "PUT 'file://{file}' @foresql_load AUTO_COMPRESS = FALSE",
            (
                "COPY INTO {name} FROM @foresql_load FILE_FORMAT = (TYPE = PARQUET) "
                "MATCH_BY_COLUMN_NAME = CASE_SENSITIVE"
            ),
        ),
        client="snow sql -f FILE",
    ),
)
