"""Columns of any name and number."""

import time

import duckdb
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from foresql.udfs.duckdb import register_scorer

NAMES = [
    *('select "x', "row", "level", "level_", "each_row", "order", "value", "this", "lambda"),
    *("a.b", "it's", "two words", " lead", "trail ", "naïve ☃", "λ", "😀", "İ", "ß", "1st", "_"),
    *('"', '""', "'", ";--", "/*", "\\", "$1", "?", "{x}", "%s", "a\nb", "\t", "x" * 300),
    *("struct", "group", "NULL", "true", "table", "rowid", "oid", "filename", "predict", "t"),
    *("system", "main", "foresql", "foresql_checks", "argument0", "row_", "predict: column a"),
]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.fixture(scope="session")
def numbers(fit):
    """Fit a line through columns of these names."""

    def run(names):
        frame = pd.DataFrame(
            np.random.default_rng(5).normal(size=(40, len(names))), columns=list(names)
        )
        return fit(LinearRegression(), frame, frame.sum(axis=1))

    return run


@pytest.fixture(scope="module")
def odd(numbers):
    return numbers(NAMES)


def same(found, fitted) -> bool:
    return np.allclose(found, fitted.predictions, rtol=0, atol=1e-11)


def test_names_of_every_kind(add, odd, column):
    add(odd)
    arguments = [quoted(name) for name in NAMES]
    named = ", ".join(f"{name} := {name}" for name in reversed(arguments))
    assert same(column("SELECT predict(a) FROM t AS a"), odd)
    assert same(column(f"SELECT predict({', '.join(arguments)}) FROM t AS a"), odd)
    assert same(column(f"SELECT predict({named}) FROM t AS a"), odd)
    (explained,) = column("SELECT predict_explain(a) FROM t AS a LIMIT 1")
    assert list(explained["contributions"]) == NAMES


def test_an_error_names_the_odd_column(add, odd, con):
    add(odd)
    for name in NAMES:
        replaced = f"SELECT * REPLACE ('text' AS {quoted(name)}) FROM t"
        with pytest.raises(duckdb.BinderException) as caught:
            con.execute(f"SELECT predict(a) FROM ({replaced}) AS a")
        assert f"column {name} must be a number" in str(caught.value).replace('""', '"')


def test_odd_names_go_away_again(add, odd, con):
    add(odd).unregister()
    left = con.execute(
        "SELECT function_name FROM duckdb_functions() WHERE database_name = 'memory' "
        "OR function_name LIKE '%predict%'"
    ).fetchall()
    assert left == []


def test_odd_names_survive_a_file(odd, tmp_path):
    path = tmp_path / "odd.duckdb"
    for _ in range(2):
        with duckdb.connect(path) as con:
            con.register("frame", odd.frame)
            register_scorer(con, odd.scorer, "predict")
            con.execute("CREATE OR REPLACE VIEW scored AS SELECT predict(a) AS p FROM frame AS a")
            assert same([p for (p,) in con.execute("FROM scored").fetchall()], odd)
            con.execute("DROP VIEW scored")


@pytest.mark.parametrize("name", ["x", "row", "value", "level", "each_row", 'select "x', "t"])
def test_one_column_is_a_row_or_a_value(add, numbers, column, name):
    fitted = numbers([name])
    add(fitted)
    value = quoted(name)
    for argument in (value, f"{value} := {value}", f"{{{value}: {value}}}", f"a.{value}"):
        assert same(column(f"SELECT predict({argument}) FROM t AS a"), fitted)
    assert same(column("SELECT predict(a) FROM t AS a"), fitted)
    assert same(column("SELECT predict(s) FROM (SELECT 'more' AS note, * FROM t) AS s"), fitted)
    # Here the alias hides the row, and the value means the same.
    assert same(column(f"SELECT predict({value}) FROM t AS {value}"), fitted)


def test_one_column_of_a_wrong_type_is_named(add, line, con):
    add(line)
    for argument in ("'1'", "true", "DATE '2020-01-01'", "{y: 1}", "{x: '1'}", "[1]"):
        with pytest.raises(duckdb.BinderException, match=r"\bx\b"):
            con.execute(f"SELECT predict({argument})")


@pytest.mark.parametrize("temporary", [False, True])
@pytest.mark.parametrize("width", [2, 64, 65])
def test_widths_around_the_lambda(add, numbers, column, width, temporary):
    names = [f"c{index}" for index in range(width)]
    fitted = numbers(names)
    add(fitted, temporary=temporary)
    arguments = ", ".join(names)
    fields = ", ".join(f"{name}: {name}" for name in reversed(names))
    assert same(column("SELECT predict(t) FROM t"), fitted)
    assert same(column(f"SELECT predict({arguments}) FROM t"), fitted)
    assert same(column(f"SELECT predict({{{fields}}}) FROM t"), fitted)
    assert same(column("SELECT predict(s) FROM (SELECT 1 AS note, * FROM t) AS s"), fitted)
    assert column("SELECT predict(t) FROM t WHERE false") == []
    with pytest.raises(duckdb.BinderException, match=f"c{width - 1}"):
        column(f"SELECT predict(s) FROM (SELECT * EXCLUDE c{width - 1} FROM t) AS s")
    with pytest.raises(duckdb.BinderException, match="column c1 must be a number"):
        column("SELECT predict(s) FROM (SELECT * REPLACE ('' AS c1) FROM t) AS s")


def test_two_thousand_columns(add, numbers, column):
    names = [f"c{index}" for index in range(2000)]
    fitted = numbers(names)
    started = time.perf_counter()
    registration = add(fitted)
    assert same(column("SELECT predict(t) FROM t"), fitted)
    assert same(column(f"SELECT predict({', '.join(names)}) FROM t"), fitted)
    assert column("SELECT predict(t) AS p FROM t WHERE p > 0 ORDER BY p") == sorted(
        found for found in column("SELECT predict(t) FROM t") if found > 0
    )
    with pytest.raises(duckdb.BinderException, match="c1234"):
        column("SELECT predict(s) FROM (SELECT * EXCLUDE c1234 FROM t) AS s")
    registration.unregister()
    # About 4 s where it was written; a plan that is quadratic in the columns takes minutes.
    assert time.perf_counter() - started < 40
