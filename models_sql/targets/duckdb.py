"""DuckDB. NaN is the greatest number and equals itself; arithmetic is IEEE 754."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ir.steps import Function
from ..storage import Storage
from ..target import TRIGONOMETRY, ConstantLists, Forms, Limits, Lists, Target
from ..walks import ArrayWalk

if TYPE_CHECKING:
    from collections.abc import Sequence


def numbers(values: Sequence[float]) -> str:
    """Write a list of numbers as text with a type, which is parsed at once."""
    return f"('[{', '.join(map(repr, values))}]'::DOUBLE[])"


def point(values: Sequence[float]) -> str:
    """Write an array of numbers."""
    return f"('[{', '.join(map(repr, values))}]'::DOUBLE[{len(values)}])"


TARGET = Target(
    name="duckdb",
    title="DuckDB",
    dialect="duckdb",
    evidence="run by the tests (DuckDB 2.0)",
    infinity="'inf'::DOUBLE",
    minus_infinity="'-inf'::DOUBLE",
    is_nan="isnan({})",
    divides_by_zero=True,
    # The sign lets numbers through as they are, and is an error of the binder for any other type.
    to_double="CAST(+{} AS DOUBLE)",
    to_float32="CAST(CAST({} AS FLOAT) AS DOUBLE)",
    # It replaces nothing, and takes texts and ENUMs only: another type is an error of the binder.
    # Without the collation, a column of one that ignores case would find other keys.
    text_key="(replace({}, '', '') COLLATE C)",
    time_literal="TIMESTAMP '{}'",
    # fmod() is not C's, which % is.
    remainder="({} % {})",
    power="pow({}, {})",
    functions={
        Function.EXP: "exp({})",
        Function.LOG: "ln({})",
        Function.SQRT: "sqrt({})",
        **TRIGONOMETRY,
        Function.FLOOR: "floor({})",
        Function.CEIL: "ceil({})",
    },
    lists=Lists(
        make="[{}]",
        numbers=numbers,
        each="list_transform({0}, lambda d: {1})",
        weighted="list_inner_product({0}, {1})",
        smallest="list_aggregate({0}, 'min', {1})",
        head="{0}[:{1}]",
        up_to="list_filter({0}, lambda d: d <= {1})",
        at="{0}[{1}]",
        vector="array_value({})",
        point=point,
        distance="array_distance({0}, {1})",
        product="array_inner_product({0}, {1})",
    ),
    refusal="CASE WHEN {condition} THEN error({message}) ELSE 0 END",
    # As texts, lists are read much quicker than as expressions.
    constant_lists=ConstantLists(
        integers="'[{}]'::INTEGER[]",
        words="'[{}]'::BIGINT[]",
        wide_words="'[{}]'::HUGEINT[]",
        doubles="'[{}]'::DOUBLE[]",
        at="list_extract({}, {})",
        repeated=(
            "flatten(list_transform(list_zip({1}, {2}), "
            "lambda run: list_resize({0}, run[2], run[1])))"
        ),
        numbers="range(1, {} + 1) AS numbers(n)",
        # An element of a constant list has a known least and greatest value. Only with these does a
        # join look rows up by their number, and three times as fast as by a hash.
        number="list_extract(CAST(range(1, {} + 1) AS INTEGER[]), n)",
        digit="({0} - 1) // {1} % {2} + 1",
        round="CAST({} AS INTEGER)",
        low_bits="bit_count(xor({0}, {0} - 1))",
        right="({} >> {})",
    ),
    # It would take 1,000 terms, but plans long sums in more than proportional time.
    limits=Limits(bytes=64 * 2**20, terms=16, depth=400, cases=400, columns=10_000),
    # Lists are not copied from stage to stage, nor a constant one from row to row.
    walk=ArrayWalk(
        read="(SELECT {column} FROM {table})",
        is_carried=True,
        array="[{items}]",
        part="{array}[{first}:{last}]",
        entry="r & {limit}",
        position="{record} >> {bits}",
        map="list_transform({array}, lambda r: {body})",
        fold="list_reduce({array}, lambda a, b: {sum}, {start})",
    ),
    forms=Forms(
        macro="CREATE OR REPLACE MACRO {name}(source) AS TABLE\n{query}",
        macro_source="query_table(source)",
        # The innermost SELECT reads the row and nothing else, so no name of a caller's is captured.
        function=(
            "CREATE OR REPLACE MACRO {name}({row}) AS (\n"
            "SELECT struct_pack({fields}) FROM (\n{query}\n) AS answers)"
        ),
        argument="struct_extract({row}, {key})",
    ),
    storage=Storage(
        list_type="{}[]",
        list_numbers="'[{}]'::{type}",
        begin="BEGIN",
        commit="COMMIT",
        create="CREATE TABLE IF NOT EXISTS {name} ({columns})",
        empty="DELETE FROM {name}",
        suffix="parquet",
        load=("INSERT INTO {name} SELECT * FROM read_parquet('{file}')",),
        client="duckdb my.duckdb -f FILE",
    ),
)
