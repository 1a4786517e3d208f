"""Readings of sensors, a model of features over windows, and the query that scores by it."""

import os
from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.linear_model import LinearRegression

import foresql

LATENESS = timedelta(minutes=10)
WINDOWS = {"key": ["sensor"], "time": "seen"}
ROW_QUERY = (
    "SELECT id, upper(r.sensor) AS sensor, id % 7 // 2 AS part, predict_level(r) AS level, "
    "version_level() AS version FROM readings AS r WHERE value > -2"
)
WINDOW_QUERY = """
    WITH features AS (
        SELECT id, sensor, seen,
            count(*) OVER w AS n,
            avg(value::DECIMAL(18, 6)) OVER w AS mean,
            max(value + 0.0) OVER w AS top
        FROM readings
        WINDOW w AS (
            PARTITION BY sensor ORDER BY seen
            RANGE BETWEEN INTERVAL 3 MINUTES PRECEDING AND CURRENT ROW
        )
    )
    SELECT id, n, mean, predict_wear(f) AS wear FROM features AS f WHERE n > 2
"""
SCHEMA = "id BIGINT, sensor STRING, seen TIMESTAMP_NTZ, value DOUBLE"


def make_readings(count=4000):
    """Rows in the order of arrival, which is that of time but for the lateness."""
    random = np.random.default_rng(3)
    second = random.integers(0, 3600, count)
    order = np.argsort(second + random.integers(0, LATENESS.seconds - 60, count))
    table = pa.table(
        {
            "id": np.arange(count),
            "sensor": pa.array(random.choice(["a", "b", "ß", None], count)),
            "seen": np.datetime64("2024-01-01", "us") + second.astype("timedelta64[s]"),
            "value": random.normal(size=count),
        }
    )
    return table.take(order)


def publish_models(registry):
    random = np.random.default_rng(5)
    frame = pd.DataFrame(random.normal(size=(60, 3)), columns=["n", "mean", "top"])
    model = LinearRegression().fit(frame, frame["n"] + frame["mean"])
    options = {"registry": registry, "probe_rows": 200, "alias": "champion"}
    foresql.publish("wear", model, like=frame, **options)
    values = pd.DataFrame({"value": random.normal(size=60)})
    line = LinearRegression().fit(values, values["value"] * 3 + 1)
    foresql.publish("level", line, like=values, **options)


def in_duckdb(query, readings, registry):
    """Give the answer to hold others against."""
    with foresql.connect(registry=registry) as con:
        con.register("readings", readings)
        return foresql.run_query(con, query, registry=registry).to_arrow_table().sort_by("id")


def passed(query, readings):
    """Leave out of a query the rows that the watermark has not passed when all rows are there."""
    watermark = max(readings["seen"].to_pylist()) - LATENESS
    within = f"SELECT id FROM readings WHERE seen < TIMESTAMP '{watermark}'"
    return f"SELECT * FROM ({query}) WHERE id IN ({within})"


def write_parts(readings, folder, parts):
    folder.mkdir()
    size = -(-len(readings) // parts)
    for part in range(parts):
        file = folder / f"{part:03}.parquet"
        pq.write_table(readings.slice(part * size, size), file)
        # Spark takes files by time, and those of one moment in any order.
        os.utime(file, (1e9 + part, 1e9 + part))
