"""Keeps predictions in an account on disk, and kills itself in the middle of a transaction."""

import os
import signal
import sys
from pathlib import Path

from snowflake_streams import block_of
from snowflake_task import Predictions, make_source, open_account

from foresql.deploy.snowflake.incremental import plan_backfill, plan_incremental


def main(registry, database, work):
    with open_account(database, registry) as account:
        predictions = Predictions(account, registry, {})
        if work == "merge":
            merge(predictions, Path(database) / "task.sql")
        else:
            backfill(predictions)


def merge(predictions, kept):
    make_source(predictions)
    predictions.insert(*((key, 50.0 + key, "UA") for key in range(4)))
    predictions.run_plan(plan_incremental(predictions.upkeep(1)))
    kept.write_text(predictions.task)
    predictions.insert((9, 70.0, "DL"))
    predictions.change('"DISTANCE" = 61 WHERE "FLIGHT_ID" = 2')
    die_before(predictions.steps(), "COMMIT", 1)


def backfill(predictions):
    [_, step] = plan_backfill(predictions.upkeep(2), rows=2).steps
    die_before(predictions.steps(block_of(step.sql)), "COMMIT", 2)


def die_before(steps, statement, times):
    for sql in steps:
        times -= sql == statement
        if times == 0:
            os.kill(os.getpid(), signal.SIGKILL)


main(*sys.argv[1:])
