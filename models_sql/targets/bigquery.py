"""BigQuery. NaN is unequal to everything; an overflow or a division by zero ends the query.

There is no float32. A literal with an exponent is FLOAT64. Texts are compared as bytes: a column
may have a collation that ignores case.
"""

from ...ir.steps import Function
from ..storage import Storage
from ..target import Limits, Target, escaped


def binary(text: str) -> str:
    """Write a text as its bytes."""
    return f"CAST({escaped(text)} AS BYTES)"


TARGET = Target(
    name="bigquery",
    title="BigQuery",
    dialect="bigquery",
    evidence=(
        "the ZetaSQL documentation (Floating point semantics, Floating point literals, Operators) "
        "and source (how text and INT64 become FLOAT64); unproven: last bits of EXP and LN, limits "
        "of nesting"
    ),
    quotes=("`", "`"),
    infinity="CAST('inf' AS FLOAT64)",
    minus_infinity="CAST('-inf' AS FLOAT64)",
    is_nan="IS_NAN({})",
    divides_by_zero=False,
    to_double="CAST({} AS FLOAT64)",
    text_key="CAST({} AS BYTES)",
    text_literal=binary,
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
    storage=Storage(
        integer="INT64",
        double="FLOAT64",
        text="STRING",
        list_type="ARRAY<{}>",
        suffix="parquet",
        load=("LOAD DATA INTO {name} FROM FILES (format = 'PARQUET', uris = ['{stage}/{file}'])",),
        client="bq query --use_legacy_sql=false < FILE",
    ),
)
