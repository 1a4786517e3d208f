"""Which SQL types a column takes, and as what it reaches the model."""

from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

NUMBERS = [
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
    *("FLOAT", "DOUBLE", "DECIMAL(4, 1)", "DECIMAL(9, 3)", "DECIMAL(18, 6)", "DECIMAL(38, 10)"),
]
TIMES = ["DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"]


@pytest.fixture(scope="module")
def keys(fit):
    """A model that reads one column of each type by value."""
    count = 120
    moments = ["2020-01-01 00:00:00.000000", "2021-06-01 12:34:56.123456"]
    frame = pd.DataFrame(
        {
            "number": [1, 7, 2**40, -3] * (count // 4),
            "flag": [True, False, True] * (count // 3),
            "word": ["a", "b", "É☃", "a "] * (count // 4),
            "moment": pd.to_datetime(moments * (count // 2)),
        }
    )
    pipeline = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LinearRegression())
    return fit(pipeline, frame, np.random.default_rng(2).normal(size=count))


@pytest.fixture
def ask(con, add, keys):
    """Ask for one row, whose values are SQL where they are not the usual ones."""
    add(keys)

    def run(**values):
        usual = {
            "number": "7",
            "flag": "true",
            "word": "'b'",
            "moment": "TIMESTAMP '2020-01-01'",
        }
        fields = ", ".join(f"{name}: {value}" for name, value in (usual | values).items())
        [(answer,)] = con.execute(f"SELECT predict({{{fields}}})").fetchall()
        return answer

    return run


@pytest.fixture
def expect(keys):
    """Ask the library."""

    def run(**values):
        usual = {"number": 7, "flag": True, "word": "b", "moment": pd.Timestamp("2020-01-01")}
        row = {name: [value] for name, value in (usual | values).items()}
        return pytest.approx(keys.estimator.predict(pd.DataFrame(row))[0], rel=1e-12)

    return run


@pytest.mark.parametrize("sql_type", NUMBERS)
def test_every_number_type_reaches_a_number_column(add, line, con, sql_type):
    add(line)
    con.execute(f"CREATE TABLE n (x {sql_type}); INSERT INTO n VALUES (0), (1), (100), (17)")
    found = con.execute("SELECT predict(n), predict(x) FROM n").fetchall()
    expected = line.estimator.predict(pd.DataFrame({"x": [0.0, 1, 100, 17]})).tolist()
    assert found == [(value, value) for value in expected]


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("18446744073709551615::UBIGINT", float(2**64 - 1)),
        ("170141183460469231731687303715884105727::HUGEINT", float(2**127 - 1)),
        ("9007199254740993", float(2**53 + 1)),
        ("-9223372036854775808", float(-(2**63))),
        ("0.1", 0.1),
        ("-0.0::DOUBLE", -0.0),
        ("0.1::FLOAT", float(np.float32(0.1))),
        ("3.4e38::FLOAT", float(np.float32(3.4e38))),
        ("5e-324::DOUBLE", 5e-324),
    ],
)
def test_extreme_numbers_arrive_rounded_once(add, line, column, sql, value):
    add(line)
    (expected,) = line.estimator.predict(pd.DataFrame({"x": [value]}))
    assert column(f"SELECT predict({sql})") == [expected]


@pytest.mark.parametrize("size", [(4, 1), (9, 4), (18, 6), (18, 18), (38, 10)])
def test_decimals_are_the_nearest_doubles(add, line, con, column, size):
    width, scale = size
    digits = np.random.default_rng(width).integers(0, 10, (200, width)).astype(str)
    values = [Decimal("".join(row)).scaleb(-scale) for row in digits]
    add(line)
    con.execute(f"CREATE TABLE d (x DECIMAL({width}, {scale}))")
    con.executemany("INSERT INTO d VALUES (?)", [[value] for value in values])
    nearest = pd.DataFrame({"x": [float(value) for value in values]})
    assert column("SELECT predict(d) FROM d") == line.estimator.predict(nearest).tolist()


@pytest.mark.parametrize("value", ["NULL", "'nan'::DOUBLE", "'inf'::DOUBLE", "-'inf'::DOUBLE"])
def test_values_that_the_library_refuses_are_refused_by_name(add, line, con, value):
    add(line)
    with pytest.raises(duckdb.InvalidInputException, match="Column 'x' is"):
        con.execute(f"SELECT predict(x := {value}::DOUBLE)").fetchall()


@pytest.mark.parametrize("sql_type", NUMBERS[:9])
def test_every_integer_type_reaches_an_integer_key(ask, expect, sql_type):
    assert ask(number=f"7::{sql_type}") == expect(number=7)
    assert ask(number=f"8::{sql_type}") == expect(number=8)


def test_integer_keys_are_compared_whole(ask, expect):
    assert ask(number="1099511627776") == expect(number=2**40)
    assert ask(number="1099511627777") == expect(number=2**40 + 1)
    with pytest.raises(duckdb.ConversionException, match="out of range"):
        ask(number="18446744073709551615::UBIGINT")


@pytest.mark.parametrize("value", ["7.0", "7::DOUBLE", "'7'", "true", "7::DECIMAL(4, 0)", "[7]"])
def test_an_integer_key_takes_integers_only(ask, value):
    with pytest.raises(duckdb.BinderException, match="column number must be an integer"):
        ask(number=value)


@pytest.mark.parametrize("value", ["0", "1", "'true'", "1.0"])
def test_a_boolean_key_takes_booleans_only(ask, value):
    with pytest.raises(duckdb.BinderException, match="column flag must be a boolean"):
        ask(flag=value)


def test_boolean_keys(ask, expect):
    assert ask(flag="false") == expect(flag=False)
    assert ask(flag="true AND NOT false") == expect(flag=True)


def test_text_keys(ask, expect):
    assert ask(word="'É☃'") == expect(word="É☃")
    assert ask(word="'a '") == expect(word="a ")
    assert ask(word="'b'::ENUM('a', 'b')") == expect(word="b")
    assert ask(word="'B'") == expect(word="B")
    assert ask(word="''") == expect(word="")
    assert ask(word="'E\N{COMBINING ACUTE ACCENT}☃'") == expect(word="E\N{COMBINING ACUTE ACCENT}☃")


@pytest.mark.parametrize("value", ["1", "true", "'a'::BLOB", "uuid()", "DATE '2020-01-01'"])
def test_a_text_key_takes_text_only(ask, value):
    with pytest.raises(duckdb.BinderException, match="column word must be text"):
        ask(word=value)


@pytest.mark.usefixtures("ask")
def test_enum_columns_whose_codes_differ(con, column, expect):
    con.execute("CREATE TYPE letters AS ENUM ('b', 'zz', 'a')")
    con.execute(
        "CREATE TABLE e AS SELECT 7 AS number, true AS flag, w::letters AS word, "
        "TIMESTAMP '2020-01-01' AS moment FROM (VALUES ('a'), ('zz'), ('b')) v(w)"
    )
    assert column("SELECT predict(e) FROM e") == [expect(word=w) for w in ("a", "zz", "b")]


@pytest.mark.parametrize("sql_type", TIMES)
def test_every_time_type_reaches_a_time_key(ask, expect, sql_type):
    for day in (1, 2):
        moment = f"{sql_type} '2020-01-0{day}'"
        assert ask(moment=moment) == expect(moment=pd.Timestamp(2020, 1, day))


def test_times_to_the_microsecond(ask, expect):
    second = pd.Timestamp("2021-06-01 12:34:56.123456")
    assert ask(moment="TIMESTAMP '2021-06-01 12:34:56.123456'") == expect(moment=second)
    assert ask(moment="TIMESTAMP_NS '2021-06-01 12:34:56.123456'") == expect(moment=second)
    assert ask(moment="TIMESTAMP_MS '2021-06-01 12:34:56.123'") != expect(moment=second)
    assert ask(moment="'infinity'::TIMESTAMP") == expect(moment=pd.Timestamp("9999-01-01"))


def test_nanoseconds_are_not_rounded_to_a_key(ask, expect, con):
    near = "TIMESTAMP_NS '2020-01-01 00:00:00.000000001'"
    with pytest.raises(duckdb.InvalidInputException, match="column moment has a time that is not"):
        ask(moment=near)
    con.execute(
        f"CREATE TABLE near AS SELECT 7 AS number, true AS flag, 'b' AS word, {near} moment"
    )
    with pytest.raises(duckdb.InvalidInputException, match="not whole microseconds"):
        con.execute("SELECT predict(near) FROM near").fetchall()
    assert ask(moment=f"({near})::TIMESTAMP") == expect(moment=pd.Timestamp("2020-01-01"))
    later = pd.Timestamp("9999-01-01")
    assert ask(moment="'infinity'::TIMESTAMP_NS") == expect(moment=later)


@pytest.mark.parametrize(
    "value",
    ["TIMESTAMPTZ '2020-01-01 00:00:00+00'", "'2020-01-01'", "1577836800", "TIME '12:00'"],
)
def test_a_time_key_takes_times_without_zone_only(ask, value):
    with pytest.raises(duckdb.BinderException, match="column moment must be a date or time"):
        ask(moment=value)


def test_a_session_time_zone_changes_nothing(con, ask, expect):
    con.execute("SET TimeZone = 'America/New_York'")
    assert ask(moment="DATE '2020-01-01'") == expect()
    with pytest.raises(duckdb.BinderException, match="moment"):
        ask(moment="TIMESTAMPTZ '2020-01-01 00:00:00'")


@pytest.mark.usefixtures("ask")
def test_collations_do_not_merge_keys(con, column, expect):
    con.execute("CREATE TABLE c (number INT, flag BOOL, word VARCHAR COLLATE NOCASE, moment DATE)")
    con.execute("INSERT INTO c VALUES (7, true, 'B', '2020-01-01'), (7, true, 'b', '2020-01-01')")
    assert column("SELECT predict(c) FROM c") == [expect(word="B"), expect(word="b")]
