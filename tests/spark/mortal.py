"""Four streams in one driver, which is killed: ``mortal.py FOLDER REGISTRY MASTER POSTGRES``.

The folder has the readings in ``in``. They go row by row into Spark's own Parquet sink, into DuckDB
and into Postgres, and over windows into Parquet.
"""

import sys
import warnings
from pathlib import Path

import spark_session
from spark_readings import LATENESS, ROW_QUERY, SCHEMA, WINDOW_QUERY, WINDOWS

import foresql

warnings.simplefilter("ignore")
folder, registry, master = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
session = spark_session.spark_session(master)
reader = session.readStream.schema(SCHEMA).option("maxFilesPerTrigger", 1)
stream = reader.parquet(str(folder / "in"))
stream.createOrReplaceTempView("readings")
scored = foresql.spark.run_query(session, ROW_QUERY, registry=registry)
to_duckdb = foresql.spark.duckdb_batches(folder / "rows.duckdb", "predictions", stream="rows")
to_postgres = foresql.spark.postgres_batches(sys.argv[4], "predictions", stream="rows")
scored_batches = foresql.spark.query_batches(ROW_QUERY, to_postgres, registry=registry)
over_windows = foresql.spark.window_batches(
    WINDOW_QUERY, str(folder / "windows"), **WINDOWS, lateness=LATENESS, registry=registry
)
writers = {
    "files": scored.writeStream.format("parquet").option("path", str(folder / "files")),
    "duckdb": scored.writeStream.foreachBatch(to_duckdb),
    "postgres": stream.writeStream.foreachBatch(scored_batches),
    "windows": stream.writeStream.foreachBatch(over_windows),
}
queries = [
    writer.option("checkpointLocation", str(folder / "checkpoints" / name))
    .trigger(availableNow=True)
    .start()
    for name, writer in writers.items()
]
for query in queries:
    query.awaitTermination()
session.stop()
