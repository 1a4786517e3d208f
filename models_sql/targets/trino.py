"""Trino. Doubles follow IEEE 754, and NaN is unequal to everything."""

from ...ir.steps import Function
from ..target import Limits, Target

TARGET = Target(
    name="trino",
    title="Trino",
    dialect="trino",
    evidence=(
        "to be checked against "
        "the documentation of Trino (Data types, Mathematical functions, query.max-length); "
        "sqlglot parses it, no test runs it"
    ),
    infinity="infinity()",
    minus_infinity="-infinity()",
    is_nan="is_nan({})",
    divides_by_zero=True,
    to_float32="CAST(CAST({} AS REAL) AS DOUBLE)",
    time_literal="TIMESTAMP '{}'",
    greatest="greatest({})",
    functions={
        Function.EXP: "exp({})",
        Function.LOG: "ln({})",
        Function.SQRT: "sqrt({})",
        Function.FLOOR: "floor({})",
        Function.CEIL: "ceiling({})",
    },
    # A text that is no number ends the query, and the error quotes it.
    refusal=(
        "CASE WHEN {condition} THEN "
        "CAST({message} || COALESCE(CAST({value} AS VARCHAR), '') AS INTEGER) ELSE 0 END"
    ),
    limits=Limits(bytes=1_000_000, terms=100, depth=60, cases=40, columns=2_000),
)
