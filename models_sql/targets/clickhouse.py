"""ClickHouse. Arithmetic is IEEE 754; columns are not nullable unless they say so.

NULL is in no list there: NOT IN holds for it, where the standard leaves it open.
"""

from ...ir.steps import Function
from ..target import Limits, Target, escaped

TARGET = Target(
    name="clickhouse",
    title="ClickHouse",
    dialect="clickhouse",
    evidence="run by the tests (chdb 4.4, ClickHouse 26.9)",
    infinity="inf",
    minus_infinity="-inf",
    is_nan="isNaN({})",
    divides_by_zero=True,
    to_double="CAST({} AS Nullable(Float64))",
    to_float32="CAST(CAST({} AS Nullable(Float32)) AS Nullable(Float64))",
    text_literal=escaped,
    text_key="CAST({} AS Nullable(String))",
    truths=("false", "true"),
    greatest="greatest({})",
    functions={
        Function.EXP: "exp({})",
        Function.LOG: "log({})",
        Function.SQRT: "sqrt({})",
        Function.FLOOR: "floor({})",
        Function.CEIL: "ceil({})",
    },
    refusal="throwIf(coalesce({condition}, false), {message})",
    message=escaped,
    limits=Limits(bytes=262_144, terms=150, depth=150, cases=100, columns=10_000),
)
