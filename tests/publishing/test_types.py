"""Values in Postgres are those of DuckDB, bit for bit, or their column is refused by name."""

import struct
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import duckdb
import psycopg
import pytest

from foresql.errors import PublishingError
from foresql.publishing import Request, publish_postgres

COLUMNS = {
    # DuckDB's type: (Postgres's type, values in DuckDB)
    "BOOLEAN": ("boolean", ["true", "false"]),
    "TINYINT": ("smallint", ["-128", "127"]),
    "UTINYINT": ("smallint", ["255"]),
    "SMALLINT": ("smallint", ["-32768"]),
    "USMALLINT": ("integer", ["65535"]),
    "INTEGER": ("integer", ["-2147483648"]),
    "UINTEGER": ("bigint", ["4294967295"]),
    "BIGINT": ("bigint", ["-9223372036854775808", "9223372036854775807"]),
    "UBIGINT": ("numeric(20,0)", ["18446744073709551615"]),
    "HUGEINT": ("numeric(39,0)", ["-170141183460469231731687303715884105728"]),
    "DECIMAL(18,3)": ("numeric(18,3)", ["123456789012345.678", "-0.001"]),
    "DOUBLE": (
        "double precision",
        ["0.1", "'-0.0'", "'nan'", "'inf'", "'-inf'", "5e-324", "1.7976931348623157e308", "1e22/3"],
    ),
    "FLOAT": ("real", ["0.1", "'-0.0'", "'nan'", "'-inf'", "1e-45", "3.4028235e38"]),
    "VARCHAR": (
        "text",
        [r"'tab' || chr(9) || 'end' || chr(10) || chr(13) || 'back\slash \N \. \t'", "''", "'☃'"],
    ),
    "ENUM('a', 'b''c')": ("text", ["'b''c'"]),
    "BLOB": ("bytea", [r"'\x00\x01\xFF\x5C\x09'::BLOB", "''::BLOB"]),
    "UUID": ("uuid", ["'00000000-0000-4000-8000-00000000000a'"]),
    "DATE": ("date", ["'2026-11-23'", "'0044-03-15 (BC)'", "'infinity'", "'12345-01-01'"]),
    "TIME": ("time without time zone", ["'23:59:59.123456'", "'00:00:00'"]),
    "INTERVAL": (
        "interval",
        ["INTERVAL '1 year 2 months -3 days'", "INTERVAL '-4 hours 5 seconds 6 microseconds'"],
    ),
    "TIMESTAMP": (
        "timestamp without time zone",
        ["'2026-11-23 08:00:00.123456'", "'0044-03-15 (BC) 12:00:00'", "'-infinity'"],
    ),
    "TIMESTAMP_S": ("timestamp without time zone", ["'2026-11-23 08:00:00'"]),
    "TIMESTAMP WITH TIME ZONE": ("timestamp with time zone", ["'2026-11-23 08:00:00.5+05:30'"]),
    "JSON": ("json", ["""'{"a": [1, "x\\ty"]}'"""]),
    "DOUBLE[]": (
        "double precision[]",
        ["[0.1::DOUBLE, NULL, 'nan'::DOUBLE, '-0.0'::DOUBLE]", "[]"],
    ),
    "VARCHAR[]": ("text[]", [r"""['a,b', 'say "x"', 'c:\d', '{}', 'NULL', NULL, chr(9)]"""]),
    "INTEGER[2]": ("integer[]", ["[1, 2]"]),
}


@pytest.fixture
def publish(tmp_path, postgres):
    """Publish statements' tables, and give a connection."""

    def run(*statements, **options):
        with duckdb.connect(tmp_path / "warehouse.duckdb") as connection:
            for statement in statements:
                connection.execute(statement)
        request = Request(models=None)
        return publish_postgres(tmp_path / "warehouse.duckdb", postgres.address, request, **options)

    return run


def bits(value):
    """Tell numbers apart by their bits."""
    match value:
        case float():
            return struct.pack("<d", value)
        case list() | tuple():
            return [bits(each) for each in value]
        case _:
            return value


def test_values_are_unchanged(publish, postgres, tmp_path):
    statements = []
    for number, (kind, (_, values)) in enumerate(COLUMNS.items()):
        rows = ", ".join(f"({place}, {value})" for place, value in enumerate([*values, "NULL"]))
        statements.append(f'CREATE TABLE t{number} (place INTEGER, "the ""value""" {kind})')
        statements.append(f"INSERT INTO t{number} VALUES {rows}")
    publish(*statements)
    with (
        duckdb.connect(tmp_path / "warehouse.duckdb") as source,
        psycopg.connect(postgres.address) as target,
    ):
        for number, (kind, (wanted, values)) in enumerate(COLUMNS.items()):
            query = f'SELECT "the ""value""" FROM t{number} ORDER BY place'
            found = target.execute(
                "SELECT format_type(atttypid, atttypmod) FROM pg_attribute "
                "WHERE attrelid = to_regclass(%s) AND attnum = 2",
                [f"t{number}"],
            ).fetchall()
            assert found == [(wanted,)], kind
            if kind in TEXTS:
                shown = [row[0] for row in target.execute(query.replace(" FROM", "::text FROM"))]
                assert shown == [*TEXTS[kind], None], kind
                continue
            theirs = source.execute(query).fetchall()
            # The driver reads a real as the double of the same digits.
            wide = query.replace(" FROM", "::float8 FROM") if kind == "FLOAT" else query
            mine = target.execute(wide).fetchall()
            assert len(mine) == len(values) + 1
            for (left,), (right,) in zip(mine, theirs, strict=True):
                assert bits(left) == bits(right), kind


TEXTS = {
    # What Python's own types cannot hold, as Postgres writes it.
    "DATE": ["2026-11-23", "0044-03-15 BC", "infinity", "12345-01-01"],
    "INTERVAL": ["1 year 2 mons -3 days", "-03:59:54.999994"],
    "TIMESTAMP": ["2026-11-23 08:00:00.123456", "0044-03-15 12:00:00 BC", "-infinity"],
    "JSON": ['{"a": [1, "x\\ty"]}'],
}


def test_python_reads_what_it_can(publish, postgres):
    publish(
        "CREATE TABLE t AS SELECT DATE '2026-11-23' AS d, TIME '01:02:03.000004' AS t, "
        "TIMESTAMP '2026-11-23 08:00:00' AS ts, 1.50::DECIMAL(5,2) AS n, "
        "UUID '00000000-0000-4000-8000-00000000000a' AS u, INTERVAL '2 days' AS i"
    )
    with psycopg.connect(postgres.address) as target:
        assert target.execute("SELECT d, t, ts, n, u, i FROM t").fetchall() == [
            (
                date(2026, 11, 23),
                time(1, 2, 3, 4),
                datetime(2026, 11, 23, 8, 0),  # noqa: DTZ001 - the column has no zone
                Decimal("1.50"),
                UUID("00000000-0000-4000-8000-00000000000a"),
                timedelta(days=2),
            )
        ]


@pytest.mark.parametrize(
    ("value", "way_out"),
    [
        ("{'a': 1}", "take its fields"),
        ("MAP {'a': 1}", "to_json"),
        ("[[1], [2, 3]]", "to_json"),
        ("TIMESTAMP_NS '2026-11-23 08:00:00.123456789'", "Postgres keeps microseconds"),
        ("'101'::BIT", "a type that Postgres has"),
        ("TIMETZ '01:00:00+02'", "cast it to TIME"),
    ],
)
def test_types_without_a_place_are_refused(publish, postgres, value, way_out):
    problem = rf"(?s)no type for the column odd of t,.*What to do.*{way_out}.*--exclude t"
    with pytest.raises(PublishingError, match=problem):
        publish(f"CREATE TABLE t AS SELECT {value} AS odd", "CREATE TABLE a AS SELECT 1 AS n")
    assert "0 rows" in postgres.psql("SELECT FROM pg_class WHERE relname IN ('t', 'a')")


def test_a_zero_byte_is_refused_with_its_row(publish, postgres):
    with pytest.raises(PublishingError, match=r"column word of t holds a zero byte in row 3,"):
        publish(
            "CREATE TABLE t AS SELECT n, CASE n WHEN 3 THEN 'a' || chr(0) ELSE 'b' END AS word "
            "FROM range(1, 9) AS r(n)"
        )
    assert "0 rows" in postgres.psql("SELECT FROM pg_class WHERE relname = 't'")


def test_names_that_postgres_would_cut_are_refused(publish):
    with pytest.raises(PublishingError, match=r"column é{32} of t has 64 bytes"):
        publish(f"CREATE TABLE t AS SELECT 1 AS {'é' * 32}")
