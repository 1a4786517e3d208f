"""Views that an operator looks at: runs, failures, lag, versions, stale rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...scoring.merging import indented
from ...udfs.snowflake.names import literal, quote
from .merge import TARGET, current_rows, key_name
from .stream import stream_literal, task_history
from .upkeep import FEATURES_HASH, MODEL_NAME, MODEL_VERSION, SCORED_AT, SCORING_HASH

if TYPE_CHECKING:
    from .upkeep import Upkeep


def task_views(upkeep: Upkeep) -> dict[str, str]:
    """Write the views over a task's runs, by the names of what they show."""
    runs = (
        "SELECT NAME, STATE, SCHEDULED_TIME, QUERY_START_TIME, COMPLETED_TIME,\n"
        "  DATEDIFF('second', SCHEDULED_TIME, COMPLETED_TIME) AS SECONDS,\n"
        "  ERROR_CODE, ERROR_MESSAGE, QUERY_ID\n"
        f"FROM {task_history(upkeep)}"
    )
    failed = "STATE IN ('FAILED', 'FAILED_AND_AUTO_SUSPENDED', 'CANCELLED')"
    stream = stream_literal(upkeep)
    lag = (
        f"SELECT MAX({quote(SCORED_AT)}) AS LAST_SCORED_AT,\n"
        f"  SYSTEM$STREAM_HAS_DATA({stream}) AS HAS_CHANGES,\n"
        "  TO_TIMESTAMP_LTZ(TO_NUMBER("
        f"SYSTEM$STREAM_GET_TABLE_TIMESTAMP({stream})), 9) AS UP_TO_DATE_AS_OF\n"
        f"FROM {upkeep.target_table}"
    )
    return {
        "RUNS": runs,
        "FAILURES": f"SELECT * FROM (\n{indented(runs)}\n)\nWHERE {failed}",
        "LAG": lag,
        "STALE": stale_rows(upkeep),
        "VERSIONS": versions(upkeep),
    }


def refresh_views(upkeep: Upkeep) -> dict[str, str]:
    """Write the views over a dynamic table's refreshes."""
    database = quote(upkeep.target[0])
    name = literal(upkeep.target_table)
    history = (
        "SELECT NAME, STATE, STATE_CODE, STATE_MESSAGE, REFRESH_ACTION, REFRESH_TRIGGER,\n"
        "  DATA_TIMESTAMP, REFRESH_START_TIME, REFRESH_END_TIME, QUERY_ID\n"
        f"FROM TABLE({database}.INFORMATION_SCHEMA.DYNAMIC_TABLE_REFRESH_HISTORY("
        f"NAME => {name}))"
    )
    problem = "STATE NOT IN ('SUCCEEDED', 'EXECUTING', 'SCHEDULED') OR REFRESH_ACTION = 'FULL'"
    return {
        "RUNS": history,
        "FAILURES": f"SELECT * FROM (\n{indented(history)}\n)\nWHERE {problem}",
        "VERSIONS": versions(upkeep, is_stamped=False),
    }


def create_view(upkeep: Upkeep, name: str, query: str) -> str:
    """Write one of the views; what was granted on it stays."""
    return f"CREATE OR REPLACE VIEW {upkeep.beside(name)} COPY GRANTS AS\n{query}"


def versions(upkeep: Upkeep, *, is_stamped: bool = True) -> str:
    """Write how many rows each version scored, and which of them is current."""
    columns = ", ".join(map(quote, (MODEL_NAME, MODEL_VERSION, SCORING_HASH)))
    times = (
        f",\n  MIN({quote(SCORED_AT)}) AS FIRST_SCORED_AT, MAX({quote(SCORED_AT)}) AS "
        "LAST_SCORED_AT"
    )
    return (
        f"SELECT {columns},\n"
        f"  {quote(SCORING_HASH)} = {literal(upkeep.scoring_hash)} AS IS_CURRENT, "
        f"COUNT(*) AS PREDICTIONS{times if is_stamped else ''}\n"
        f"FROM {upkeep.target_table}\n"
        f"GROUP BY {columns}"
    )


def stale_rows(upkeep: Upkeep) -> str:
    """Write the keys whose prediction is not that of their row by the current version, and why."""
    alias = quote(upkeep.query.alias)
    stamp, features = (f"{TARGET}.{quote(name)}" for name in (SCORING_HASH, FEATURES_HASH))
    current = literal(upkeep.scoring_hash)
    same = " AND ".join(
        f"{TARGET}.{quote(key)} IS NOT DISTINCT FROM {alias}.{key_name(index)}"
        for index, key in enumerate(upkeep.keys)
    )
    numbered = list(enumerate(upkeep.keys))
    missing = f"{stamp} IS NULL AND ({upkeep.query.where or 'TRUE'})"
    names = ", ".join(f"{alias}.{key_name(i)} AS {quote(key)}" for i, key in numbered)
    stored = ", ".join(f"{TARGET}.{quote(key)} AS {quote(key)}" for _, key in numbered)
    rows = f"(\n{indented(current_rows(upkeep))}\n) AS {alias}"
    target = f"{upkeep.target_table} AS {TARGET}"
    return (
        f"SELECT {names},\n"
        f"  CASE WHEN {stamp} IS NULL THEN 'missing' WHEN {stamp} <> {current} THEN 'version' "
        "ELSE 'features' END AS REASON\n"
        f"FROM {rows}\nLEFT JOIN {target} ON {same}\n"
        f"WHERE ({missing})\n  OR {stamp} <> {current}\n"
        f"  OR {features} <> {upkeep.features_hash()}\n"
        "UNION ALL\n"
        f"SELECT {stored}, 'gone' AS REASON\n"
        f"FROM {target}\nLEFT JOIN {rows} ON {same}\n"
        f"WHERE {alias}.{quote('FORESQL_ACTION')} IS NULL"
    )
