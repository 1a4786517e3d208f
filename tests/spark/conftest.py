"""A Spark session, readings of sensors as its view, and a registry with models of them."""

from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest
import spark_readings
import spark_session


@pytest.fixture(scope="session")
def session():
    try:
        return spark_session.spark_session()
    except spark_session.MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spark") / "registry"
    spark_readings.publish_models(folder)
    return folder


@pytest.fixture(scope="session")
def readings():
    return spark_readings.make_readings()


@pytest.fixture
def spark(session, readings, tmp_path):
    """The session, with the readings in two files as a view."""
    folder = tmp_path / "readings"
    spark_readings.write_parts(readings, folder, 2)
    session.read.parquet(str(folder)).createOrReplaceTempView("readings")
    return session


@pytest.fixture
def stream(spark):
    """Make a stream of files that come one after the other, and run what writes it to its end."""
    return Streams(spark)


class Streams(NamedTuple):
    session: Any

    def of(self, folder):
        reader = self.session.readStream.schema(spark_readings.SCHEMA)
        return reader.option("maxFilesPerTrigger", 1).parquet(str(folder))

    def run(self, frame, write, checkpoint):
        writer = frame.writeStream.foreachBatch(write).trigger(availableNow=True)
        writer.option("checkpointLocation", str(checkpoint)).start().awaitTermination()


@pytest.fixture
def late_readings(readings, tmp_path):
    """Readings in files, with one that comes when its time is long over, and one without time."""
    folder = tmp_path / "arriving"
    spark_readings.write_parts(readings, folder, 2)
    rows = [
        {"id": 100_000, "sensor": "a", "seen": min(readings["seen"].to_pylist()), "value": 1.0},
        {"id": 100_001, "sensor": "a", "seen": None, "value": 1.0},
    ]
    table = type(readings).from_pylist(rows, readings.schema)
    pq.write_table(table, folder / "late.parquet")
    return folder
