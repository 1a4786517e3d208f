# ruff: noqa: T201 - the test reads what it prints
"""A reader of the copy: opens it again and again until a file says stop. An error ends it.

Arguments: the copy, and the file. Prints how often it read which version.
"""

import collections
import json
import sys
import time
from pathlib import Path

import duckdb

copy, stop = sys.argv[1], Path(sys.argv[2])
AGREE = """
SELECT count(*), count(*) FILTER (late IS NOT DISTINCT FROM predict_delay(f))
FROM flight_features AS f JOIN delay_predictions USING (flight_id)
"""
VERSIONS = (
    "SELECT DISTINCT 'delay:' || model_version FROM delay_predictions",
    "SELECT model_versions FROM foresql.publications WHERE table_name = 'delay_predictions'",
    "SELECT 'delay:' || model_version FROM foresql.functions",
    "SELECT 'delay:' || version_delay()",
)
seen: collections.Counter[str] = collections.Counter()
while not stop.exists():
    with duckdb.connect(copy, read_only=True) as connection:
        found = [connection.execute(query).fetchall() for query in VERSIONS]
        rows, agreeing = connection.execute(AGREE).fetchall()[0]
    if len({str(each) for each in found}) != 1 or rows != agreeing or rows != 300:
        sys.exit(f"mixed: {found}, {agreeing} of {rows} rows")
    seen[found[0][0][0]] += 1
    if seen.total() == 1:
        print("reading", flush=True)
    time.sleep(0.02)
print(json.dumps(seen))
