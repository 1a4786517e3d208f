"""PostgreSQL. NaN equals itself and is the greatest number.

An overflow, an underflow to zero and a division by zero end the query. A subquery would be merged
into the one around it, and what it computes be computed again: so stages are materialized.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ir import ColumnType
from ...ir.steps import Function
from ..storage import Storage
from ..target import TRIGONOMETRY, Forms, Limits, Lists, Target, decimal
from ..walks import ArrayWalk

if TYPE_CHECKING:
    from collections.abc import Sequence


def number(value: float) -> str:
    """Write a number as text with a type: a literal by itself is NUMERIC."""
    return f"'{decimal(value)}'::float8"


def numbers(values: Sequence[float]) -> str:
    """Write an array of numbers."""
    return f"'{{{','.join(map(repr, values))}}}'::float8[]"


TARGET = Target(
    name="postgres",
    title="PostgreSQL",
    dialect="postgres",
    evidence="run by the tests (PostgreSQL 18)",
    folds="lower",
    number=number,
    infinity="'Infinity'::float8",
    minus_infinity="'-Infinity'::float8",
    is_nan="{} = 'NaN'::float8",
    divides_by_zero=False,
    to_double="CAST({} AS float8)",
    to_float32="CAST(CAST({} AS float4) AS float8)",
    truth_to_double="CASE WHEN {0} THEN '1'::float8 WHEN NOT {0} THEN '0'::float8 END",
    # Collations are for text only, so a column of another type is an error.
    text_key='({} COLLATE "C")',
    time_literal="TIMESTAMP '{}'",
    power="power({}, {})",
    functions={
        Function.EXP: "exp({})",
        Function.LOG: "ln({})",
        Function.SQRT: "sqrt({})",
        **TRIGONOMETRY,
        Function.FLOOR: "floor({})",
        Function.CEIL: "ceil({})",
    },
    lists=Lists(
        make="ARRAY[{}]",
        numbers=numbers,
        each="(SELECT array_agg({1} ORDER BY i) FROM unnest({0}) WITH ORDINALITY AS u(d, i))",
        weighted="(SELECT sum(d * w) FROM unnest({0}, {1}) AS u(d, w))",
        smallest=(
            "(SELECT array_agg(d ORDER BY d) FROM "
            "(SELECT d FROM unnest({0}) AS u(d) ORDER BY d LIMIT {1}) AS s)"
        ),
        head="({0})[1:{1}]",
        up_to="(SELECT array_agg(d) FROM unnest({0}) AS u(d) WHERE d <= {1})",
        at="{0}[{1}]",
    ),
    # A constant cast would fail before a row is read; the row's value keeps it from being one.
    object_of="jsonb_build_object({})",
    refusal=(
        "CASE WHEN {condition} THEN "
        "CAST({message} || coalesce(': ' || CAST({value} AS text), '') AS int) ELSE 0 END"
    ),
    stage="{name} AS MATERIALIZED (\n{query}\n)",
    limits=Limits(bytes=64 * 2**20, terms=800, depth=400, cases=400, columns=1_600),
    # An array of a table is unpacked at each look-up, and what trim_array gives is not: a subquery
    # that reads no row is computed once.
    walk=ArrayWalk(
        read="(SELECT trim_array({column}, 0) FROM {table})",
        is_carried=False,
        array="ARRAY[{items}]",
        element="({array})[{index}]",
        part="(SELECT ({array})[{first}:{last}])",
        whole="CAST({} AS int8)",
        entry="CAST(r & {limit} AS int)",
        position="CAST({record} >> {bits} AS int)",
        number="CAST(-r AS int)",
        leaves=(
            "ARRAY(WITH RECURSIVE walk(r, k) AS (\n"
            "      SELECT u.r, u.k FROM unnest({roots}) WITH ORDINALITY AS u(r, k)\n"
            "      UNION ALL\n"
            "      SELECT {step}, k FROM walk WHERE r > 0\n"
            "    ) SELECT {leaf} FROM walk WHERE r < 0 ORDER BY k)"
        ),
        fold=(
            "(SELECT sum(u.v ORDER BY u.k) "
            "FROM unnest({start} || {array}) WITH ORDINALITY AS u(v, k))"
        ),
        float32_fold=(
            "(SELECT CAST(sum(CAST(u.v AS float4) ORDER BY u.k) AS float8) "
            "FROM unnest({start} || {array}) WITH ORDINALITY AS u(v, k))"
        ),
        count_up_to="width_bucket({value}, {array})",
    ),
    types={
        ColumnType.DOUBLE: "float8",
        ColumnType.BIGINT: "int8",
        ColumnType.BOOLEAN: "boolean",
        ColumnType.VARCHAR: "text",
        ColumnType.TIMESTAMP: "timestamp",
    },
    forms=Forms(
        function=(
            "CREATE OR REPLACE FUNCTION {name}({parameters})\n"
            "RETURNS TABLE ({results}) LANGUAGE sql STABLE AS $foresql$\n{query}\n$foresql$"
        ),
        argument="${index}",
    ),
    storage=Storage(
        integer="int8",
        double="float8",
        text="text",
        list_type="{}[]",
        list_numbers="'{{}}'::{type}",
        list_values="ARRAY[{}]",
        list_in_file="{{{}}}",
        begin="BEGIN",
        commit="COMMIT",
        create="CREATE TABLE IF NOT EXISTS {name} ({columns})",
        empty="DELETE FROM {name}",
        after="ANALYZE {name}",
        suffix="csv",
        load=(r"\copy {name} FROM '{file}' (FORMAT csv, NULL '\N')",),
        client="psql -v ON_ERROR_STOP=1 -f FILE",
    ),
)
