"""BigQuery. NaN is unequal to everything; an overflow or a division by zero ends the query.

There is no float32. A literal with an exponent is FLOAT64.
"""

from ...ir.steps import Function
from ..target import Limits, Target, escaped

TARGET = Target(
    name="bigquery",
    title="BigQuery",
    dialect="bigquery",
    evidence=(
        "to be checked against "
        "the GoogleSQL reference (Lexical structure, Data types, Mathematical functions, "
        "ERROR, Quotas); sqlglot parses it, no test runs it"
    ),
    quotes=("`", "`"),
    infinity="CAST('inf' AS FLOAT64)",
    minus_infinity="CAST('-inf' AS FLOAT64)",
    is_nan="IS_NAN({})",
    divides_by_zero=False,
    to_double="CAST({} AS FLOAT64)",
    text_literal=escaped,
    message=escaped,
    time_literal="DATETIME '{}'",
    functions={
        Function.EXP: "EXP({})",
        Function.LOG: "LN({})",
        Function.SQRT: "SQRT({})",
        Function.FLOOR: "FLOOR({})",
        Function.CEIL: "CEIL({})",
    },
    refusal="IF({condition}, ERROR({message}), 0)",
    limits=Limits(bytes=1_000_000, terms=200, depth=100, cases=60, columns=10_000),
)
