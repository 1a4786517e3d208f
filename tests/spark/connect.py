"""The scoring query over Spark Connect: ``connect.py FOLDER REGISTRY``, with readings in ``in``.

A table, windows, and a stream into files; what came is in ``NAME.parquet``.
"""

import sys
import warnings
from pathlib import Path

import pyarrow.parquet as pq
import spark_session
from spark_readings import ROW_QUERY, SCHEMA, WINDOW_QUERY, WINDOWS

import foresql

warnings.simplefilter("ignore")
folder, registry = Path(sys.argv[1]), Path(sys.argv[2])
session = spark_session.spark_session(remote="local[1]")
session.read.parquet(str(folder / "in")).createOrReplaceTempView("readings")
found = {
    "rows": foresql.spark.run_query(session, ROW_QUERY, registry=registry),
    "windows": foresql.spark.run_query(session, WINDOW_QUERY, **WINDOWS, registry=registry),
}
for name, frame in found.items():
    pq.write_table(frame.toArrow(), folder / f"{name}.parquet")
stream = session.readStream.schema(SCHEMA).option("maxFilesPerTrigger", 1)
stream.parquet(str(folder / "in")).createOrReplaceTempView("readings")
scored = foresql.spark.run_query(session, ROW_QUERY, registry=registry)
writer = scored.writeStream.option("checkpointLocation", str(folder / "checkpoint"))
writer = writer.format("parquet").option("path", str(folder / "files"))
writer.trigger(availableNow=True).start().awaitTermination()
pq.write_table(session.read.parquet(str(folder / "files")).toArrow(), folder / "files.parquet")
session.stop()
