"""ClickHouse. Arithmetic is IEEE 754; columns are not nullable unless they say so.

NULL is in no list there: NOT IN holds for it, where the standard leaves it open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ir.steps import Function
from ..storage import Storage
from ..target import Limits, Lists, Target, decimal, escaped

if TYPE_CHECKING:
    from collections.abc import Sequence


def numbers(values: Sequence[float]) -> str:
    """Write an array of numbers."""
    return f"[{', '.join(map(decimal, values))}]"


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
        Function.NUMPY_SIN: "sin({})",
        Function.NUMPY_COS: "cos({})",
        Function.NUMPY_TAN: "tan({})",
        Function.NUMPY_ARCTAN: "atan({})",
        # asin() and acos() are off by up to 6 ulp, tanh() by far more: 0 near 0.
        Function.FLOOR: "floor({})",
        Function.CEIL: "ceil({})",
    },
    lists=Lists(
        make="[{}]",
        numbers=numbers,
        each="arrayMap(d -> {1}, {0})",
        weighted="arraySum(arrayMap((d, w) -> d * w, {0}, {1}))",
        smallest="arraySlice(arrayPartialSort({1}, {0}), 1, {1})",
        head="arraySlice({0}, 1, {1})",
        up_to="arrayFilter(d -> d <= {1}, {0})",
        at="{0}[{1}]",
    ),
    refusal="throwIf(coalesce({condition}, false), {message})",
    message=escaped,
    limits=Limits(bytes=262_144, terms=150, depth=150, cases=100, columns=10_000),
    storage=Storage(
        integer="Int64",
        double="Float64",
        text="String",
        nullable="Nullable({})",
        list_type="Array({})",
        create="CREATE TABLE {name} ({columns}) ENGINE = MergeTree ORDER BY tuple()",
        rename="RENAME TABLE {loading} TO {name}",
        suffix="parquet",
        load=("INSERT INTO {name} FROM INFILE '{file}' FORMAT Parquet",),
        client="clickhouse client --queries-file FILE",
    ),
)
