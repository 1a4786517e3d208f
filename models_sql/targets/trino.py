"""Trino. Doubles follow IEEE 754, and NaN is unequal to everything."""

from ...ir.steps import Function
from ..storage import Storage
from ..target import TRIGONOMETRY, Limits, Target

TARGET = Target(
    name="trino",
    title="Trino",
    dialect="trino",
    evidence=(
        "the documentation of Trino (Data types, Mathematical functions) and its source "
        "(DoubleType, DoubleOperators: Java's doubles); unproven: limits of nesting"
    ),
    infinity="infinity()",
    minus_infinity="-infinity()",
    is_nan="is_nan({})",
    divides_by_zero=True,
    to_float32="CAST(CAST({} AS REAL) AS DOUBLE)",
    time_literal="TIMESTAMP '{}'",
    greatest="greatest({})",
    remainder="mod({}, {})",
    power="power({}, {})",
    functions={
        Function.EXP: "exp({})",
        Function.LOG: "ln({})",
        Function.SQRT: "sqrt({})",
        **TRIGONOMETRY,
        Function.FLOOR: "floor({})",
        Function.CEIL: "ceiling({})",
    },
    # A text that is no number ends the query, and the error quotes it.
    refusal=(
        "CASE WHEN {condition} THEN "
        "CAST({message} || COALESCE(CAST({value} AS VARCHAR), '') AS INTEGER) ELSE 0 END"
    ),
    limits=Limits(bytes=1_000_000, terms=100, depth=60, cases=40, columns=2_000),
    storage=Storage(
        list_type="ARRAY({})",
        list_values="ARRAY[{}]",
        client="trino -f FILE",
    ),
)
