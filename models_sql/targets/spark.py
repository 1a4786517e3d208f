"""Spark SQL 4. Doubles follow IEEE 754, but NaN equals itself and is the greatest number.

In ANSI mode, which is the default, a division by zero ends the query.
"""

from ...ir.steps import Function
from ..target import Limits, Target, decimal, escaped


def number(value: float) -> str:
    """Write a number with the suffix of DOUBLE: a plain one may be DECIMAL."""
    return decimal(value) + "D"


TARGET = Target(
    name="spark",
    title="Spark",
    dialect="spark",
    evidence=(
        "to be checked against "
        "the SQL reference of Spark 4.0 (Literals, Special Values, ANSI compliance); "
        "sqlglot parses it, no test runs it"
    ),
    quotes=("`", "`"),
    number=number,
    infinity="CAST('Infinity' AS DOUBLE)",
    minus_infinity="CAST('-Infinity' AS DOUBLE)",
    is_nan="isnan({})",
    divides_by_zero=False,
    to_float32="CAST(CAST({} AS FLOAT) AS DOUBLE)",
    text_literal=escaped,
    message=escaped,
    time_literal="TIMESTAMP_NTZ '{}'",
    greatest="greatest({})",
    functions={
        Function.EXP: "exp({})",
        Function.LOG: "ln({})",
        Function.SQRT: "sqrt({})",
        # floor() gives BIGINT, which ends a query at a number beyond it.
    },
    refusal="CASE WHEN {condition} THEN CAST(raise_error({message}) AS INT) ELSE 0 END",
    limits=Limits(bytes=4 * 2**20, terms=100, depth=60, cases=40, columns=5_000),
)
