"""DataFusion. Its parser nests 50 levels by default, parentheses among them."""

from ...ir.steps import Function
from ..storage import Storage
from ..target import TRIGONOMETRY, Limits, Target

TARGET = Target(
    name="datafusion",
    title="DataFusion",
    dialect="",
    evidence="run by the tests (DataFusion 55)",
    folds="lower",
    infinity="CAST('inf' AS DOUBLE)",
    minus_infinity="CAST('-inf' AS DOUBLE)",
    is_nan="isnan({})",
    divides_by_zero=True,
    to_float32="CAST(CAST({} AS REAL) AS DOUBLE)",
    time_literal="TIMESTAMP '{}'",
    greatest="greatest({})",
    remainder="({} % {})",
    power="power({}, {})",
    functions={
        Function.EXP: "exp({})",
        Function.LOG: "ln({})",
        Function.SQRT: "sqrt({})",
        **TRIGONOMETRY,
        Function.FLOOR: "floor({})",
        Function.CEIL: "ceil({})",
    },
    # A constant cast would fail before a row is read; the row's value keeps it from being one.
    refusal=(
        "CASE WHEN {condition} THEN "
        "CAST({message} || coalesce(CAST({value} AS VARCHAR), '') AS INT) ELSE 0 END"
    ),
    # 8 roundings take 0.2 s to plan, 12 take 11 s, and stages are merged again.
    limits=Limits(bytes=16 * 2**20, terms=400, depth=40, cases=25, columns=5_000, roundings=10),
    storage=Storage(
        rename="",
        suffix="parquet",
        load=("CREATE EXTERNAL TABLE {name} STORED AS PARQUET LOCATION '{file}'",),
        makes_table=True,
        client="datafusion-cli -f FILE",
    ),
)
