"""Score over Spark Connect, on executors of their own: ``cluster.py REGISTRY FRAME ANSWERS``."""

import json
import sys
import warnings
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import spark_session

import foresql

warnings.simplefilter("ignore")
registry, frame, written = sys.argv[1:]
session = spark_session.spark_session(remote="local-cluster[2,1,1024]")
made = foresql.spark.register(session, "delay@champion", registry=registry)
rows = session.createDataFrame(pq.read_table(frame)).repartition(4)
rows.createOrReplaceTempView("flights")
query = "SELECT id, predict_proba_delay(struct(*)) AS p FROM flights"
answers = {"sql": session.sql(query)}
for route in ("function", "sql"):
    scored = foresql.spark.score(rows, "delay@champion", route=route, registry=registry)
    answers[f"score by {route}"] = scored.select("id", scored["probability"].alias("p"))
text = "SELECT id, predict_proba_delay(f) AS p FROM flights AS f"
answers["run_query"] = foresql.spark.run_query(session, text, registry=registry)
stream = session.readStream.schema(rows.schema).parquet(str(Path(frame).parent / "arriving"))
stream.createOrReplaceTempView("flights")
scored = foresql.spark.run_query(session, text, registry=registry)
folder = Path(written).parent
writer = scored.writeStream.format("parquet").trigger(availableNow=True)
writer = writer.option("checkpointLocation", str(folder / "checkpoint"))
writer.start(str(folder / "streamed")).awaitTermination()
answers["stream"] = session.read.parquet(str(folder / "streamed"))
into_duckdb = foresql.spark.duckdb_batches(folder / "scores.duckdb", "scores", stream="flights")
writer = scored.writeStream.foreachBatch(into_duckdb).trigger(availableNow=True)
writer.option("checkpointLocation", str(folder / "other")).start().awaitTermination()
found = {name: each.toArrow().sort_by("id")["p"].to_pylist() for name, each in answers.items()}
with duckdb.connect(folder / "scores.duckdb") as con:
    found["foreachBatch"] = [p for (p,) in con.sql("SELECT p FROM scores ORDER BY id").fetchall()]
Path(written).write_text(json.dumps(found))
session.stop()
