# ruff: noqa: E501 - the queries are a table
"""Both ways through an endpoint answer alike: models, rows that are dropped, and rows that fail."""

import struct

import duckdb
import pytest

import foresql
from foresql.online import Wanted, materialize
from foresql.serving import App, Endpoints, Settings
from foresql.serving.features import RowFeatures

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")
HOUR = '"the ""hour"""'
TABLES = f"""
    CREATE TABLE trips (id BIGINT, origin VARCHAR, n INTEGER, distance DOUBLE, day DATE,
        "dep delay" DOUBLE, carrier VARCHAR, {HOUR} BIGINT, weekend BOOLEAN, "at" TIMESTAMP);
    CREATE TABLE strict (origin VARCHAR, delay DOUBLE, hub VARCHAR);
    CREATE TABLE lax (origin VARCHAR, wind DOUBLE);
    INSERT INTO strict VALUES ('JFK', 7.5, 'JFK'), ('EWR', NULL, 'XXX'), ('BOS', 0, NULL);
    INSERT INTO lax VALUES ('JFK', 1), ('LAX', 2);
    INSERT INTO trips VALUES
        (0, 'JFK', 0, 733, '2013-01-31', 2, 'AA', 7, true, '2013-01-01'),
        (1, 'LAX', 2147483647, 80, '9999-12-31', NULL, NULL, 23, false, '2013-06-01 12:00:00.000001'),
        (2, NULL, 1, NULL, NULL, NULL, 'UA', NULL, NULL, NULL),
        (3, 'BOS', -5, -0.0, '0001-01-01', -3.5, 'naïve ☃', 0, true, '2000-01-01'),
        (4, 'EWR', 3, 2475, '1970-01-01', 0, 'ZZ', 1, false, '9999-12-31 23:59:59.999999');
"""
MODELS = {
    "probabilities_by_row": "predict_proba_late(t) AS p, predict_late(t) AS word FROM trips t",
    "by_name": 'predict_proba_late(distance := distance * 2, "dep delay" := 1.0, carrier := carrier)'
    " AS p, predict_proba_late(t) > 0.5 AS high FROM trips t",
    "of_three": "predict_proba_kinds(t) AS p, predict_kinds(t) AS kind, version_kinds() AS v FROM trips t",
    "one_of_three": "predict_proba_kinds(t)['10'] * 100 AS ten FROM trips t",
    "by_position": "predict_proba_late(distance, \"dep delay\", 'AA') AS p FROM trips t",
    "of_two": "predict_pair(distance := coalesce(distance, 1)) AS pair FROM trips t",
    "chained": 'predict_delay(distance := distance, "dep delay" := predict_proba_late(t)) AS d FROM trips t'
    " WHERE predict_proba_late(t) > 0.01",
}  # fmt: skip
# What fails in a row that is dropped, or not; with DuckDB's error or the view's.
DROPPED = {
    "inner_drops_before_strict": "t.id FROM trips t JOIN lax l ON l.origin = t.origin "
    "JOIN strict s ON s.origin = t.origin",
    "strict_before_inner": "t.id FROM trips t JOIN strict s ON s.origin = t.origin "
    "JOIN lax l ON l.origin = t.origin",
    "a_condition_in_on": "t.id FROM trips t JOIN strict s ON s.origin = t.origin AND t.n < 5",
    "a_condition_in_where": "t.id FROM trips t JOIN strict s ON s.origin = t.origin WHERE t.n < 5",
    "a_stage_below": "id FROM (SELECT * FROM trips t WHERE origin <> 'LAX') t JOIN strict s USING (origin)",
    "the_key_of_another_view": "t.id, u.delay FROM trips t JOIN lax l ON l.origin = t.origin "
    "JOIN strict u ON u.origin = l.origin WHERE t.id <> 1",
    "the_key_of_a_strict_view": "t.id, u.delay FROM trips t LEFT JOIN lax l ON l.origin = t.origin "
    "LEFT JOIN strict u ON u.origin = l.origin",
    "a_sum_above_where": "id, next FROM (SELECT id, n, n + 1 AS next FROM trips t) t WHERE n < 10",
    "a_sum_above_and": "id FROM trips t WHERE n < 10 AND n + 1 > 0",
    "a_sum_before_and": "id FROM trips t WHERE n + 1 > 0 AND n < 10",
    "a_sum_in_or": "id FROM trips t WHERE n > 10 OR n + 1 > 0",
    "a_sum_behind_a_join": "t.id FROM trips t JOIN lax l ON l.origin = t.origin WHERE t.n + 1 > 0",
    "a_sum_of_a_dropped_row": "t.id FROM trips t JOIN lax l ON l.origin = t.origin || 'x' "
    "WHERE t.n + 1 > 0",
    "a_sum_in_the_key": "t.id, l.wind FROM trips t JOIN lax l ON l.origin = 'J' || (t.n + 1)",
    "a_sum_two_stages_up": "q FROM (SELECT id, n + 1 AS q, n FROM (SELECT * FROM trips t WHERE n < 9) t) t "
    "WHERE q > 0 AND n <> 3",
    "an_unused_sum": "id FROM (SELECT id, n + 1 AS next FROM trips t) t",
    "a_case": "id, CASE WHEN n < 10 THEN n + 1 END AS next FROM trips t",
    "a_quotient": "id, 10 // (n - 1) AS q FROM trips t",
    "a_narrow_number": "id, CAST(n AS TINYINT) AS q FROM trips t",
    "a_day_too_late": "id, day + 1 AS q FROM trips t",
    "a_time_too_late": "id, t.at + INTERVAL 1 DAY AS q FROM trips t",
    "a_time_too_early": "id, t.at - INTERVAL 3000 YEAR AS q FROM trips t",
    "a_week_too_early": "id, date_trunc('week', day) AS q FROM trips t",
    "a_day_too_late_within": "id, year(day + 1) AS q, day + 1 > DATE '2013-01-01' AS late FROM trips t",
    "a_day_too_late_as_text": "id, CAST(day + 1 AS VARCHAR) AS q FROM trips t",
    "infinity": "id, CAST('infinity' AS DATE) AS q, day FROM trips t WHERE id <> 3",
    "minus_infinity": "id, CAST('-infinity' AS TIMESTAMP) AS q FROM trips t",
    "before_infinity": "id, greatest(t.at, CAST('-infinity' AS TIMESTAMP)) AS q, day < 'infinity'::DATE AS b"
    " FROM trips t",
}  # fmt: skip
BY_DUCKDB = {"infinity", "minus_infinity", "before_infinity"}


@pytest.fixture(scope="module")
def airport(tmp_path_factory, published):
    folder = tmp_path_factory.mktemp("routes")
    with duckdb.connect(folder / "trips.duckdb") as connection:
        connection.execute(TABLES)
    wanted = [
        Wanted(name="strict", keys=("origin",), missing="error"),
        Wanted(name="lax", keys=("origin",), missing="null"),
    ]
    done = materialize(wanted, str(folder / "online"), database=folder / "trips.duckdb")
    assert [each.problem for each in done] == [None, None]
    (folder / "serving").mkdir()
    for name, rest in (MODELS | DROPPED).items():
        (folder / "serving" / f"{name}.sql").write_text(f"SELECT {rest}")
    endpoints = Endpoints(
        folder / "serving", online=str(folder / "online"), database=folder / "trips.duckdb"
    )
    app = App(Settings(published, poll_seconds=3600, threads=1, endpoints=endpoints))
    app.service.start()
    yield app.service.endpoints, folder / "trips.duckdb", published
    app.service.stop()


def bits(value):
    match value:
        case float():
            return struct.pack("<d", value)
        case dict():
            return {name: bits(each) for name, each in value.items()}
        case tuple() | list():
            return [bits(each) for each in value]
        case _:
            return value


def answered(endpoint, way, rows):
    """What one way answers to rows; an error is an answer."""
    features = RowFeatures(endpoint.schema, [tuple(row) for row in rows])
    try:
        found = way(features)
    except foresql.errors.ForesqlError as error:
        return type(error), str(error)
    return list(found.rows), bits(found.values)


def rows_of(endpoint, database):
    """The trips as an endpoint takes them."""
    columns = ", ".join(
        f'CAST("{name}" AS VARCHAR)' if name == "day" else '"' + name.replace('"', '""') + '"'
        for name in endpoint.names
    )
    with duckdb.connect(database, read_only=True) as connection:
        return connection.execute(f"SELECT {columns} FROM trips ORDER BY id").fetchall()


@pytest.mark.parametrize("name", MODELS)
def test_models_row_by_row_are_those_of_the_batch(airport, name):
    endpoints, database, registry = airport
    endpoint = endpoints.find(name)
    assert endpoint.route == "row by row", endpoint.why_duckdb
    found = endpoint._by_rows(RowFeatures(endpoint.schema, rows_of(endpoint, database)))
    with foresql.connect(database, read_only=True) as connection:
        query = f"SELECT id, {MODELS[name]}"
        table = foresql.run_query(connection, query, registry=registry).to_arrow_table()
    batch = [list(row.values()) for row in table.sort_by("id").to_pylist()]
    assert found.rows == [row[0] for row in batch]
    assert bits(found.values) == bits([row[1:] for row in batch])


@pytest.mark.parametrize("name", DROPPED)
def test_rows_that_are_dropped_or_fail_are_so_on_both_ways(airport, name):
    endpoints, database, _ = airport
    endpoint = endpoints.find(name)
    assert endpoint.route == ("DuckDB" if name in BY_DUCKDB else "row by row"), endpoint.why_duckdb
    rows = rows_of(endpoint, database)
    for part in (*[[row] for row in rows], rows, rows[::-1]):
        by_rows = answered(endpoint, endpoint.answer_by_rows, part)
        assert by_rows == answered(endpoint, endpoint.answer, part), part


SAYS = {
    "a_quotient": "Row 2: ",
    "a_narrow_number": "Row 1: Conversion Error",
    "a_day_too_late": "Row 1: the answer 'q' leaves the years 1 to 9999, or is infinite",
    "a_time_too_late": "Row 4: the answer 'q' leaves",
    "a_time_too_early": "Row 0: the answer 'q' leaves",
    "infinity": "Row 0: the answer 'q' leaves",
    "a_condition_in_on": "strict has no row for origin = 'LAX'",
    "inner_drops_before_strict": "strict has no row for origin = 'LAX'",
}
"""What is said, whichever way was taken."""


@pytest.mark.parametrize("name", SAYS)
def test_an_error_names_the_row(airport, name):
    endpoints, database, _ = airport
    endpoint = endpoints.find(name)
    features = RowFeatures(endpoint.schema, rows_of(endpoint, database))
    for way in (endpoint.answer_by_rows, endpoint.answer):
        with pytest.raises(foresql.errors.ForesqlError) as refused:
            way(features)
        assert SAYS[name] in str(refused.value)
