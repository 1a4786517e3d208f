"""Predictions as a dynamic table: Snowflake itself keeps them up to date, within a lag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import UnsupportedModelError
from ...udfs.snowflake.names import literal, quote
from .upkeep import FEATURES_HASH, MODEL_NAME, MODEL_VERSION, SCORING_HASH

if TYPE_CHECKING:
    from .upkeep import Upkeep


def create_dynamic_table(upkeep: Upkeep, *, replace: bool = False) -> str:
    """Write the dynamic table. Where it cannot refresh incrementally, Snowflake refuses it.

    Raises
    ------
    UnsupportedModelError
        If a refresh would have to compute all rows, or no warehouse is named.
    """
    _check(upkeep)
    query = upkeep.query
    columns = [f"{output.sql} AS {quote(output.name)}" for output in query.outputs]
    columns += [
        f"{literal(value)} AS {quote(name)}"
        for name, value in (
            (MODEL_NAME, upkeep.model_name),
            (MODEL_VERSION, upkeep.model_version),
            (SCORING_HASH, upkeep.scoring_hash),
        )
    ]
    columns.append(f"{upkeep.features_hash()} AS {quote(FEATURES_HASH)}")
    create = "CREATE OR REPLACE DYNAMIC TABLE" if replace else "CREATE DYNAMIC TABLE IF NOT EXISTS"
    lines = [
        f"{create} {upkeep.target_table}",
        f"  TARGET_LAG = {literal(upkeep.lag)}",
        f"  WAREHOUSE = {quote(upkeep.warehouse or '')}",
        "  REFRESH_MODE = INCREMENTAL",
        "  INITIALIZE = ON_CREATE",
        "AS",
        "SELECT",
        "  " + ",\n  ".join(columns),
        f"FROM {upkeep.source_table} AS {quote(query.alias)}",
    ]
    return "\n".join([*lines, *([f"WHERE {query.where}"] if query.where is not None else [])])


def _check(upkeep: Upkeep) -> None:
    if upkeep.query.calls_in_where:
        raise UnsupportedModelError(
            "a model in WHERE",
            "a dynamic table refreshes incrementally where functions are in its SELECT alone.",
            "keep the predictions by a task (--as task), or filter them in a view.",
        )
    if upkeep.latest_by is not None or upkeep.append_only:
        raise UnsupportedModelError(
            "--latest-by and --append-only",
            "a dynamic table has one row for each row of its table.",
            "leave them out, or keep the predictions by a task (--as task).",
        )
    if upkeep.warehouse is None:
        raise UnsupportedModelError(
            "the dynamic table", "no warehouse computes it.", "name one: --compute NAME."
        )
