# ruff: noqa: T201 - the test reads what it prints
"""Publishes two warehouses in turn, in a process that lives, or in ones that are killed.

Arguments: target, registry, the two warehouses, how many publishings, how many kills.
"""

import os
import random
import signal
import sys
import time

from foresql.publishing import SCHEMES, Request, publish_duckdb, publish_postgres

target, registry, *databases, times, kills = sys.argv[1:]
KEYS = {"flight_features": ["flight_id"]}


def publish(database):
    request = Request(registry=registry, wait=60)
    if target.startswith(SCHEMES):
        publish_postgres(database, target, request, keys=KEYS)
    else:
        publish_duckdb(database, target, request)


def publish_until_killed(after):
    child = os.fork()
    if child == 0:
        while True:
            for database in databases:
                publish(database)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


for number in range(int(kills)):
    publish_until_killed(random.Random(number).uniform(0.02, 0.9))  # noqa: S311
for number in range(int(times)):
    publish(databases[number % 2])
print("done")
