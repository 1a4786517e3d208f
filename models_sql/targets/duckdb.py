"""DuckDB. NaN is the greatest number and equals itself; arithmetic is IEEE 754."""

from ...ir.steps import Function
from ..target import Forms, Limits, Target

TARGET = Target(
    name="duckdb",
    title="DuckDB",
    dialect="duckdb",
    evidence="run by the tests (DuckDB 2.0)",
    infinity="'inf'::DOUBLE",
    minus_infinity="'-inf'::DOUBLE",
    is_nan="isnan({})",
    divides_by_zero=True,
    to_float32="CAST(CAST({} AS FLOAT) AS DOUBLE)",
    # It replaces nothing, and takes texts and ENUMs only: another type is an error of the binder.
    # Without the collation, a column of one that ignores case would find other keys.
    text_key="(replace({}, '', '') COLLATE C)",
    time_literal="TIMESTAMP '{}'",
    functions={
        Function.EXP: "exp({})",
        Function.LOG: "ln({})",
        Function.SQRT: "sqrt({})",
        Function.FLOOR: "floor({})",
        Function.CEIL: "ceil({})",
    },
    refusal="CASE WHEN {condition} THEN error({message}) ELSE 0 END",
    # It would take 1,000 terms, but plans long sums in more than proportional time.
    limits=Limits(bytes=64 * 2**20, terms=16, depth=400, cases=400, columns=10_000),
    forms=Forms(
        macro="CREATE OR REPLACE MACRO {name}(source) AS TABLE\n{query}",
        macro_source="query_table(source)",
    ),
)
