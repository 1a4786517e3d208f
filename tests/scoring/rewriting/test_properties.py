"""Random queries over random tables give the same with and without the rewriter."""

# ruff: noqa: E501

import math

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foresql.scoring.rewriting import rewrite

KEYS = ["EWR", "JFK", "LGA", "SFO"]

NUMBERS = ["-7.5", "-1", "0", "0.5", "2", "3.25", "1e1", "12", "0.1e0", "-0.30000000000000004"]
WHOLE = ["-6", "-1", "0", "3", "4", "10", "19", "7.5"]
TEXTS = ["'EWR'", "'JFK'", "'LGA'", "'jfk'", "''"]
SIGNS = ["=", "<", "<=", ">", ">=", "<>"]
COLUMNS = {"x": NUMBERS, "i": WHOLE, "k": TEXTS}
TYPES = {
    "x": ["DOUBLE", "FLOAT", "DECIMAL(9, 3)"],
    "i": ["INTEGER", "BIGINT", "UBIGINT", "DOUBLE"],
    "k": ["VARCHAR", "ENUM('', 'EWR', 'JFK', 'LGA', 'OSL', 'SFO')", "VARCHAR COLLATE NOCASE"],
}
CALLS = {
    "number": [
        "predict_reg({0})",
        "predict_proba_big({0})",
        "predict_tree({0})",
        "predict_strict({0})",
    ],
    "other": ["predict_class({0})", "predict_proba_class({0})", "predict_big({0})"],
}


@st.composite
def tables(draw):
    """Rows with NULL, NaN, infinite and unseen values, and the types of their columns."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.sampled_from([40, 12, 1, 0]))
    clean = draw(st.booleans())
    kinds = {name: draw(st.sampled_from(types)) for name, types in TYPES.items()}
    x = random.choice([-20.0, -7.5, -0.3, 0.0, 0.1, 0.5, 3.25, 11.0, 1e3], count).astype(object)
    k = random.choice([*KEYS, *(() if clean else ("OSL", ""))], count).astype(object)
    i = random.integers(0 if kinds["i"] == "UBIGINT" else -6, 21, count).astype(object)
    if not clean:
        x[random.random(count) < 0.2] = math.nan if kinds["x"] in ("DOUBLE", "FLOAT") else 1.5
        for column in (x, k, i):
            column[random.random(count) < 0.1] = None
    rows = {
        "id": pa.array(range(count), pa.int64()),
        "k": pa.array(list(k), pa.string()),
        "x": pa.array(
            [None if v is None else float(v) for v in x], pa.float64(), from_pandas=False
        ),
        "i": pa.array(list(i), pa.int64()),
        "b": pa.array([bool(v) for v in random.random(count) < 0.5], pa.bool_()),
    }
    return pa.table(rows), kinds


@st.composite
def conditions(draw, alias, depth=2):  # noqa: PLR0911
    if depth and draw(st.integers(0, 3)) == 0:
        parts = [draw(conditions(alias, depth - 1)) for _ in range(2)]
        return f"({parts[0]} {draw(st.sampled_from(['AND', 'OR']))} {parts[1]})"
    if depth and draw(st.integers(0, 7)) == 0:
        return f"NOT ({draw(conditions(alias, depth - 1))})"
    name = draw(st.sampled_from(["x", "i", "k", "b"]))
    column = draw(st.sampled_from([f"{alias}.{name}", name]))
    if name == "b":
        return draw(st.sampled_from(["{0}", "NOT {0}", "{0} = true", "{0} IS NOT NULL"])).format(
            column
        )
    values = st.sampled_from(COLUMNS[name])
    form = draw(st.sampled_from(["compare", "compare", "mirror", "between", "in", "null", "cast"]))
    if form == "between":
        return f"{column} BETWEEN {draw(values)} AND {draw(values)}"
    if form == "in":
        return f"{column} IN ({', '.join(draw(st.lists(values, min_size=1, max_size=3)))})"
    if form == "null":
        return f"{column} IS {draw(st.sampled_from(['', 'NOT ']))}NULL"
    if form == "cast":
        return f"coalesce({column}, {draw(values)}) = {draw(values)}"
    sign, value = draw(st.sampled_from(SIGNS)), draw(values)
    return f"{value} {sign} {column}" if form == "mirror" else f"{column} {sign} {value}"


@st.composite
def calls(draw, alias, kind="number"):
    written = draw(st.sampled_from(CALLS[kind]))
    if "tree" in written and draw(st.booleans()):
        form = draw(
            st.sampled_from(
                [
                    f"i := {alias}.i, x := {alias}.x * 2",
                    f"{alias}.x, predict_reg({alias})",
                    f"{{'x': 0.5, 'i': {alias}.i}}",
                    f"x := CASE WHEN {alias}.b THEN {alias}.x END, i := 3",
                ]
            )
        )
        return written.format(form)
    return written.format(alias)


@st.composite
def queries(draw):
    where = " AND ".join(draw(st.lists(conditions("f"), max_size=3)))
    inner = draw(conditions("g"))
    source, prefix = draw(
        st.sampled_from(
            [
                ("t f", ""),
                ("t AS f", ""),
                (f"(SELECT * FROM t g WHERE {inner}) f", ""),
                ("c f", f"WITH c AS (SELECT g.id, k, x, i, b FROM t g WHERE {inner}) "),
                (
                    "c f",
                    f"WITH c AS (SELECT id, k, x, i, b FROM t g WHERE {inner} ORDER BY id LIMIT 9) ",
                ),
                (
                    "c f",
                    "WITH c AS (SELECT t.id, w.k, w.x, t.i, t.b FROM t LEFT JOIN w ON t.k = w.k) ",
                ),
                ("t f LEFT JOIN w ON f.k = w.k AND w.y > 1", ""),
                ("t f JOIN w ON f.k = w.k AND f.i > 2", ""),
                ("w JOIN t f USING (id)", ""),
                ("w FULL JOIN t f ON w.id = f.id", ""),
            ]
        )
    )
    if "JOIN" in source or "LIMIT" in prefix:
        where = " AND ".join(c for c in where.split(" AND ") if c) and where
    score = draw(calls("f"))
    if draw(st.booleans()):
        compared = (
            f"{score} {draw(st.sampled_from(SIGNS))} {draw(st.sampled_from(['0.5', '8', '3e0']))}"
        )
        where = " AND ".join(part for part in (where, compared) if part)
    clause = f" WHERE {where}" if where else ""
    other = draw(calls("f", draw(st.sampled_from(["number", "other"]))))
    columns = "*" if "JOIN" in source else "*, f.*"
    return prefix + draw(st.sampled_from([
        f"SELECT f.id, {score}, {other} AS o FROM {source}{clause} ORDER BY ALL",
        f"SELECT f.id AS n, {score} * 2 + 1, CASE WHEN f.i > 3 THEN {other} END FROM {source}{clause} ORDER BY ALL",
        f"SELECT f.k, max({score}), count(*), min({other}) FROM {source}{clause} GROUP BY f.k ORDER BY ALL",
        f"SELECT f.k, f.i, count(*) FROM {source}{clause} GROUP BY ROLLUP (f.k, f.i) HAVING max({score}) > 1 ORDER BY ALL",
        f"SELECT {columns}, {score} AS s FROM {source}{clause} ORDER BY s, f.id LIMIT 5",
        f"SELECT id, s FROM (SELECT f.id, f.x AS x, f.i, f.k, f.b, {score} AS s FROM {source}{clause}) h WHERE {draw(conditions('h'))} ORDER BY ALL",
        f"SELECT count(*) FROM {source} WHERE {draw(conditions('f', 0))} OR {score} > 2",
        f"SELECT f.id, rank() OVER (ORDER BY {score}, f.id) FROM {source}{clause} QUALIFY {score} IS NOT NULL ORDER BY ALL",
        f"SELECT (SELECT max({score}) FROM {source}{clause}) AS m, predict_reg('JFK', 0.5, 3, true) AS p",
    ]))  # fmt: skip


def make(connection, table, kinds):
    x, i, k = (kinds[name] for name in ("x", "i", "k"))
    nulls = "isnan(x)" if x.startswith("DECIMAL") else "false"
    rows = table  # noqa: F841 - DuckDB finds it by its name
    connection.execute(
        f"CREATE OR REPLACE TABLE t (id BIGINT, k {k}, x {x}, i {i}, b BOOLEAN); INSERT INTO t SELECT id, k, "
        f"CASE WHEN {nulls} THEN NULL ELSE x END, i, b FROM rows; "
        "CREATE OR REPLACE TABLE w (id BIGINT UNIQUE, k VARCHAR PRIMARY KEY, x DOUBLE, y INTEGER); "
        "INSERT INTO w VALUES (1, 'JFK', 2.5, 1), (2, 'LGA', NULL, 2), (4, 'OSL', 'nan', 3)"
    )


def outcome(run):
    try:
        return "rows", repr(run())
    except duckdb.Error as error:
        text = str(error)
        return (
            "error",
            "refused" if "accepts no" in text or "known" in text or "foresql" in text else text,
        )


@pytest.mark.parametrize("kind", ["arrow", "native"])
@given(table=tables(), query=queries())
@settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_rewritten_queries_give_the_same(connected, kind, table, query):
    connection = connected[kind]
    make(connection, *table)
    try:
        expected = outcome(lambda: connection.sql(query).fetchall())
    except duckdb.Error:
        return
    for route, statistics in (("udf", False), ("udf", True), ("sql", False), ("sql", True)):
        try:
            rewritten = rewrite(query, connection, route=route, statistics=statistics)
        except duckdb.Error:
            assert expected[0] == "error"
            continue
        with rewritten as made:
            found = outcome(lambda: connection.sql(made.sql).fetchall())
            assert found == expected, f"{route} {statistics}\n{query}\n{made.sql}\n{made.explain}"
