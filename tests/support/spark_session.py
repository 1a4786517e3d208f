"""Spark in a JVM of its own, at its default settings but for what saves time."""

import logging
import shutil
import tempfile
import warnings

SETTINGS = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    # Short queries gain nothing by the second compiler of the JVM.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.driver.memory": "1g",
    "spark.log.level": "OFF",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


class MissingError(Exception):
    """Spark cannot run here; the message says what it lacks."""


def spark_session(master="local[1]", remote=None, **settings):
    """Start Spark, or give the session of this process."""
    if not shutil.which("java"):
        raise MissingError("Spark needs Java: apt-get install openjdk-17-jre-headless")
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pyspark warns of the pandas that is here
        from pyspark.sql import SparkSession

        folder = tempfile.mkdtemp(prefix="foresql_spark_")
        given = SETTINGS | {"spark.sql.warehouse.dir": folder} | settings
        builder = SparkSession.builder.config(map=given)
        builder = builder.remote(remote) if remote else builder.master(master)
        return builder.getOrCreate()
