# ruff: noqa: DTZ001, E501 - DuckDB's TIMESTAMP has no zone; the grammar is a table
import math
from datetime import UTC, datetime
from decimal import Decimal

import duckdb
import lightgbm
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import foresql
from foresql.errors import ForesqlError, MissingEntityError, SignatureError
from foresql.online import FeatureView, Missing
from foresql.serving.endpoints.rowwise import NotRowwise, RowModel, RowProgram, compile_rowwise

REQUEST = {
    "i": "INTEGER", "j": "INTEGER", "b": "BIGINT", "k": "TINYINT", "u": "UINTEGER",
    "d": "DOUBLE", "e": "DOUBLE", "f": "FLOAT", "s": "VARCHAR", "r": "VARCHAR",
    "t": "TIMESTAMP", "v": "TIMESTAMP", "x": "DATE", "y": "DATE", "o": "BOOLEAN", "p": "BOOLEAN",
    "m": "DECIMAL(9,2)",
}  # fmt: skip
DOUBLES = [0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.1, 2.675, 1e-320, 1e16, 127.5, -128.5, 2147483647.5,
           2147483647.4, -2147483648.5, 9.223372036854775e18, 9.223372036854776e18, 1e39, 1.7e308,
           math.inf, -math.inf, math.nan, 0.49999999999999994, 4503599627370497.5]  # fmt: skip
TEXTS = [
    "",
    "a",
    "ab",
    "abc",
    "ABC",
    " a ",
    "aXb",
    "ßÀéİ😀",
    "e\u0301",
    "ŉǅ",
    "\t\u00a0a\n",
    "%",
    "0",
]
TIMES = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)) | st.sampled_from(
    [datetime(1970, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 999999), datetime(2012, 2, 29, 6),
     datetime(2013, 1, 31, 5, 59, 59), datetime(2020, 12, 31, 23, 0, 0, 120000)]
)  # fmt: skip


def integers(bits, signed=True):
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    near = [v for v in (low, low + 1, -7, -1, 0, 1, 2, 3, 60, high - 1, high) if low <= v <= high]
    return st.sampled_from(near) | st.integers(low, high)


numbers = st.sampled_from(DOUBLES) | st.floats()
VALUES = {
    "INTEGER": integers(32), "BIGINT": integers(64), "TINYINT": integers(8),
    "UINTEGER": integers(32, signed=False), "DOUBLE": numbers,
    "FLOAT": st.floats(width=32) | st.sampled_from([0.0, -0.0, 0.5, 2.5, 3e38, math.nan, math.inf]),
    "VARCHAR": st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
    "TIMESTAMP": TIMES, "DATE": TIMES.map(datetime.date), "BOOLEAN": st.booleans(),
    "DECIMAL(9,2)": st.integers(-(10**9) + 1, 10**9 - 1).map(lambda n: Decimal(f"{n}E-2")),
}  # fmt: skip
ROWS = st.tuples(
    *(
        st.none() | VALUES[kind] if n % 2 else VALUES[kind]
        for n, kind in enumerate(REQUEST.values())
    )
)

# What makes an expression of a kind: templates with kinds of further expressions in them.
GRAMMAR = {
    "int": ["i", "j", "b", "k", "u", "3", "-1", "0", "7", "{int} + {int}", "{int} - {int}",
            "{int} * {int}", "{int} // {int}", "{int} % {int}", "-({int})", "abs({int})", "coalesce({int}, {int})",
            "CAST({num} AS INTEGER)", "CAST({num} AS BIGINT)", "CAST({int} AS TINYINT)", "CAST({int} AS UINTEGER)",
            "TRY_CAST({num} AS INTEGER)", "CAST({bool} AS INTEGER)", "length({text})", "greatest({int}, {int})",
            "least({int}, {int}, {int})", "nullif({int}, {int})", "CASE WHEN {bool} THEN {int} ELSE {int} END",
            "year({time})", "month({day})", "extract(isodow FROM {day})", "dayofweek({time})", "hour({time})",
            "minute({time})", "second({time})", "week({day})", "quarter({time})", "dayofyear({day})",
            "day({time})", "isoyear({day})", "{day} - {day}", "date_diff('day', {day}, {day})",
            "date_diff('{unit}', {time}, {time})", "sign({num})", "epoch_us({time})"],
    "num": ["d", "e", "f", "0.1", "1.5", "m", "-0.0::DOUBLE", "'nan'::DOUBLE", "{num} + {num}", "{num} - {num}",
            "{num} * {num}", "{num} / {num}", "{int} / {int}", "d // e", "d % e", "floor({num})", "ceil({num})",
            "round({num})", "round(d, 2)", "trunc(d)", "sqrt({num})", "abs({num})", "-({num})", "exp(d)",
            "ln(d)", "log10(d)", "log2(d)", "CAST({int} AS DOUBLE)", "CAST({num} AS DOUBLE)", "CAST(d AS FLOAT)",
            "greatest(d, e, {num})", "least(d, f)", "coalesce({num}, {num})", "CASE WHEN {bool} THEN {num} END",
            "epoch({time})", "f * f", "f + f", "m * 2", "m + m", "i * 1.5", "{int}"],
    "text": ["s", "r", "'a'", "lower({text})", "upper({text})", "{text} || {text}", "concat({text}, {text}, '-')",
             "trim({text})", "ltrim({text})", "left({text}, 2)", "substring({text}, 2, 2)", "CAST({int} AS VARCHAR)",
             "CAST({bool} AS VARCHAR)", "CAST({day} AS VARCHAR)", "CAST({time} AS VARCHAR)",
             "strftime({time}, '%Y-%m-%dT%H')", "coalesce({text}, {text})", "greatest({text}, {text})",
             "CASE {text} WHEN 'a' THEN 'A' ELSE {text} END"],
    "bool": ["o", "p", "true", "NULL::BOOLEAN", "{bool} AND {bool}", "{bool} OR {bool}", "NOT ({bool})",
             "{num} < {num}", "{num} = {num}", "{num} >= {num}", "{num} <> {num}", "{int} > {int}", "{int} = {int}",
             "{text} < {text}", "{text} = {text}", "{time} < {time}", "{day} >= {day}", "{time} > {day}",
             "{num} IS NULL", "{int} IS NOT NULL", "{num} IS DISTINCT FROM {num}", "{int} IS NOT DISTINCT FROM {int}",
             "{int} IN (1, 2, {int})", "{text} IN ('a', {text})", "{num} IN (d, {num})", "{int} NOT IN (1, NULL)",
             "{int} BETWEEN {int} AND {int}", "{num} BETWEEN {num} AND {num}", "{text} LIKE 'a%'",
             "{text} LIKE '%b'", "{text} LIKE '%b%'", "{text} LIKE 'a%b%c'", "{text} NOT LIKE 'a%c'",
             "starts_with({text}, {text})", "contains({text}, {text})", "isnan(d)", "isfinite(d)",
             "CAST({num} AS BOOLEAN)", "{int} > 1.5", "m > 1.5"],
    "time": ["t", "v", "{time} + INTERVAL 1 HOUR", "{time} - INTERVAL 2 MONTH", "{time} + INTERVAL 40 DAY",
             "date_trunc('{unit}', {time})", "CAST({day} AS TIMESTAMP)", "t + to_hours(k)", "coalesce({time}, {time})",
             "date_trunc('week', {time})"],
    "day": ["x", "y", "{day} + 3", "{day} - 1", "CAST({time} AS DATE)", "greatest({day}, {day})"],
    "unit": ["hour", "minute", "second", "day", "month", "quarter", "year"],
}  # fmt: skip


@st.composite
def expressions(draw, kind=None, depth=3):
    kind = kind or draw(st.sampled_from(["int", "num", "text", "bool", "time", "day"]))
    options = [o for o in GRAMMAR[kind] if depth > 0 or "{" not in o]
    text = draw(st.sampled_from(options))
    while "{" in text:
        before, _, rest = text.partition("{")
        inner, _, after = rest.partition("}")
        text = f"{before}{draw(expressions(inner, depth - 1))}{after}"
    return text if kind == "unit" else f"({text})"


@pytest.fixture(scope="module")
def batch():
    with duckdb.connect() as connection:
        columns = ", ".join(f"{name} {kind}" for name, kind in REQUEST.items())
        connection.execute(f"CREATE TABLE request ({columns})")
        yield connection


def of_duckdb(connection, query, row):
    connection.execute("DELETE FROM request")
    connection.execute(f"INSERT INTO request VALUES ({', '.join('?' * len(row))})", row)
    try:
        return connection.execute(query).fetchall()
    except duckdb.Error as error:
        return type(error)


def of_program(program, row):
    try:
        return program.rows([row], {})
    except ForesqlError as error:
        return error


def bits(value):
    if isinstance(value, dict):
        return {name: bits(each) for name, each in value.items()}
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value.hex()
    return type(value), str(value)


def is_beyond(value):
    """A time that Python cannot hold comes out of DuckDB as text."""
    return isinstance(value, ForesqlError) and "years 1 to 9999" in str(value)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(expressions(), st.lists(ROWS, min_size=1, max_size=4))
def test_expressions_give_the_bits_of_duckdb(batch, expression, rows):
    query = f"SELECT {expression} AS answer FROM request"
    program = compile_rowwise(query, REQUEST, {}, {})
    if isinstance(program, NotRowwise):
        return
    for row in rows:
        expected, found = of_duckdb(batch, query, row), of_program(program, row)
        if isinstance(expected, list) and isinstance(found, list):
            assert [bits(v) for v in found[0]] == [bits(v) for v in expected[0]], (query, row)
        else:
            assert is_beyond(found) or (isinstance(found, Exception) and isinstance(expected, type)), (
                query, row, found, expected)  # fmt: skip


@pytest.mark.parametrize("kind", ["int", "num", "text", "bool", "time", "day"])
def test_every_form_of_the_grammar_is_compiled(kind):
    plain = {
        "int": "b",
        "num": "d",
        "text": "s",
        "bool": "o",
        "time": "t",
        "day": "x",
        "unit": "hour",
    }
    forms = ", ".join(form.format(**plain) for form in GRAMMAR[kind])
    program = compile_rowwise(f"SELECT {forms} FROM request", REQUEST, {}, {})
    assert isinstance(program, RowProgram), program


def regressor():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"distance": rng.gamma(2, 400, 300), "dep delay": rng.normal(0, 20, 300)})
    target = np.log1p(frame["distance"]) + frame["dep delay"]
    return (
        lightgbm.LGBMRegressor(n_estimators=5, n_jobs=1, verbose=-1).fit(frame, target),
        frame,
        target,
    )


QUERY = """
    WITH joined AS (
        SELECT r.id, r.distance * 2.0 AS distance, v.delay AS "dep delay"
        FROM request AS r {join} JOIN feats AS v USING (id)
    )
    SELECT id, predict_m(j) AS p, predict_m("dep delay" := j."dep delay", distance := j.distance) AS q,
        p > 5 AS high, version_m() AS version
    FROM joined AS j
"""
FEATURES = {1: (1, 5.0), 2: (2, None), 4: (4, -3.5)}


class Features:
    """A view in memory."""

    def __init__(self, kind):
        missing = Missing(kind, {"delay": 7.5} if kind == "defaults" else {})
        columns = {"id": "BIGINT", "delay": "DOUBLE"}
        self.view = FeatureView(
            "feats", ("id",), columns, missing, datetime(2020, 1, 1, tzinfo=UTC)
        )

    def look_up(self, keys):
        return self.view, [FEATURES.get(key[0]) for key in keys]


@pytest.mark.parametrize("join", ["", "LEFT"])
def test_models_and_joins_give_the_bits_of_duckdb(join):
    model, frame, _ = regressor()
    request = [(1, 733.0), (2, 10.5), (3, 99.0), (None, 5.0), (4, None)]
    with foresql.connect() as connection:
        registration = foresql.register(connection, model, like=frame, name="predict_m")
        scorer = registration._once.scorer
        connection.execute("CREATE TABLE request (id BIGINT, distance DOUBLE)")
        connection.execute("CREATE TABLE feats (id BIGINT, delay DOUBLE)")
        connection.executemany("INSERT INTO request VALUES (?, ?)", request)
        connection.executemany("INSERT INTO feats VALUES (?, ?)", list(FEATURES.values()))
        query = QUERY.format(join=join)
        expected = connection.execute(query.replace("version_m()", "3")).fetchall()
    views = {"feats": Features("null")}
    types = {"id": "BIGINT", "distance": "DOUBLE"}
    known = {name: online.view for name, online in views.items()}
    program = compile_rowwise(query, types, known, {"predict_m": RowModel(scorer, 3)})
    assert isinstance(program, RowProgram), program
    found = program.rows(request, views)
    assert sorted(map(repr, found)) == sorted(map(repr, expected))
    assert len(found) == (5 if join else 3)
    with pytest.raises(MissingEntityError):
        program.rows(request, {"feats": Features("error")})


REFUSED = {
    "SELECT current_date FROM request": "current_date",
    "SELECT getvariable('z') FROM request": "getvariable",
    "SELECT random() FROM request": "random",
    "SELECT sum(d) FROM request": "AGGREGATE",
    "SELECT row_number() OVER () FROM request": "WINDOW",
    "SELECT d FROM request ORDER BY d": "ORDER BY",
    "SELECT d FROM request LIMIT 1": "LIMIT",
    "SELECT CAST(s AS DOUBLE) FROM request": "CAST from VARCHAR to DOUBLE",
    "SELECT pow(d, 2) FROM request": "pow(DOUBLE, DOUBLE)",
    "SELECT t - v FROM request": "INTERVAL",
    "SELECT s LIKE 'a_' FROM request": "~~",
    "SELECT nothing FROM request": "nothing",
    "DROP TABLE request": "no SELECT",
}


@pytest.mark.parametrize("query", REFUSED)
def test_what_is_not_certain_is_refused_by_name(query):
    program = compile_rowwise(query, REQUEST, {}, {})
    assert isinstance(program, NotRowwise)
    assert REFUSED[query] in program.reason


@pytest.mark.parametrize("value", [2**31, True, "1", 1.5])
def test_a_value_of_another_type_is_refused(value):
    program = compile_rowwise("SELECT i FROM request", {"i": "INTEGER"}, {}, {})
    with pytest.raises(SignatureError, match="'i' is INTEGER"):
        program.rows([(value,)], {})


def test_where_leaves_rows_out_and_numbers_the_others():
    program = compile_rowwise("SELECT i FROM request WHERE i > 1", {"i": "INTEGER"}, {}, {})
    found = program.numbered([(1,), (2,), (None,), (3,)], {})
    assert found == [(1, (2,)), (3, (3,))]
