"""Spark SQL 4. Doubles follow IEEE 754, but NaN equals itself and is the greatest number.

In ANSI mode, which is the default, a division by zero ends the query. Texts are compared as bytes:
a column may have a collation that ignores case.
"""

from ...ir.steps import Function
from ..storage import Storage
from ..target import TRIGONOMETRY, Limits, Target, decimal, escaped


def number(value: float) -> str:
    """Write a number with the suffix of DOUBLE: a plain one may be DECIMAL."""
    return decimal(value) + "D"


_WITHIN = (
    "CASE WHEN {0} > -4503599627370496e0D AND {0} < 4503599627370496e0D "
    "THEN CAST(rounded({0}) AS DOUBLE) ELSE {0} END"
)


def binary(text: str) -> str:
    """Write a text as its bytes."""
    return f"X'{text.encode().hex().upper()}'"


TARGET = Target(
    name="spark",
    title="Spark",
    dialect="spark",
    evidence="run by the tests (Spark 4.3, in ANSI mode)",
    quotes=("`", "`"),
    number=number,
    infinity="CAST('Infinity' AS DOUBLE)",
    minus_infinity="CAST('-Infinity' AS DOUBLE)",
    is_nan="isnan({})",
    divides_by_zero=False,
    to_float32="CAST(CAST({} AS FLOAT) AS DOUBLE)",
    text_key="CAST({} AS BINARY)",
    text_literal=binary,
    message=escaped,
    time_literal="TIMESTAMP_NTZ '{}'",
    greatest="greatest({})",
    remainder="({} % {})",
    power="power({}, {})",
    functions={
        Function.EXP: "exp({})",
        Function.LOG: "ln({})",
        Function.SQRT: "sqrt({})",
        # They give BIGINT, which ends a query at a number beyond it; those are whole.
        Function.FLOOR: _WITHIN.replace("rounded", "floor"),
        Function.CEIL: _WITHIN.replace("rounded", "ceil"),
        **TRIGONOMETRY,
    },
    refusal="CASE WHEN {condition} THEN CAST(raise_error({message}) AS INT) ELSE 0 END",
    limits=Limits(bytes=4 * 2**20, terms=100, depth=60, cases=40, columns=5_000),
    storage=Storage(
        text="STRING",
        list_type="ARRAY<{}>",
        list_values="array({})",
        suffix="parquet",
        load=("INSERT INTO {name} SELECT * FROM parquet.`{stage}/{file}`",),
        client="spark-sql -f FILE",
    ),
)
