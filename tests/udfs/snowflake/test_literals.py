"""Literals of values read back to the same bits, in DuckDB by way of fakesnow's translation."""

import math
import struct

import duckdb
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from foresql.ir import ColumnType
from foresql.udfs.snowflake.literals import float_literal, is_certain, value_literal

NUMBERS = [0.0, -0.0, 1.0, 0.1, -1 / 3, 1e308, -1.7976931348623157e308, 2.2250738585072014e-308]
NUMBERS += [float("inf"), float("-inf"), 2.0**53 + 2, 5e-300, math.pi]


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as connection:
        yield connection


def read(connection, written):
    sql = sqlglot.transpile(f"SELECT {written}", read="snowflake", write="duckdb")[0]
    return connection.sql(sql).fetchall()[0][0]


@pytest.mark.parametrize("value", NUMBERS)
def test_a_number_keeps_its_bits(connection, value):
    assert struct.pack("d", read(connection, float_literal(value))) == struct.pack("d", value)


@given(st.floats(allow_nan=False, allow_subnormal=False))
@settings(max_examples=50)
def test_any_number_keeps_its_bits(value):
    found = read(duckdb, float_literal(value))
    assert struct.pack("d", found) == struct.pack("d", value)


def test_nan(connection):
    assert math.isnan(read(connection, float_literal(float("nan"))))


@pytest.mark.parametrize(
    ("value", "kind", "written"),
    [
        (None, ColumnType.VARCHAR, "NULL"),
        (True, ColumnType.BOOLEAN, "TRUE"),
        (-(2**62), ColumnType.BIGINT, "-4611686018427387904"),
        (3, ColumnType.DOUBLE, "3::FLOAT"),
        (-1, ColumnType.TIMESTAMP, "'1969-12-31 23:59:59.999999'::TIMESTAMP_NTZ"),
        ("O'Hare\\", ColumnType.VARCHAR, "'O\\'Hare\\\\'"),
    ],
)
def test_values(value, kind, written):
    assert value_literal(value, kind) == written


def test_what_no_literal_surely_holds():
    assert not is_certain(5e-324, ColumnType.DOUBLE)
    assert not is_certain(2**62, ColumnType.TIMESTAMP)
    assert is_certain(-0.0, ColumnType.DOUBLE)
    assert is_certain(None, ColumnType.TIMESTAMP)
    assert is_certain(float("nan"), ColumnType.DOUBLE)
