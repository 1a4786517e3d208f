"""Every type of DuckDB at its ends: into features and sinks as it was, or refused by name."""

import json
import warnings
from dataclasses import replace
from functools import cache

import duckdb
import pyarrow as pa
import pytest
import windowed_events
from event_sinks import PREDICTIONS, SHAPE, batch, opened, predictions, sink_at
from postgres_server import postgres_server

from foresql.errors import UnsupportedModelError
from foresql.streams.events.carrying import check_carried
from foresql.streams.events.describing import describe
from foresql.streams.events.records import Move
from foresql.streams.events.sinks.messages import pieces, unfit_rows
from foresql.streams.events.windows import open_windows

DAYS = ["'infinity'", "'-infinity'", "'0001-01-01'", "'9999-12-31'"]
TIMES = ["'infinity'", "'-infinity'", "'290309-12-22 (BC)'", "'294247-01-10 04:00:54'"]
NANOSECONDS = ["'infinity'", "'1677-09-22'", "'2262-04-11 23:47:16.854775806'"]
# What a name of duckdb_types() stands for, where it needs parameters, is in GIVEN_AS.
VALUES = {
    "BOOLEAN": ["true", "false"],
    "TINYINT": ["-128", "127"],
    "SMALLINT": ["-32768", "32767"],
    "INTEGER": ["-2147483648", "2147483647"],
    "BIGINT": ["-9223372036854775808", "9223372036854775807"],
    "HUGEINT": [f"{'9' * 38}", f"-{'9' * 38}", str(2**127 - 1), str(-(2**127)), f"1{'0' * 38}"],
    "UTINYINT": ["255"],
    "USMALLINT": ["65535"],
    "UINTEGER": ["4294967295"],
    "UBIGINT": ["18446744073709551615"],
    "UHUGEINT": ["0", str(2**128 - 1)],
    "BIGNUM": [f"'{'9' * 60}'", "'-1'"],
    "FLOAT": ["'nan'", "'-0.0'", "'-inf'", "'1e-45'", "'0.1'"],
    "DOUBLE": ["'nan'", "'-0.0'", "'inf'", "'5e-324'", "'0.1'"],
    "DECIMAL(38,38)": [f"'-0.{'9' * 38}'"],
    "DECIMAL(38,0)": [f"'{'9' * 38}'"],
    "DECIMAL(4,1)": ["'-999.9'"],
    "VARCHAR": ["''", "'a' || chr(10) || chr(9) || '\\N'", "'ä€😀'"],
    "JSON": ["""'{"a": [1, null]}'"""],
    "BLOB": ["''::BLOB", "'\\x00\\xFF'::BLOB"],
    "BIT": ["'1'", "'0000000000000001'", "'111111111'"],
    "UUID": ["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
    "ENUM('b', 'a')": ["'a'", "'b'"],
    "DATE": [*DAYS, "'5877642-06-25 (BC)'", "'5881580-07-10'"],
    "TIME": ["'00:00:00'", "'23:59:59.999999'", "'24:00:00'"],
    "TIME_NS": ["'23:59:59.999999999'", "'24:00:00'"],
    "TIME WITH TIME ZONE": ["'00:00:00+15:59:59'", "'23:59:59.999999-15:59:59'", "'12:00:00+00'"],
    "TIMESTAMP": [*TIMES, "'2026-01-01 00:00:00.000001'"],
    "TIMESTAMP WITH TIME ZONE": [f"{each[:-1]}+00'" if ":" in each else each for each in TIMES],
    "TIMESTAMP_S": TIMES,
    "TIMESTAMP_MS": [*TIMES, "'2026-01-01 00:00:00.001'"],
    "TIMESTAMP_NS": NANOSECONDS,
    "TIMESTAMPTZ_NS": NANOSECONDS,
    "INTERVAL": ["'1 month'", "to_hours(2562048)", "to_microseconds(-9223372036854775807)"],
    "INTEGER[]": ["[1, NULL]", "[]"],
    "INTEGER[2]": ["[1, NULL]"],
    "STRUCT(a INTEGER, b DOUBLE)": ["{'a': 1, 'b': NULL}"],
    "TUPLE(INTEGER, VARCHAR)": ["(1, 'a')"],
    "MAP(VARCHAR, INTEGER)": ["map {'a': 1, 'b': NULL}"],
    "UNION(a INTEGER, b VARCHAR)": ["1::INTEGER", "'x'"],
    "VARIANT": ["1", "'x'"],
    "GEOMETRY": ["'POINT (1 2)'"],
}
ELSEWHERE = {"NULL": "check_shape refuses it", "TYPE": "test_types_of_types_are_refused"}
GIVEN_AS = {"LIST": "INTEGER[]", "ARRAY": "INTEGER[2]"}
SHAPES = {
    "itself": ("{}", "{}"),
    "list": ("{}[]", "[{}]"),
    "struct": ("STRUCT(f {})", "{{'f': {}}}"),
}
PLAIN = {"itself": ("{}", "{}")}
TWICE = {"itself": ("{}[][]", "[[{}]]"), "map": ("MAP(INTEGER, {})", "map {{1: {}}}")}
ALWAYS = {
    "UHUGEINT",
    "BIGNUM",
    "BIT",
    "TIME WITH TIME ZONE",
    "INTERVAL",
    "GEOMETRY",
    "VARIANT",
    "TUPLE",
    "UNION",
}
NANO = {"TIME_NS", "TIMESTAMP_NS", "TIMESTAMPTZ_NS"}
REFUSED = {
    "duckdb": ALWAYS,
    "parquet": ALWAYS | {"TIMESTAMP_S"},
    "nats": ALWAYS | NANO | {"TIME", "MAP"},
    "postgres": ALWAYS | NANO | {"MAP", "STRUCT"},
}


def kind_of(type_):
    return GIVEN_AS.get(type_, type_).split("(")[0]


def test_all_types_of_duckdb_are_here():
    with duckdb.connect() as connection:
        names = connection.execute("SELECT DISTINCT logical_type FROM duckdb_types()").fetchall()
    known = {kind_of(type_) for type_ in VALUES}
    lacking = {name for (name,) in names if kind_of(GIVEN_AS.get(name, name)) not in known}
    assert lacking == set(ELSEWHERE)


@cache
def connection():
    made = duckdb.connect()
    made.execute("SET TimeZone = 'UTC'")
    return made


def given(type_, value):
    """Give a value as the worker's query does: its type, its text, and what comes by Arrow."""
    query = f"SELECT CAST({value} AS {type_}) AS v"
    [kind] = connection().sql(query).types
    [(text,)] = connection().execute(f"SELECT CAST(v AS VARCHAR) FROM ({query})").fetchall()
    if is_refused(kind, "duckdb"):
        return kind, text, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # as the worker does it, with a copy
        rows = connection().execute(query).to_arrow_table()
    return kind, text, rows.column("v")


def is_refused(kind, sink):
    said = None
    try:
        check_carried({"v": kind}, sink)
    except UnsupportedModelError as error:
        said = str(error)
    assert said is None or ("the output v" in said and "What to do: write in the query" in said)
    return said is not None


def cases(sink, shapes=SHAPES):
    """Give what is not refused, and see that the rest is what is known to be."""
    found = []
    for type_, values in VALUES.items():
        for outer, written_as in shapes.values():
            for value in values:
                shaped = outer.format(type_), written_as.format(f"CAST({value} AS {type_})")
                kind, text, column = given(*shaped)
                if not is_refused(kind, sink):
                    found.append((kind, text, column))
                elif outer == "{}":
                    assert kind_of(type_) in REFUSED[sink], type_
    return found


def rows_of(found):
    """Make a row of many columns: one value each, so that one batch tells of all."""
    schema, rows = PREDICTIONS, predictions("0", [0])
    for place, (_, _, column) in enumerate(found):
        field = pa.field(f"v{place}", column.type)
        schema, rows = schema.append(field), rows.append_column(field, column)
    return schema, rows


def fitting(found, unfit):
    """Leave out what a sink makes a dead letter: whole numbers of more than 38 digits."""
    fits = []
    for each in found:
        _, rows = rows_of([each])
        problem = unfit(rows)
        if problem:
            assert len(each[1].strip("[]-")) > 38, (each, problem)
            assert list(problem.values()) == ["v0 has a number of more than 38 digits."]
        else:
            fits.append(each)
    assert len(found) - len(fits) >= 3
    return fits


@pytest.mark.parametrize("address", ["duckdb:scores.duckdb", "parquet:scores"])
@pytest.mark.parametrize("shapes", [SHAPES, TWICE], ids=["once", "twice"])
def test_values_come_out_of_tables_as_they_were(address, shapes, tmp_path):
    sink = address.partition(":")[0]
    found = fitting(cases(sink, shapes), sink_at(address, tmp_path).unfit)
    schema, rows = rows_of(found)
    there = opened(address, tmp_path, replace(SHAPE, predictions=schema))
    there.write(batch("0", None, 0, predictions=rows))
    there.close()
    source = "predictions"
    if sink == "parquet":
        source = f"read_parquet('{tmp_path}/scores/predictions/**/*.parquet')"
    texts = ", ".join(  # a list of JSON comes as one of texts, which are written in quotes
        f"CAST(CAST(v{place} AS {kind}) AS VARCHAR)" for place, (kind, *_) in enumerate(found)
    )
    with duckdb.connect(tmp_path / "scores.duckdb") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        [row] = connection.execute(f"SELECT {texts} FROM {source}").fetchall()
    for (kind, text, _), came in zip(found, row, strict=True):
        assert came == text, kind


def text_of(kind, came):
    """Read what another system has as the type that it was, and write it as DuckDB does."""
    read = "from_base64($1)" if kind == "BLOB" else f"CAST($1 AS {kind})"
    [(text,)] = connection().execute(f"SELECT CAST({read} AS VARCHAR)", [came]).fetchall()
    return text


def test_values_come_out_of_messages_as_they_were():
    found = cases("nats", PLAIN)
    without_form = [each for each in found if "infinity" in each[1] or "BC" in each[1]]
    without_form += [each for each in found if each[1].startswith(("294247", "5881580"))]
    for each in without_form:
        assert list(unfit_rows(rows_of([each])[1], 10**6)) == [0], each
    texts = {text for _, text, _ in without_form}
    found = [each for each in found if each[1] not in texts]
    found = fitting(found, lambda rows: unfit_rows(rows, 10**6))
    _, rows = rows_of(found)
    [piece] = pieces(batch("0", None, 0, predictions=rows), 10, 10**6)
    row = json.loads(piece.messages[0].payload)
    for place, (kind, text, column) in enumerate(found):
        came = row[f"v{place}"]
        if pa.types.is_nested(column.type):
            assert came == column.to_pylist()[0]
            continue
        assert text_of(str(kind), came if isinstance(came, str) else json.dumps(came)) == text, kind


def test_values_come_out_of_postgres_as_they_were(tmp_path):
    import psycopg

    with postgres_server() as server:
        sink = sink_at(server.address, tmp_path)
        found = cases("postgres", PLAIN)
        beyond = [each for each in found if sink.unfit(rows_of([each])[1])]
        assert {kind_of(str(kind)) for kind, _, _ in beyond} == {
            *("HUGEINT", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"),
            *("TIMESTAMP_S", "TIMESTAMP_MS"),
        }
        texts = {text for _, text, _ in beyond}
        found = [each for each in found if each[1] not in texts]
        schema, rows = rows_of(found)
        sink.open(replace(SHAPE, predictions=schema))
        sink.write(batch("0", None, 0, predictions=rows))
        sink.close()
        with psycopg.connect(server.address) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            names = ", ".join(f"v{place}::text" for place in range(len(found)))
            [row] = connection.execute(f"SELECT {names} FROM predictions").fetchall()
    for (kind, text, column), came in zip(found, row, strict=True):
        if pa.types.is_nested(column.type):
            assert came.strip("{}") == text.strip("[]").replace(", ", ","), kind
        elif str(kind) == "BLOB":
            assert bytes.fromhex(came.removeprefix("\\x")) == column.to_pylist()[0]
        else:
            assert text_of(str(kind), came.replace(" BC", " (BC)")) == text, kind


def test_types_of_types_are_refused():
    with duckdb.connect() as connection:
        assert is_refused(connection.sqltype("TYPE"), "duckdb")


FEATURES = """
SELECT * EXCLUDE (t), predict_strain(f) AS strain FROM (
    SELECT *, {values}, count(*) OVER (
        PARTITION BY sensor ORDER BY t RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW
    ) AS readings FROM events
) AS f
"""


LOST = {"INTERVAL", "UNION", "ENUM", "TUPLE"}


def features_of(values):
    """Plan a query that gives values as features."""
    entries = ", ".join(
        f"CAST({value} AS {type_}) AS v{n}" for n, (type_, value) in enumerate(values)
    )
    definition = windowed_events.read_definition_of(FEATURES.format(values=entries))
    return open_windows(definition, windowed_events.SCHEMA, "BIGINT")


def test_features_reach_the_outermost_select_as_they_were():
    """They cross Arrow without loss but for some types, which are refused."""
    values = [(type_, each) for type_, some in VALUES.items() for each in some]
    values = [each for each in values if kind_of(each[0]) not in LOST]
    windows = features_of(values)
    rows = [{"event_id": "a", "sensor": "s", "t": windowed_events.START, "x": 0.5, "n": 1}]
    windows.open(lambda name, *_: windows.tables[name].empty_table())
    windows.take(windowed_events.table_of("p", rows, 0), {"p": Move(None, 0)})
    taken = windows.advance(["p"], flush=True)
    windows.close()
    connection().register("f", taken.rows)
    came = ", ".join(f"CAST(v{place} AS VARCHAR)" for place in range(len(values)))
    were = ", ".join(f"CAST(CAST({value} AS {type_}) AS VARCHAR)" for type_, value in values)
    assert connection().execute(f"SELECT {came} FROM f").fetchall() == (
        connection().execute(f"SELECT {were}").fetchall()
    )


@pytest.mark.parametrize("type_", sorted(LOST))
def test_features_that_would_change_are_refused(type_):
    [(name, values)] = [each for each in VALUES.items() if kind_of(each[0]) == type_]
    with pytest.raises(UnsupportedModelError, match=r"What to do: (write in the query|cast it)"):
        features_of([(name, values[0])])


@pytest.mark.parametrize(
    ("value", "sink"), [("to_days(1)", "duckdb:a"), ("{'a': 1}", "postgresql:///a")]
)
def test_a_worker_is_checked_before_anything_is_connected(flights, value, sink):
    query = f"SELECT flight_id, {value} AS wait, predict_delay(f) AS late FROM flights f"
    with pytest.raises(UnsupportedModelError, match="the output wait"):
        describe(flights.define(query=query, sink=sink), flights.registry)
