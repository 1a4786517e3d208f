# ruff: noqa: T201 - the test reads what it prints
"""A reader of Postgres, by single statements and by transactions, until a file says stop.

Arguments: the address, and the file. Prints how often it read which version.
"""

import collections
import json
import sys
import time
from pathlib import Path

import psycopg

address, stop = sys.argv[1], Path(sys.argv[2])
ONE_STATEMENT = """
SELECT count(*), count(*) FILTER (WHERE late IS NOT DISTINCT FROM predict_delay(f)),
    min(abs(predict_proba_delay(f) - probability)) < 1e-15,
    min('delay:' || p.model_version), max('delay:' || p.model_version),
    min('delay:' || version_delay()), max(q.model_versions),
    (SELECT max('delay:' || model_version) FROM foresql.functions)
FROM flight_features AS f JOIN delay_predictions AS p USING (flight_id)
JOIN foresql.publications AS q ON q.table_name = 'delay_predictions'
WHERE flight_id % 5 = 0
"""
STATEMENTS = (
    "SELECT DISTINCT 'delay:' || model_version FROM delay_predictions",
    "SELECT model_versions FROM foresql.publications WHERE table_name = 'delay_predictions'",
    "SELECT 'delay:' || model_version FROM foresql.functions",
    "SELECT 'delay:' || version_delay()",
)
seen: collections.Counter[str] = collections.Counter()
with psycopg.connect(address, autocommit=True) as connection:
    # Planned anew each time at first, and then by a plan that the server keeps.
    connection.prepare_threshold = 10
    while not stop.exists():
        rows, agreeing, is_near, *versions = connection.execute(ONE_STATEMENT).fetchall()[0]
        if len(set(versions)) != 1 or rows != agreeing or rows != 60 or not is_near:
            sys.exit(f"mixed in a statement: {versions}, {agreeing} of {rows} rows")
        seen[versions[0]] += 1
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            found = [connection.execute(query).fetchall() for query in STATEMENTS]
            rows, agreeing, *_ = connection.execute(ONE_STATEMENT).fetchall()[0]
        if len({str(each) for each in found}) != 1 or rows != agreeing or rows != 60:
            sys.exit(f"mixed in a transaction: {found}, {agreeing} of {rows} rows")
        seen[found[0][0][0]] += 1
        if seen.total() == 2:
            print("reading", flush=True)
        time.sleep(0.02)
print(json.dumps(seen))
