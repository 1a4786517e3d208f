"""Which windows are read: the approved aggregates give one result, the others are refused."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
import windowed_events

from foresql.errors import UnsupportedModelError
from foresql.streams.events.records import Move
from foresql.streams.events.windows import features, open_windows
from foresql.streams.events.windows.aggregates import APPROVED
from foresql.streams.events.windows.memory import Memory
from foresql.streams.events.windows.query import read_window_query
from foresql.streams.events.windows.stack import EVENTS, ROW

FRAME = "RANGE BETWEEN INTERVAL 5 MINUTES PRECEDING AND"
WINDOW = f"OVER (PARTITION BY sensor ORDER BY t {FRAME} CURRENT ROW)"
BACKWARDS = WINDOW.replace("5 MINUTES", "'-5 minutes'")
VARYING = WINDOW.replace("INTERVAL 5 MINUTES", "INTERVAL (n) MINUTES")
AHEAD = WINDOW.replace("CURRENT ROW", "INTERVAL 1 MINUTE FOLLOWING")
DESCENDING = WINDOW.replace("ORDER BY t", "ORDER BY t DESC")
EXACT = "x::DECIMAL(18, 6)"
CALLS = {
    "count": ["count(x)", "count(DISTINCT n)"],
    "count_star": ["count(*)", "count_star()"],
    "count_if": ["count_if(n > 3)"],
    "countif": ["countif(n > 3)"],
    "min": ["min(x + 0.0)", "min(n)", "min(event_id)", "min(abs(x))", f"min({EXACT}::DOUBLE)"],
    "max": [
        "max(x + 0.0)",
        "max(t)",
        "max({'at': t, 'value': x + 0.0, 'id': event_id})",
        f"max({{'at': t, 'value': {EXACT}}})",
        "max(0 + x::FLOAT)",
    ],
    "sum": [
        f"sum({EXACT})",
        "sum(n)",
        "sum(DISTINCT n)",
        "sum((x * x)::DECIMAL(24, 6))",
        "sum(n > 2)",
    ],
    "avg": [f"avg({EXACT})", "avg(n)", "avg(n::TINYINT)", "avg(x::DECIMAL(28, 9))"],
    "mean": [f"mean({EXACT})"],
    "bool_and": ["bool_and(n > 1)"],
    "bool_or": ["bool_or(n > 6)"],
    "bit_and": ["bit_and(n)"],
    "bit_or": ["bit_or(n)"],
    "bit_xor": ["bit_xor(n)"],
    "median": [f"median({EXACT})", "median(n)"],
    "quantile_cont": [f"quantile_cont({EXACT}, 0.3)", "quantile_cont(n, 0.77)"],
    "quantile_disc": [f"quantile_disc({EXACT}, 0.9)", "quantile_disc(n, [0.1, 0.5])"],
}
ROWS = 2500


def read(query):
    definition = windowed_events.read_definition_of(query)
    connection = duckdb.connect()
    with connection:
        return read_window_query(connection, definition, SCHEMA)


SCHEMA = windowed_events.WHOLE_SCHEMA


def test_each_approved_aggregate_is_tried():
    assert sorted(CALLS) == sorted(APPROVED)


def some_events(seed):
    """Make events with many equal times, NULL, NaN, both zeros, and values of all sizes."""
    draw = windowed_events.chance(seed)
    rows = [
        {
            "event_id": str(number),
            "sensor": draw.choice(["a", "b", None]),
            "t": windowed_events.START
            + timedelta(seconds=draw.randrange(0, 3600, draw.choice([1, 60]))),
            "x": draw.choice([None, 0.0, -0.0, draw.gauss(0, 10), draw.gauss(0, 1e-4), 1e8 / 3]),
            "n": draw.choice([None, *range(8), -3]),
        }
        for number in range(ROWS)
    ]
    return windowed_events.table_of("p", rows, 0)


def bits_of(table):
    """Give rows as bits: Arrow keeps both zeros apart, and so must this."""
    rows = table.to_pylist()
    return [tuple(map(deep_bits, row.values())) for row in rows]


def deep_bits(value):
    if isinstance(value, dict):
        return tuple(map(deep_bits, value.values()))
    return windowed_events.bits(value)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_an_approved_aggregate_depends_on_the_values_in_the_frame_alone(name, monkeypatch):
    """In any order, of any slice, as a window and as a join: the bits of the whole table."""
    entries = []
    for call in CALLS[name]:
        exact = call.endswith("star()")
        frames = ["CURRENT ROW", "INTERVAL 1 MINUTE PRECEDING", "CURRENT ROW EXCLUDE CURRENT ROW"]
        frames += ["CURRENT ROW EXCLUDE GROUP", "CURRENT ROW EXCLUDE TIES"]
        for frame in frames[: 1 if exact else None]:
            over = f"OVER (PARTITION BY sensor ORDER BY t {FRAME} {frame})"
            entries += [f"{call} {over}"]
        if not exact:
            entries.append(f"{call} FILTER (WHERE n > 0) {WINDOW}")
    listed = ", ".join(f"{entry} AS c{place}" for place, entry in enumerate(entries))
    inner = f"SELECT event_offset, {listed} FROM events WHERE n IS DISTINCT FROM 5"
    query = read(f"SELECT event_offset, predict_x(f) AS p FROM ({inner}) AS f")
    events = some_events(len(name)).select(SCHEMA.names).cast(SCHEMA)
    with duckdb.connect() as connection:
        connection.register("events", events)
        whole = connection.sql(f"{inner} ORDER BY event_offset").to_arrow_table()
    expected = {row[0]: row for row in bits_of(whole)}
    draw = np.random.default_rng(3)
    computed = features.Features(query, SCHEMA)
    for pairs in (0, 10**9):
        monkeypatch.setattr(features, "PAIRS", pairs)
        shuffled = events.take(pa.array(draw.permutation(ROWS)))
        memory = Memory(shuffled, "t", ["sensor"], [])
        asked = draw.choice(ROWS, 150, replace=False)
        found = computed.compute(memory.slice(asked, 300_000_000, ROW)).drop_columns([ROW])
        rows = bits_of(duckdb.from_arrow(found).to_arrow_table())
        assert len(rows) > 100
        assert rows == [expected[row[0]] for row in rows]
    computed.close()


def test_layers_add_up_and_named_windows_are_read():
    query = read(windowed_events.QUERY)
    assert query.lookback == windowed_events.LOOKBACK
    assert query.table == "f"
    assert EVENTS in query.features


@pytest.mark.parametrize(
    ("call", "reason", "way_out"),
    [
        (f"sum(x) {WINDOW}", "last bits depend on the order", "DECIMAL"),
        (f"avg(x) {WINDOW}", "last bits depend on the order", "DECIMAL"),
        (f"avg(x::DECIMAL(38, 6)) {WINDOW}", "at most 28 digits", "DECIMAL"),
        (f"sum(n::HUGEINT) {WINDOW}", "neither a whole number", "DECIMAL"),
        (f"max(x) {WINDOW}", "-0.0 and 0.0 are equal", "max\\(value \\+ 0.0\\)"),
        (f"min(-(x + 0.0)) {WINDOW}", "-0.0 and 0.0 are equal", "0.0"),
        (f"max(x + -0.0) {WINDOW}", "-0.0 and 0.0 are equal", "0.0"),
        (f"max({{'at': t, 'value': x}}) {WINDOW}", "-0.0 and 0.0 are equal", "DECIMAL"),
        (f"max(INTERVAL 1 DAY * n) {WINDOW}", "equal values of INTERVAL", "DECIMAL"),
        (f"max([n]) {WINDOW}", "may be different ones", "DECIMAL"),
        (f"max(event_id COLLATE NOCASE) {WINDOW}", "equal texts may differ", "lower"),
        (f"count(DISTINCT x) {WINDOW}", "how DuckDB compares", "DECIMAL"),
        (f"median(x) {WINDOW}", "NaN has no rank", "DECIMAL"),
        (f"mode(n) {WINDOW}", "several rows of one time", "EXCLUDE GROUP"),
        (f"stddev(x) {WINDOW}", "last bits", "sum\\(\\(value \\* value\\)"),
        (f"arg_max(n, t) {WINDOW}", "several rows of one time", "EXCLUDE GROUP"),
        (f"last_value(x IGNORE NULLS) {WINDOW}", "several rows of one time", "EXCLUDE GROUP"),
        ("lag(x) OVER (PARTITION BY sensor ORDER BY t)", "no bound", "RANGE BETWEEN"),
        (f"string_agg(event_id, ',') {WINDOW}", "order among equal times", "count"),
        (f"sum(n ORDER BY x) {WINDOW}", "without an order", "leave it out"),
        (f"row_number() {WINDOW}", "counts all rows", "RANGE"),
        (f"approx_count_distinct(n) {WINDOW}", "not known to be exact", "use one of"),
        ("count(*) OVER (PARTITION BY sensor ORDER BY t)", "no bound", "RANGE BETWEEN"),
        ("count(*) OVER (PARTITION BY sensor ORDER BY t ROWS 3 PRECEDING)", "count rows", "RANGE"),
        ("count(*) OVER (PARTITION BY sensor ORDER BY t GROUPS 3 PRECEDING)", "count", "RANGE"),
        (f"count(*) OVER (ORDER BY t {FRAME} CURRENT ROW)", "other keys", "PARTITION BY sensor"),
        (f"count(*) {DESCENDING}", "not ordered by t", "ORDER"),
        (f"count(*) {WINDOW.replace('5 MINUTES', '1 MONTH')}", "months differ", "days"),
        (f"count(*) {BACKWARDS}", "later events", "RANGE"),
        (f"count(*) {VARYING}", "no constant", "RANGE"),
        (f"count(*) {AHEAD}", "later events", "RANGE"),
        (f"count(*) {WINDOW} + random()", "not certain to give the same", "before the event"),
        (f"count(*) {WINDOW} + predict_x(events)", "a later version", "outermost"),
        (f"count(*) {WINDOW} + (SELECT 1)", "reads other rows", "window"),
    ],
)  # fmt: skip
def test_other_windows_are_refused_with_the_way_out(call, reason, way_out):
    with pytest.raises(UnsupportedModelError, match=rf"(?s){reason}.*What to do: .*{way_out}"):
        read(f"SELECT c, predict_x(f) AS p FROM (SELECT {call} AS c FROM events) AS f")


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (f"SELECT predict_x(e) AS p, count(*) {WINDOW} AS c FROM events e", "outermost SELECT"),
        ("SELECT predict_x(e) AS p FROM events e", "no window over the events"),
        ("SELECT predict_x(f) AS p FROM {} AS f JOIN events USING (n)", "not one table"),
        ("SELECT predict_x(f) AS p FROM (SELECT * FROM {} ORDER BY n) AS f", "ORDER BY"),
        ("SELECT predict_x(f) AS p FROM (SELECT DISTINCT c FROM {}) AS f", "DISTINCT"),
        (
            "SELECT predict_x(f) AS p FROM (SELECT c, count(*) AS n FROM {} GROUP BY c) AS f",
            "GROUP",
        ),
        ("SELECT predict_x(f) AS p FROM ({} UNION ALL {}) AS f", "set operation"),
        ("WITH a AS {} SELECT predict_x(f) AS p FROM {} AS f", "not read"),
        ("WITH a(b) AS {} SELECT predict_x(f) AS p FROM a AS f", "names its columns twice"),
        ("SELECT predict_x(f) AS p FROM (SELECT COLUMNS('c') FROM {}) AS f", "COLUMNS"),
        ("SELECT predict_x(f) AS p FROM (SELECT c AS event_offset FROM {}) AS f", "event_offset"),
        ("SELECT predict_x(f) AS p FROM (SELECT c AS EVENT_OFFSET FROM {}) AS f", "event_offset"),
        ("SELECT predict_x(f) AS p FROM (SELECT to_json(g) AS j FROM {} AS g) AS f", "g as one"),
        ("SELECT predict_x(f) AS p FROM (SELECT g AS j FROM {} AS g) AS f", "g as one value"),
        ("SELECT predict_x(f) AS p, hash(f) AS h FROM {} AS f", "f as one value"),
        ("SELECT predict_x(f) AS p FROM {} AS f WHERE f IS NOT NULL", "f as one value"),
        (
            (f"WITH a AS (SELECT event_id, sensor, t FROM events) SELECT c.t AS t FROM "
            f"(SELECT max(a) {WINDOW} AS c FROM a) AS f"),
            "a as one value",
        ),
        ((f"WITH a AS (SELECT *, n % 2 AS u FROM events), b AS (SELECT *, sensor AS u FROM a), "
         f"f AS (SELECT count(*) {WINDOW.replace('sensor', 'u')} AS c FROM b) SELECT c FROM f"),
         '"u".*gives them twice'),
        (("WITH a AS (SELECT *, {'sensor': 'k'} AS s FROM events), "
         "b AS (SELECT * EXCLUDE (sensor), s.* FROM a), "
         f"f AS (SELECT count(*) {WINDOW} AS c FROM b) SELECT c FROM f"), "s\\.\\* in the query"),
        (f"SELECT c FROM (SELECT n AS a, x AS a, count(*) {WINDOW} AS c FROM events) AS f",
         '"a".*gives them twice'),
    ],
)  # fmt: skip
def test_queries_of_another_form_are_refused(query, reason):
    inner = f"(SELECT count(*) {WINDOW} AS c FROM events)"
    with pytest.raises(UnsupportedModelError, match=f"(?s){reason}"):
        read(query.replace("{}", inner))


def features_of(query, rows):
    """Compute the features of all rows, and what the query's outermost SELECT makes of them."""
    windows = open_windows(
        windowed_events.read_definition_of(query), windowed_events.SCHEMA, "BIGINT"
    )
    table = windowed_events.table_of("p", rows, 0)
    move = Move(None, len(rows) - 1)
    windows.open(lambda name, *_: windows.tables[name].empty_table())
    windows.take(table, {"p": move})
    taken = windows.advance(["p"], flush=True)
    windows.close()
    with duckdb.connect() as connection:
        connection.register("f", taken.rows)
        return connection.sql(windows.query.text).fetchall()


def test_sums_of_whole_numbers_stay_whole_in_the_outermost_select():
    """HUGEINT through Arrow is a DECIMAL unless it is told otherwise, and // divides those."""
    rows = [
        {"event_id": "a", "sensor": "s", "t": windowed_events.START, "x": None, "n": 5},
        {"event_id": "b", "sensor": "s", "t": windowed_events.START, "x": None, "n": 2},
    ]
    query = (
        f"SELECT event_id, s // 2, typeof(s) FROM (SELECT *, sum(n) {WINDOW} AS s FROM events) AS f"
    )
    assert features_of(query, rows) == [("a", 3, "HUGEINT"), ("b", 3, "HUGEINT")]


def test_features_do_not_depend_on_the_time_zone_of_the_machine():
    """DuckDB takes TZ once for a process."""
    code = """
from test_window_queries import features_of, WINDOW, windowed_events
rows = [dict(event_id="a", sensor="s", t=windowed_events.START, x=None, n=5)]
inner = f"SELECT epoch(t::TIMESTAMPTZ) - epoch(t) AS h, count(*) {WINDOW} AS c FROM events"
print(features_of(f"SELECT h, c FROM ({inner}) AS f", rows))
"""
    folders = [str(Path(__file__).parent), *sys.path]
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TZ": "Asia/Tokyo", "PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "[(0.0, 1)]\n"


def test_an_event_whose_partition_cannot_be_computed_costs_no_other_its_features():
    rows = [
        {"event_id": name, "sensor": "s", "t": windowed_events.START, "x": None, "n": 5}
        for name in ("1", "a", "1")
    ]
    inner = f"SELECT count(*) {WINDOW.replace('sensor', 'sensor, event_id::INT')} AS c FROM events"
    assert features_of(f"SELECT c FROM ({inner}) AS f", rows) == [(2,), (2,)]


def test_types_that_arrow_does_not_keep_are_refused():
    inner = f"SELECT 'a'::ENUM('b', 'a') AS e, count(*) {WINDOW} AS c FROM events"
    with pytest.raises(UnsupportedModelError, match=r"ENUM.*VARCHAR in the outermost SELECT"):
        read(f"SELECT e < 'b'::ENUM('b', 'a') AS l FROM ({inner}) AS f")


def test_a_shorter_bound_and_wrong_columns_are_refused():
    query = f"SELECT predict_x(f) AS p FROM (SELECT count(*) {WINDOW} AS c FROM events) AS f"
    for more, reason in (
        ({"lookback": timedelta(minutes=4)}, "look back 0:05:00, and it is 0:04:00"),
        ({"key": ("x",)}, "may be equal and yet different"),
        ({"key": ("gone",)}, "no such column"),
    ):
        definition = windowed_events.read_definition_of(query, **more)
        with pytest.raises(UnsupportedModelError, match=reason):
            open_windows(definition, windowed_events.SCHEMA, "BIGINT")
