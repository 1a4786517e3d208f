"""What comes out is what DuckDB has, bit for bit; what cannot is refused by name."""

import struct
from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foresql.errors import FeatureError
from foresql.online import Wanted, materialize
from foresql.online.rows import RowCodec
from foresql.udfs.duckdb.macros import literal

BOUNDARIES = {
    "BOOLEAN": ["true", "false"],
    "TINYINT": ["-128", "127"],
    "SMALLINT": ["-32768", "32767"],
    "INTEGER": ["-2147483648", "2147483647"],
    "BIGINT": ["-9223372036854775808", "9223372036854775807"],
    "HUGEINT": [str(-(2**127)), str(2**127 - 1), "-1", str(2**64), str(-(10**38))],
    "UTINYINT": ["0", "255"],
    "USMALLINT": ["0", "65535"],
    "UINTEGER": ["0", "4294967295"],
    "UBIGINT": ["0", "18446744073709551615"],
    "FLOAT": ["-0.0", "nan", "inf", "-inf", "1e-45", "3.4028235e38", "0.1"],
    "DOUBLE": ["-0.0", "nan", "inf", "-inf", "5e-324", "1.7976931348623157e308", "0.1"],
    "DECIMAL(1,0)": ["-9", "9"],
    "DECIMAL(4,2)": ["-99.99", "99.99", "1.50", "0.00"],
    "DECIMAL(18,18)": ["-0.999999999999999999", "0.000000000000000001"],
    "DECIMAL(38,0)": ["9" * 38, "-" + "9" * 38],
    "DECIMAL(38,38)": ["0." + "9" * 38, "-0." + "0" * 37 + "1"],
    "VARCHAR": ["", "a", "naïve ☃ 𝄞", "x" * 70_000, " \t\n'\"\\"],
    "DATE": ["0001-01-01", "1969-12-31", "9999-12-31"],
    "TIMESTAMP": [
        "0001-01-01 00:00:00",
        "1969-12-31 23:59:59.999999",
        "9999-12-31 23:59:59.999999",
    ],
}


def bits(value):
    """What tells -0.0 from 0.0, NaN from NaN, and 1 from True and 1.0."""
    return type(value), struct.pack("<d", value) if isinstance(value, float) else value


def assert_same(found, expected):
    assert [[bits(v) for v in row] for row in found] == [[bits(v) for v in row] for row in expected]


@pytest.fixture
def boundaries(shop):
    """A table with each value of each type in some row, and NULL in another."""
    longest = max(map(len, BOUNDARIES.values()))
    names = [f'"{type_}"' for type_ in BOUNDARIES]
    columns = ", ".join(f"{n} {t}" for n, t in zip(names, BOUNDARIES, strict=True))
    with duckdb.connect(shop.database) as connection:
        connection.execute(f"CREATE TABLE every_type (id INTEGER, {columns})")
        for row in range(longest + 1):
            values = [v[row] if row < len(v) else None for v in BOUNDARIES.values()]
            marks = ", ".join(f"CAST(? AS {type_})" for type_ in BOUNDARIES)
            connection.execute(f"INSERT INTO every_type VALUES (?, {marks})", [row, *values])
        connection.execute(
            """UPDATE every_type SET "VARCHAR" = 'a' || chr(0) || 'b' WHERE id = 5"""
        )
    return shop


def test_every_type_at_its_boundaries(boundaries):
    manifest = boundaries.materialize("every_type", "id")
    expected = boundaries.run("FROM every_type ORDER BY id")
    assert manifest.rows == len(expected)
    with boundaries.open() as store:
        online = store.views["every_type"]
        assert list(online.view.columns.values()) == ["INTEGER", *BOUNDARIES]
        assert_same(online.get([(row[0],) for row in expected]), expected)


def test_random_bits(shop):
    """Any 64 bits are a DOUBLE, and any 32 a FLOAT: NaNs with a payload too."""
    random = np.random.default_rng(3)
    rows = 5000
    doubles = random.integers(0, 2**64, rows, np.uint64)
    floats = random.integers(0, 2**32, rows, np.uint32)
    doubles[:5] = (0x7FF8000000000001, 0xFFF8000000000000, 0x8000000000000000, 1, 0)
    names = [None if i % 7 == 0 else f"{i:x}" * (i % 5) for i in range(rows)]
    table = pa.table(
        {
            "id": np.arange(rows)[::-1],
            "d": doubles.view(np.float64),
            "f": floats.view(np.float32),
            "name": pa.array(names, pa.string()),
        }
    )
    with duckdb.connect(shop.database) as connection:
        connection.from_arrow(table).create("random")
    shop.materialize("random", "id")
    with shop.open() as store:
        found = store.views["random"].get([(int(i),) for i in np.arange(rows)[::-1]])
    assert [struct.pack("<d", row[1]) for row in found] == [b.tobytes() for b in doubles]
    assert [row[3] for row in found] == names
    expected = shop.run("SELECT f FROM random ORDER BY id DESC")
    # Python makes a quiet NaN of a signalling one of 32 bits, in DuckDB's client as here.
    assert [repr(row[2]) for row in found] == [repr(value) for (value,) in expected]


KEY_TYPES = [t for t in BOUNDARIES if not t.startswith(("FLOAT", "DOUBLE", "DECIMAL"))]


@pytest.mark.parametrize("key", ["key", "key,other", "other,key"])
def test_keys_of_every_type(folder_shop, key):
    """Alone, and as a part of a longer key: each finds its own row."""
    views, queries = [], {}
    for number, type_ in enumerate(KEY_TYPES):
        values = ", ".join(f"({literal(text)})" for text in BOUNDARIES[type_])
        queries[f"k{number}"] = (
            f"SELECT v::{type_} AS key, 'x' AS other FROM (VALUES {values}) t(v)"
        )
        keys = tuple(key.split(","))
        views.append(Wanted(name=f"k{number}", keys=keys, query=queries[f"k{number}"]))
    assert [done.problem for done in materialize(views, folder_shop.into)] == [None] * len(views)
    order = [("key", "other").index(name) for name in key.split(",")]
    with folder_shop.open() as store, duckdb.connect() as connection:
        for name, query in queries.items():
            rows = connection.execute(query).fetchall()
            asked = [tuple(row[place] for place in order) for row in rows]
            assert_same(store.views[name].get(asked), rows)


def test_keys_sort_as_duckdb_does(folder_shop):
    """Rows are inserted at the end of the file, which is what makes it quick and small."""
    folder_shop.run(
        "CREATE TABLE k AS SELECT (i - 500)::HUGEINT * 1152921504606846976::HUGEINT AS h, "
        "'n' || i AS n FROM range(1000) t(i)"
    )
    folder_shop.materialize("k", "n,h")
    with folder_shop.open() as store:
        lane = store.views["k"]._current.kept._lanes[0]
        keys = [key for (key,) in lane.execute("SELECT key FROM entities")]
        rows = folder_shop.run("SELECT n, h FROM k ORDER BY n, h")
        codec = store.views["k"]._current.kept._keys
        assert keys == [codec.encode(row) for row in rows]


def test_texts_of_a_longer_key_do_not_run_into_each_other(shop):
    texts = ["", "\0", "\0\0", "a", "a\0", "a\0\0", "a\0\xff", "\xff", "ab", "b"]
    pairs = [(one, other) for one in texts for other in texts]
    with duckdb.connect(shop.database) as connection:
        connection.execute("CREATE TABLE pairs (a VARCHAR, b VARCHAR, n INTEGER)")
        rows = [(*pair, number) for number, pair in enumerate(pairs)]
        connection.executemany("INSERT INTO pairs VALUES (?, ?, ?)", rows)
    shop.materialize("pairs", "a,b")
    with shop.open() as store:
        assert store.views["pairs"].get(pairs) == rows


NO_TYPES = {
    "TIMESTAMPTZ '2020-01-01 00:00:00Z'": "TIMESTAMP WITH TIME ZONE",
    "TIMESTAMP_NS '2020-01-01'": "TIMESTAMP_NS",
    "TIMESTAMP_S '2020-01-01'": "TIMESTAMP_S",
    "TIME '00:00:00'": "TIME",
    "INTERVAL 1 DAY": "INTERVAL",
    "'a'::BLOB": "BLOB",
    "uuid()": "UUID",
    "'a'::ENUM('a')": "ENUM",
    "[1.0]": "[]",
    "{'a': 1}": "STRUCT",
    "MAP {'a': 1}": "MAP",
    "1::UHUGEINT": "UHUGEINT",
    "'101'::BIT": "BIT",
    "'{}'::JSON": "JSON",
}


@pytest.mark.parametrize("value", NO_TYPES)
def test_other_types_are_refused_by_name(folder_shop, value):
    problem = folder_shop.refused("v", "id", query=f"SELECT 1 AS id, {value} AS odd")
    assert "Column 'odd'" in problem
    assert NO_TYPES[value] in problem
    assert "What to do: " in problem


@pytest.mark.parametrize("value", ["1.0::DOUBLE", "1.0::FLOAT", "1.0::DECIMAL(3,1)"])
def test_keys_that_have_no_exact_equal_are_refused(folder_shop, value):
    problem = folder_shop.refused("v", "id", query=f"SELECT {value} AS id")
    assert "key column 'id'" in problem
    assert "CAST it" in problem


@pytest.mark.parametrize(
    "value",
    [
        "DATE 'infinity'",
        "DATE '-infinity'",
        "DATE '10000-01-01'",
        "DATE '0001-01-01' - 1",
        "TIMESTAMP 'infinity'",
        "TIMESTAMP '10000-01-01'",
        "TIMESTAMP '0001-01-01' - INTERVAL 1 MICROSECOND",
    ],
)
def test_dates_that_python_has_not_are_refused_with_their_row(folder_shop, value):
    query = f"SELECT i AS id, CASE WHEN i = 77 THEN {value} END AS day FROM range(100) t(i)"
    problem = folder_shop.refused("v", "id", query=query)
    assert "'day'" in problem
    assert "id = 77" in problem


WRONG_KEYS = [
    ("'a'", 1, "str"),
    ("1", "1", "int"),
    ("1", True, "int"),
    ("1", 1.0, "int"),
    ("true", 1, "bool"),
    ("DATE '2020-01-01'", datetime(2020, 1, 1), "date"),  # noqa: DTZ001
    ("TIMESTAMP '2020-01-01'", date(2020, 1, 1), "datetime"),
    ("TIMESTAMP '2020-01-01'", datetime(2020, 1, 1, tzinfo=UTC), "datetime without a time zone"),
]


@pytest.mark.parametrize(("stored", "asked", "expected"), WRONG_KEYS)
def test_keys_of_another_type_are_an_error(folder_shop, stored, asked, expected):
    """And not a missing entity, which would be a wrong answer."""
    folder_shop.materialize("v", "id", query=f"SELECT {stored} AS id")
    with folder_shop.open() as store, pytest.raises(FeatureError) as caught:
        store.views["v"].get([(asked,)])
    assert "key id of v" in str(caught.value)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("1::TINYINT", 300),
        ("1", 2**70),
        ("1::HUGEINT", -(2**127) - 1),
        ("'a'", "\ud800"),
        ("1", None),
    ],
)
def test_keys_that_no_entity_can_have_are_missing(shop, stored, asked):
    shop.materialize("v", "id", query=f"SELECT {stored} AS id, 2 AS x")
    with shop.open() as store:
        assert store.views["v"].get([(asked,)]) == [None]


def test_a_time_of_pandas_has_nanoseconds(folder_shop):
    folder_shop.materialize("v", "id", query="SELECT TIMESTAMP '2020-01-01' AS id")
    with folder_shop.open() as store:
        asked = [(pd.Timestamp("2020-01-01"),), (pd.Timestamp("2020-01-01") + pd.Timedelta(1),)]
        assert store.views["v"].get(asked) == [(datetime(2020, 1, 1),), None]  # noqa: DTZ001


def test_a_key_has_all_its_values(folder_shop):
    folder_shop.materialize("v", "a,b", query="SELECT 1 AS a, 2 AS b")
    with folder_shop.open() as store:
        for key in [(1,), (1, 2, 3), ()]:
            with pytest.raises(FeatureError, match=r"\(a, b\): 2 values"):
                store.views["v"].get([key])


COLUMNS = {"a": "DOUBLE", "b": "VARCHAR", "c": "DECIMAL(9,2)", "d": "DATE", "e": "VARCHAR"}


@given(st.binary(max_size=80))
def test_bytes_that_are_no_row_are_an_error(row):
    try:
        values = RowCodec(COLUMNS).decode(row)
    except FeatureError:
        return
    assert len(values) == len(COLUMNS)


def test_a_row_with_more_or_fewer_bytes_is_none():
    codec = RowCodec({"x": "DOUBLE", "y": "INTEGER"})
    [row] = codec.encode(pa.record_batch({"x": [1.0], "y": pa.array([2], pa.int32())}))
    assert codec.decode(row) == (1.0, 2)
    for wrong in (row[:-1], row + b"\0", b""):
        with pytest.raises(FeatureError):
            codec.decode(wrong)


ONES = "1" * 33 + "." + "1" * 5


def test_decimals_are_exact(folder_shop):
    """Python's context has 28 digits; a value has up to 38."""
    folder_shop.materialize("v", "id", query=f"SELECT 1 AS id, '{ONES}'::DECIMAL(38,5) AS d")
    with folder_shop.open() as store:
        [row] = store.views["v"].get([(1,)])
    assert row[1] == Decimal(ONES)
