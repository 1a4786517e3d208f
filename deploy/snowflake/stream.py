"""The stream of changes, the task that it triggers, and the tables that they write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...udfs.snowflake.names import dollar_quoted, literal, quote
from .merge import task_body
from .upkeep import (
    FEATURES_HASH,
    MODEL_NAME,
    MODEL_VERSION,
    RUN_ID,
    SCORED_AT,
    SCORING_HASH,
    qualified,
)

if TYPE_CHECKING:
    from .upkeep import Upkeep

FAILURES = 3
"""After so many failures in a row a task suspends itself."""


def create_stream(upkeep: Upkeep) -> str:
    """Write the stream. It is never replaced: that would skip the changes it still has."""
    kind = "VIEW" if upkeep.view else "TABLE"
    return (
        f"CREATE STREAM IF NOT EXISTS {upkeep.beside('CHANGES')} ON {kind} {upkeep.source_table}\n"
        f"  APPEND_ONLY = {'TRUE' if upkeep.append_only else 'FALSE'}\n"
        f"  COMMENT = {literal('Read by the task of the predictions alone. Never replace it.')}"
    )


def create_target(upkeep: Upkeep) -> str:
    """Write the table of predictions, empty. The query gives its columns their types."""
    query = upkeep.query
    columns = [f"{output.sql} AS {quote(output.name)}" for output in query.outputs]
    columns += [
        f"CAST(NULL AS {type_}) AS {quote(name)}"
        for name, type_ in (
            (MODEL_NAME, "VARCHAR"),
            (MODEL_VERSION, "VARCHAR"),
            (SCORING_HASH, "VARCHAR"),
            (FEATURES_HASH, "VARCHAR"),
            (SCORED_AT, "TIMESTAMP_LTZ"),
            (RUN_ID, "VARCHAR"),
        )
    ]
    return "\n".join(
        (
            f"CREATE TABLE IF NOT EXISTS {upkeep.target_table} AS",
            "SELECT",
            "  " + ",\n  ".join(columns),
            f"FROM {upkeep.source_table} AS {quote(query.alias)}",
            "WHERE FALSE",
        )
    )


def create_run(upkeep: Upkeep) -> str:
    """Write the table of one row that each writer updates first."""
    return (
        f"CREATE TABLE IF NOT EXISTS {upkeep.beside('RUN')} "
        f"({quote(RUN_ID)} VARCHAR, {quote('STARTED_AT')} TIMESTAMP_LTZ)"
    )


def fill_run(upkeep: Upkeep) -> str:
    """Give it its row."""
    run = upkeep.beside("RUN")
    return (
        f"INSERT INTO {run} ({quote(RUN_ID)}, {quote('STARTED_AT')})\n"
        f"SELECT NULL, NULL WHERE NOT EXISTS (SELECT 1 FROM {run})"
    )


def create_task(upkeep: Upkeep) -> str:
    """Write the task. It is created suspended, and runs where the stream has something."""
    if upkeep.warehouse is None:
        compute = f"TARGET_COMPLETION_INTERVAL = {literal(upkeep.lag)}"
    else:
        compute = f"WAREHOUSE = {quote(upkeep.warehouse)}"
    return (
        f"CREATE TASK IF NOT EXISTS {upkeep.beside('TASK')}\n"
        f"  {compute}\n"
        f"  SUSPEND_TASK_AFTER_NUM_FAILURES = {FAILURES}\n"
        f"  WHEN SYSTEM$STREAM_HAS_DATA({stream_literal(upkeep)})\n"
        f"AS\n{task_body(upkeep)}"
    )


def modify_task(upkeep: Upkeep) -> str:
    """Give the task another body; its history, grants and stream stay."""
    return f"ALTER TASK {upkeep.beside('TASK')} MODIFY AS\n{task_body(upkeep)}"


def stream_literal(upkeep: Upkeep) -> str:
    """Write the stream's name as system functions take it."""
    return literal(qualified((*upkeep.target[:2], upkeep.named("CHANGES"))))


def suspend(upkeep: Upkeep) -> str:
    """Write that no further run starts; one that runs goes on."""
    return f"ALTER TASK {upkeep.beside('TASK')} SUSPEND"


def resume(upkeep: Upkeep) -> str:
    """Write that runs start again."""
    return f"ALTER TASK {upkeep.beside('TASK')} RESUME"


def task_history(upkeep: Upkeep) -> str:
    """Write the runs of the task, as FROM takes them."""
    database, schema = upkeep.target[:2]
    return (
        f"TABLE({quote(database)}.INFORMATION_SCHEMA.TASK_HISTORY("
        f"TASK_NAME => {literal(upkeep.named('TASK'))}, RESULT_LIMIT => 10000))\n"
        f"WHERE DATABASE_NAME = {literal(database)} AND SCHEMA_NAME = {literal(schema)}"
    )


def wait_for_run(upkeep: Upkeep) -> str:
    """Write a block that ends once no run is under way, and fails after ten minutes."""
    history = task_history(upkeep).replace("\n", "\n      ")
    return "EXECUTE IMMEDIATE " + dollar_quoted(
        "DECLARE\n"
        "  running INTEGER;\n"
        "  never_ends EXCEPTION (-20001, 'A run of the task is still under way after ten minutes. "
        "Wait for it or cancel it, and run this again.');\n"
        "BEGIN\n"
        "  FOR i IN 1 TO 120 DO\n"
        "    SELECT COUNT(*) INTO :running\n"
        f"      FROM {history}\n"
        "      AND STATE = 'EXECUTING';\n"
        "    IF (running = 0) THEN\n"
        "      RETURN 'no run is under way';\n"
        "    END IF;\n"
        "    CALL SYSTEM$WAIT(5);\n"
        "  END FOR;\n"
        "  RAISE never_ends;\n"
        "END"
    )
