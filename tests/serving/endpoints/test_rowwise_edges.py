# ruff: noqa: DTZ001, DTZ901, E501 - DuckDB's TIMESTAMP has no zone; the edges are a table
"""Row-wise answers at the edges of every type: DuckDB's, bit for bit, with DuckDB as the oracle."""

import math
import struct
from datetime import date, datetime
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest

from foresql.errors import ForesqlError
from foresql.serving.endpoints.rowwise import NotRowwise, RowProgram, compile_rowwise

# As DuckDB's Arrow reader takes them; the rows of a table have an edge of each column in turn.
EDGES = {
    "k": ("TINYINT", pa.int8(), [-128, 127, 0, -1]),
    "i": ("INTEGER", pa.int32(), [-(2**31), 2**31 - 1, 0, -7]),
    "b": ("BIGINT", pa.int64(), [-(2**63), 2**63 - 1, 0, 2**53 + 1]),
    "d": ("DOUBLE", pa.float64(), [0.0, -0.0, math.nan, math.inf, -math.inf, 5e-324, 2.5, -0.5]),
    "e": ("DOUBLE", pa.float64(), [-0.0, 0.0, 1.7976931348623157e308, math.nan, 0.1, -2.5]),
    "f": ("FLOAT", pa.float32(), [0.0, -0.0, math.nan, math.inf, 3.4028234663852886e38, -1.5]),
    "g": ("FLOAT", pa.float32(), [-0.0, 0.0, 1.0, -math.inf, math.nan]),
    "m": ("DECIMAL(9,2)", pa.decimal128(9, 2), [Decimal("9999999.99"), Decimal("-0.01"), Decimal(0)]),
    "s": ("VARCHAR", pa.string(), ["", " \u3000a\u00a0 ", "\t a\n", "ßé\u0301İ😀", "\u2028x\u200b", "%"]),
    "o": ("BOOLEAN", pa.bool_(), [True, False]),
    "x": ("DATE", pa.date32(), [date(1, 1, 1), date(9999, 12, 31), date(1970, 1, 1), date(2012, 2, 29)]),
    "t": (
        "TIMESTAMP",
        pa.timestamp("us"),
        [datetime.min, datetime.max, datetime(1969, 12, 31, 23, 59, 59, 999999), datetime(2013, 1, 31)],
    ),
}  # fmt: skip
TYPES = {name: type_ for name, (type_, _, _) in EDGES.items()}
ROUNDS = 24


@pytest.fixture(scope="module")
def edges():
    """Rows in which edges meet in ever new ways, and the connection that has them as request."""
    pools = [[*values, None] for _, _, values in EDGES.values()]
    rows = [
        tuple(
            pool[(round_ * (1 + place % 3) + place) % len(pool)] for place, pool in enumerate(pools)
        )
        for round_ in range(ROUNDS)
    ]
    schema = pa.schema([(name, arrow) for name, (_, arrow, _) in EDGES.items()])
    columns = [pa.array(c, f.type) for c, f in zip(zip(*rows, strict=True), schema, strict=True)]
    table = pa.Table.from_arrays(columns, schema=schema)
    with duckdb.connect() as connection:
        connection.register("all_rows", table)
        connection.execute("CREATE TABLE all_of_them AS FROM all_rows")
        connection.execute("CREATE VIEW request AS FROM all_of_them")
        yield connection, rows


def bits(value):
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    return type(value), str(value)


def differences(connection, rows, expression):
    """Give the rows that are not answered as DuckDB answers them; a refused row is DuckDB's."""
    query = f"SELECT {expression} AS answer FROM request"
    program = compile_rowwise(query, TYPES, {}, {})
    assert isinstance(program, RowProgram), (expression, program)
    alone = "SELECT {} AS answer FROM (FROM all_of_them LIMIT 1 OFFSET {})"
    try:
        expected = [value for (value,) in connection.execute(query).fetchall()]
    except (duckdb.Error, ValueError, OverflowError):
        expected = None
    for number, row in enumerate(rows):
        try:
            [(found,)] = program.rows([row], {})
        except ForesqlError:
            continue
        try:
            if expected is None:
                wanted = connection.execute(alone.format(expression, number)).fetchone()[0]
            else:
                wanted = expected[number]
        except duckdb.Error as error:
            wanted = error
        if bits(found) != bits(wanted):
            yield row, found, wanted


EXPRESSIONS = [
    *(f"{name}({column})" for name in ("trim", "ltrim", "rtrim") for column in ("s", "'\t' || s")),
    *(f"{name}({a}, {b})" for name in ("greatest", "least") for a, b in ("de", "ed", "fg", "gf", "ki")),
    "greatest(f, NULL, g)", "least(f)", "greatest(f)", "least(g, 0, f)", "greatest(d, -0.0::DOUBLE)",
    "greatest(f, -0.0::FLOAT)", "greatest(x, x)", "least(t, t)", "greatest(s, 'a')",
    "-0.0", "- 0.0", "-(0.0)", "-0.0::DOUBLE", "(-0.0)::DOUBLE", "-(0.0::DOUBLE)", "-0e0", "-(0e0)",
    "'-0.0'::DOUBLE", "'-0.0'::FLOAT", "d + -0.0", "d * -0.0", "d + -0e0", "d * -0e0", "d / -0e0",
    "f * '-0.0'::FLOAT", "coalesce(d, -0e0)", "CASE WHEN o THEN -0e0 ELSE 0e0 END", "-1e-400 + d",
    "'0.1'::FLOAT", "f + '0.1'::FLOAT", "0.1 + d", "'nan'::DOUBLE + d", "d < 'infinity'::DOUBLE",
]  # fmt: skip


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_edges_have_the_bits_of_duckdb(edges, expression):
    connection, rows = edges
    assert list(differences(connection, rows, expression)) == []


@pytest.mark.parametrize("text", ["infinity", "-infinity", "10000-01-01", "0001-01-01 (BC)"])
@pytest.mark.parametrize("type_", ["DATE", "TIMESTAMP"])
def test_constants_that_no_answer_can_hold_are_left_to_duckdb(text, type_):
    query = f"SELECT CAST(x AS {type_}) < '{text}'::{type_} AS earlier FROM request"
    found = compile_rowwise(query, TYPES, {}, {})
    assert isinstance(found, NotRowwise)
    assert "outside of the years 1 to 9999" in found.reason
