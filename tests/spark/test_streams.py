"""A stream gives, by the same query, what a table of all its rows gives."""

import duckdb
import pytest
from spark_readings import (
    LATENESS,
    ROW_QUERY,
    WINDOW_QUERY,
    WINDOWS,
    in_duckdb,
    passed,
    write_parts,
)

import foresql
from foresql import UnsupportedModelError
from foresql.errors import StreamError


def test_rows_of_a_stream_into_duckdb(stream, registry, readings, tmp_path):
    write_parts(readings, tmp_path / "in", 2)
    stream.of(tmp_path / "in").createOrReplaceTempView("readings")
    scored = foresql.spark.run_query(stream.session, ROW_QUERY, registry=registry)
    path = tmp_path / "scores.duckdb"
    write = foresql.spark.duckdb_batches(path, "predictions", stream="s")
    stream.run(scored, write, tmp_path / "checkpoint")
    last = scored.sparkSession.createDataFrame(in_duckdb(ROW_QUERY, readings, registry)[2000:])
    with duckdb.connect(path) as con:
        before = con.sql("FROM predictions ORDER BY id").to_arrow_table()
    assert (
        before.select(range(5)).to_pylist() == in_duckdb(ROW_QUERY, readings, registry).to_pylist()
    )
    assert set(before["foresql_batch"].to_pylist()) == {0, 1}
    with pytest.raises(StreamError, match="another checkpoint"):
        write(last, 5)
    with pytest.raises(StreamError, match="another checkpoint"):
        write(last, 0)
    with duckdb.connect(path) as con:
        assert con.sql("FROM predictions ORDER BY id").to_arrow_table().equals(before)


def test_windows_of_a_stream(stream, registry, readings, late_readings, tmp_path):
    arriving, spark = stream.of(late_readings), stream.session
    arriving.createOrReplaceTempView("readings")
    with pytest.raises(UnsupportedModelError, match="window_batches"):
        foresql.spark.run_query(spark, WINDOW_QUERY, **WINDOWS, registry=registry)
    out = str(tmp_path / "out")
    write = foresql.spark.window_batches(
        WINDOW_QUERY, out, **WINDOWS, lateness=LATENESS, registry=registry
    )
    stream.run(arriving, write, tmp_path / "checkpoint")
    found = spark.read.parquet(f"{out}/predictions").toArrow().sort_by("id")
    expected = in_duckdb(passed(WINDOW_QUERY, readings), readings, registry)
    assert found.drop(["foresql_batch"]).to_pylist() == expected.to_pylist()
    assert len(set(found["foresql_batch"].to_pylist())) == 2
    late = spark.read.parquet(f"{out}/late").toArrow()
    assert set(late["id"].to_pylist()) == {100_000, 100_001}
    with pytest.raises(StreamError, match="another checkpoint"):
        write(arriving, 0)


def test_windows_are_asked_for(registry):
    with pytest.raises(StreamError, match="no windows"):
        foresql.spark.window_batches(
            ROW_QUERY, "out", **WINDOWS, lateness=LATENESS, registry=registry
        )
