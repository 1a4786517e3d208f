"""Micro-batches: by which version each is scored, and each once in Postgres."""

import shutil

import pandas as pd
import psycopg
import pytest
from postgres_server import postgres_server
from sklearn.linear_model import LinearRegression
from spark_readings import ROW_QUERY, WINDOW_QUERY, in_duckdb, write_parts

import foresql
from foresql.errors import StreamError

NAMED = ROW_QUERY.replace("FROM readings", "FROM arrivals")


@pytest.fixture
def own_registry(registry, tmp_path):
    return shutil.copytree(registry, tmp_path / "registry")


def promote_another(registry):
    """Make a model with other answers the champion."""
    values = pd.DataFrame({"value": [0.5, 1.5, -1.0, 2.0] * 15})
    line = LinearRegression().fit(values, values["value"] * 7 - 2)
    options = {"registry": registry, "probe_rows": 200, "alias": "champion"}
    foresql.publish("level", line, like=values, **options)


def test_each_batch_is_scored_by_the_version_of_its_time(stream, own_registry, readings, tmp_path):
    """The champion moves between two batches, and in none."""
    write_parts(readings, tmp_path / "in", 2)
    half = -(-len(readings) // 2)
    first = in_duckdb(ROW_QUERY, readings.slice(0, half), own_registry).to_pylist()
    found = {}

    def write(frame, batch):
        found[batch] = frame.toArrow().sort_by("id").to_pylist()
        if batch == 0:
            promote_another(own_registry)

    scoring = foresql.spark.query_batches(NAMED, write, registry=own_registry)
    stream.run(stream.of(tmp_path / "in"), scoring, tmp_path / "checkpoint")
    second = in_duckdb(ROW_QUERY, readings.slice(half), own_registry).to_pylist()
    assert {row["version"] for row in first} == {1}
    assert {row["version"] for row in second} == {2}
    assert found == {
        number: [{**row, "foresql_models": f"level:{row['version']}"} for row in rows]
        for number, rows in enumerate((first, second))
    }


def test_a_batch_that_comes_again_is_of_one_version(stream, own_registry, readings, tmp_path):
    """It is scored anew, and takes the place of itself as a whole."""
    frame = stream.session.createDataFrame(readings.slice(0, 50))
    write = foresql.spark.duckdb_batches(tmp_path / "a.duckdb", "predictions", stream="s")
    scoring = foresql.spark.query_batches(NAMED, write, registry=own_registry)
    scoring(frame, 0)
    promote_another(own_registry)
    scoring(frame, 0)
    with foresql.connect(str(tmp_path / "a.duckdb")) as con:
        versions = con.sql("SELECT foresql_models, count(*) FROM predictions GROUP BY 1").fetchall()
        rows = con.sql("SELECT id FROM predictions ORDER BY id").fetchall()
    expected = in_duckdb(ROW_QUERY, readings.slice(0, 50), own_registry)
    assert versions == [("level:2", len(expected))]
    assert rows == [(each,) for each in expected["id"].to_pylist()]


def test_windows_have_their_own_way(registry):
    with pytest.raises(StreamError, match="window_batches"):
        foresql.spark.query_batches(WINDOW_QUERY, lambda *_: None, registry=registry)


@pytest.fixture(scope="module")
def server():
    with postgres_server() as server:
        yield server


def test_rows_of_a_stream_into_postgres(stream, registry, readings, server, tmp_path):
    write_parts(readings, tmp_path / "in", 2)
    stream.of(tmp_path / "in").createOrReplaceTempView("readings")
    scored = foresql.spark.run_query(stream.session, ROW_QUERY, registry=registry)
    write = foresql.spark.postgres_batches(server.address, "lake.predictions", stream="s")
    stream.run(scored, write, tmp_path / "checkpoint")
    expected = [tuple(row.values()) for row in in_duckdb(ROW_QUERY, readings, registry).to_pylist()]
    columns = "id, sensor, part, level, version"

    def rows(of="lake.predictions", what=columns):
        with psycopg.connect(server.address) as connection:
            return connection.execute(f"SELECT {what} FROM {of} ORDER BY 1").fetchall()

    assert rows() == expected
    assert rows("foresql.spark_batches", "*") == [("s", 1)]
    last = stream.session.createDataFrame(readings.slice(0, 3).select(["id", "sensor"]))
    for batch in (3, 0):
        with pytest.raises(StreamError, match="another checkpoint"):
            write(last, batch)
    with pytest.raises(StreamError, match="differs"):
        write(last, 2)
    with pytest.raises(StreamError, match="writer adds"):
        write(last.withColumnRenamed("id", "foresql_batch"), 2)
    assert rows() == expected


def test_a_batch_that_postgres_refuses_leaves_nothing(spark, server):
    write = foresql.spark.postgres_batches(server.address, "texts", stream="texts")
    write(spark.sql("SELECT 1 AS id, 'a' AS note"), 0)
    wrong = spark.sql("SELECT id, concat('b', char(0)) AS note FROM range(3) AS r(id)")
    with pytest.raises(StreamError, match="Nothing of the batch was written"):
        write(wrong.selectExpr("CAST(id AS INT) AS id", "note"), 1)
    write(spark.sql("SELECT 2 AS id, 'c' AS note"), 1)
    write(spark.sql("SELECT 3 AS id, 'd' AS note"), 1)  # it replaces itself
    with psycopg.connect(server.address) as connection:
        found = connection.execute(
            "SELECT id, note, foresql_batch FROM texts ORDER BY 1"
        ).fetchall()
    assert found == [(1, "a", 0), (3, "d", 1)]
    with pytest.raises(StreamError, match="no type for the column s"):
        write(spark.sql("SELECT named_struct('a', 1) AS s"), 2)
