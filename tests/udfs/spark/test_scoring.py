"""Data frames of Spark, scored by functions and by SQL, in batches and in streams."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LinearRegression

import foresql
from foresql import SignatureError


@pytest.mark.parametrize("route", ["function", "sql"])
@pytest.mark.parametrize("model", ["delay@champion", "delay@challenger", "minutes:1"])
def test_both_routes_give_the_same_columns(rows, registry, route, model):
    made = foresql.spark.score(rows, model, route=route, registry=registry)
    kernel = foresql.score_batches(model, rows.toArrow(), registry=registry).read_all()
    found = made.toArrow().sort_by("id")
    assert found.column_names[:4] == rows.columns
    for name in found.column_names[4:]:
        ours, theirs = found[name].to_pylist(), kernel[name].to_pylist()
        if name == "prediction" or route == "function":
            assert ours == theirs
        elif isinstance(ours[0], dict):
            pairs = zip(ours, theirs, strict=True)
            assert all(a == pytest.approx(b, rel=1e-15) for a, b in pairs)
        else:
            assert ours == pytest.approx(theirs, rel=1e-15)


@pytest.mark.parametrize("route", ["function", "sql"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("id, carrier, distance", "Column 'Hour of day' is missing"),
        ("carrier AS distance, carrier, `Hour of day`", "is string, and the model was trained"),
        ("distance, 1 AS carrier, `Hour of day`", "'carrier' is int"),
        ("*, 1 AS Prediction", "already"),
    ],
)
def test_frames_that_do_not_fit(spark, registry, route, change, message):
    given = spark.sql(f"SELECT {change} FROM flights")
    with pytest.raises(SignatureError, match=message):
        foresql.spark.score(given, "delay@champion", route=route, registry=registry)


def test_a_route_that_is_none(rows, registry):
    with pytest.raises(SignatureError, match="function, sql"):
        foresql.spark.score(rows, "delay@champion", route="jvm", registry=registry)


def test_braces_in_columns_are_text(registry, rows):
    given = rows.withColumnRenamed("id", "{id} `x`")
    made = foresql.spark.score(given, "delay@champion", route="sql", registry=registry)
    assert made.columns == ["{id} `x`", *rows.columns[1:], "prediction", "probability"]
    assert made.count() == rows.count()


@pytest.mark.parametrize("route", ["function", "sql"])
def test_a_name_with_a_dot_is_no_field(session, tmp_path, route):
    rows = pd.DataFrame({"a.b": np.arange(60.0)})
    model = LinearRegression().fit(rows, rows["a.b"] * 2 + 1)
    foresql.publish("dotted", model, like=rows, registry=tmp_path / "r", probe_rows=200)
    given = session.sql("SELECT named_struct('b', 1000.0D) AS a, 3.0D AS `a.b`")
    made = foresql.spark.score(given, "dotted:1", route=route, registry=tmp_path / "r")
    assert made.collect()[0]["prediction"] == pytest.approx(7)


@pytest.mark.parametrize("route", ["function", "sql"])
def test_a_stream_scores_each_file_once(spark, rows, registry, tmp_path, route):
    """Files come while the stream is down; it goes on where it was."""
    whole = rows.toArrow()
    schema = rows.schema
    (tmp_path / "in").mkdir()
    for part in range(3):
        pq.write_table(whole.slice(part * 200, 200), tmp_path / "in" / f"{part}.parquet")
        given = spark.readStream.schema(schema).parquet(str(tmp_path / "in"))
        scored = foresql.spark.score(given, "delay@champion", route=route, registry=registry)
        query = (
            scored.writeStream.format("parquet")
            .option("checkpointLocation", str(tmp_path / "checkpoint"))
            .trigger(availableNow=True)
            .start(str(tmp_path / "out"))
        )
        query.awaitTermination()
    found = spark.read.parquet(str(tmp_path / "out")).toArrow().sort_by("id")
    assert found["id"].to_pylist() == whole["id"].to_pylist()
    kernel = foresql.score_batches("delay:1", whole, registry=registry).read_all()
    assert found["prediction"].to_pylist() == kernel["prediction"].to_pylist()
