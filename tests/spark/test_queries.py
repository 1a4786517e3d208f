"""The scoring query of everywhere gives in Spark what it gives in DuckDB, or is refused by name."""

import pytest
from spark_readings import ROW_QUERY, WINDOW_QUERY, WINDOWS, in_duckdb

import foresql
from foresql import RegistrationError, SignatureError, UnsupportedModelError

MODEL = "predict_level(readings) AS level"


def test_rows_are_those_of_duckdb(spark, registry, readings):
    found = foresql.spark.run_query(spark, ROW_QUERY, registry=registry).toArrow().sort_by("id")
    expected = in_duckdb(ROW_QUERY, readings, registry)
    assert found.schema.names == expected.schema.names
    assert found.to_pylist() == expected.to_pylist()


def test_windows_are_those_of_duckdb(spark, registry, readings):
    given = foresql.spark.run_query(spark, WINDOW_QUERY, **WINDOWS, registry=registry)
    assert given.toArrow().sort_by("id").equals(in_duckdb(WINDOW_QUERY, readings, registry))


def test_columns_that_are_not_read_stay_in_the_files(spark, registry):
    plan = foresql.spark.run_query(spark, f"SELECT id, {MODEL} FROM readings", registry=registry)
    assert plan.inputFiles()
    text = plan._jdf.queryExecution().executedPlan().toString()
    assert "id#" in text
    assert "sensor" not in text


def test_a_row_that_goes_elsewhere_has_all_columns(spark, registry, readings):
    query = f"SELECT id, readings::VARCHAR AS all, {MODEL} FROM readings".replace(
        " all,", " whole,"
    )
    found = foresql.spark.run_query(spark, query, registry=registry).toArrow().sort_by("id")
    assert found.to_pylist() == in_duckdb(query, readings, registry).to_pylist()


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("1::UTINYINT AS a, 2::UBIGINT AS b", {"a": 1, "b": 2}),
        ("NULL AS a, [1, 2]::INTEGER[2] AS b", {"a": None, "b": [1, 2]}),
        ("'x'::ENUM('x', 'y') AS a, {'k': 1::USMALLINT} AS b", {"a": "x", "b": {"k": 1}}),
    ],
)
def test_types_that_spark_has_not_become_wider_ones(spark, registry, select, expected):
    query = f"SELECT {select}, {MODEL} FROM readings WHERE id = 1"
    [row] = foresql.spark.run_query(spark, query, registry=registry).toArrow().to_pylist()
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("query", "kind", "message"),
    [
        (f"SELECT id, sum(id) AS s, {MODEL} FROM readings", UnsupportedModelError, "view of Spark"),
        (f"SELECT {MODEL} FROM readings JOIN b USING (id)", UnsupportedModelError, "view of Spark"),
        (f"SELECT {MODEL} FROM readings LIMIT 3", UnsupportedModelError, "LIMIT"),
        (f"SELECT now() AS n, {MODEL} FROM readings", UnsupportedModelError, "now"),
        ("SELECT id FROM readings", UnsupportedModelError, "no model"),
        ("SELECT FROM", UnsupportedModelError, "parsed"),
        ("SELECT predict_level(f) AS l FROM nowhere f", RegistrationError, "no table or view"),
        (f"SELECT INTERVAL 1 DAY AS i, {MODEL} FROM readings", SignatureError, "CAST"),
        (f"SELECT id::UHUGEINT AS i, {MODEL} FROM readings", SignatureError, "the output i"),
        (f"SELECT id::HUGEINT AS i, {MODEL} FROM readings", SignatureError, "38 digits"),
        ("SELECT predict_level(sensor) AS l FROM readings", RegistrationError, "does not fit"),
        (WINDOW_QUERY.replace("::DECIMAL(18, 6)", ""), UnsupportedModelError, "DECIMAL"),
        (WINDOW_QUERY.replace("RANGE", "ROWS"), UnsupportedModelError, "ROWS"),
    ],
)
def test_what_is_refused(spark, registry, query, kind, message):
    given = WINDOWS if " OVER " in query else {}
    with pytest.raises(kind, match=message):
        foresql.spark.run_query(spark, query, registry=registry, **given)


def test_windows_need_a_key_and_a_plain_time(spark, registry):
    with pytest.raises(UnsupportedModelError, match="key="):
        foresql.spark.run_query(spark, WINDOW_QUERY, registry=registry)
    zoned = spark.table("readings").selectExpr(
        "id", "sensor", "value", "CAST(seen AS TIMESTAMP) seen"
    )
    zoned.createOrReplaceTempView("readings")
    with pytest.raises(SignatureError, match="AS TIMESTAMP_NTZ"):
        foresql.spark.run_query(spark, WINDOW_QUERY, **WINDOWS, registry=registry)


def test_what_is_no_session(registry):
    with pytest.raises(RegistrationError, match="SparkSession, not str"):
        foresql.spark.run_query("spark", ROW_QUERY, registry=registry)
