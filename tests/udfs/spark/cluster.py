"""Score over Spark Connect, on executors of their own: ``cluster.py REGISTRY FRAME ANSWERS``."""

import json
import sys
import warnings
from pathlib import Path

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
found = {name: each.toArrow().sort_by("id")["p"].to_pylist() for name, each in answers.items()}
Path(written).write_text(json.dumps(found))
session.stop()
