"""The MERGE that rescores what a stream does not give: rows of earlier versions, and missing ones.

It goes in slices, each a transaction. What is done is seen in the table itself, so a backfill that
was ended goes on where it was. It may run beside the task: both update the run's one row first, so
each reads the table when the other is done, and what changes after that is still in the stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...scoring.merging import indented
from ...udfs.snowflake.names import literal, quote
from .merge import (
    ACTION,
    IS_SCORED,
    TARGET,
    block,
    current_rows,
    in_transaction,
    key_name,
    merge,
    open_run,
)
from .upkeep import FEATURES_HASH, SCORING_HASH

if TYPE_CHECKING:
    from .upkeep import Upkeep

SLICE = 1_000_000


def merge_slice(upkeep: Upkeep, rows: int = SLICE, *, reconcile: bool = False) -> str:
    """Write the MERGE of one slice: rows that are missing or stale, and belong or did so.

    ``reconcile`` takes rows too whose columns are not those that were scored: after a stream was
    lost, when what changed meanwhile is unknown.
    """
    alias, stamp = quote(upkeep.query.alias), f"{TARGET}.{quote(SCORING_HASH)}"
    columns = [f"{alias}.{quote(name)}" for name in upkeep.columns]
    columns += [f"{alias}.{key_name(index)}" for index in range(len(upkeep.keys))]
    wanted = f"{stamp} IS DISTINCT FROM {literal(upkeep.scoring_hash)}"
    if reconcile:
        features = f"{TARGET}.{quote(FEATURES_HASH)}"
        wanted = f"({wanted} OR {features} IS DISTINCT FROM {upkeep.features_hash()})"
    if upkeep.query.where is not None:
        wanted += f"\n  AND ({stamp} IS NOT NULL OR ({upkeep.query.where}))"
    return merge(
        upkeep,
        "\n".join(
            (
                f"SELECT {', '.join(columns)}, {alias}.{ACTION}",
                "FROM (",
                indented(current_rows(upkeep)),
                f") AS {alias}",
                f"LEFT JOIN {upkeep.target_table} AS {TARGET} ON {_same_key(upkeep, alias)}",
                f"WHERE {wanted}",
                # In an order, so that the slice is the same wherever the statement reads it.
                f"ORDER BY {', '.join(f'{alias}.{key_name(i)}' for i in range(len(upkeep.keys)))}",
                f"LIMIT {rows}",
            )
        ),
    )


def delete_gone(upkeep: Upkeep) -> str:
    """Write the MERGE that deletes predictions whose row is gone."""
    alias, there = quote(upkeep.query.alias), quote("FORESQL_THERE")
    keys = [f"{TARGET}.{quote(key)} AS {key_name(index)}" for index, key in enumerate(upkeep.keys)]
    columns = [f"{quote(name)} AS {key_name(i)}" for i, name in enumerate(upkeep.key_columns)]
    rows = f"SELECT {', '.join(columns)}, TRUE AS {there} FROM {upkeep.source_table}"
    gone = quote("G")
    return "\n".join(
        (
            f"MERGE INTO {upkeep.target_table} AS {TARGET}",
            "USING (",
            f"  SELECT {', '.join(keys)}, TRUE AS {IS_SCORED}",
            f"  FROM {upkeep.target_table} AS {TARGET}",
            f"  LEFT JOIN ({rows}) AS {alias}",
            f"  ON {_same_key(upkeep, alias)}",
            f"  WHERE {alias}.{there} IS NULL",
            f") AS {gone}",
            f"ON {_same_key(upkeep, gone)}",
            f"WHEN MATCHED AND {gone}.{IS_SCORED} THEN DELETE",
        )
    )


def _same_key(upkeep: Upkeep, alias: str) -> str:
    return " AND ".join(
        f"{TARGET}.{quote(key)} IS NOT DISTINCT FROM {alias}.{key_name(index)}"
        for index, key in enumerate(upkeep.keys)
    )


def backfill(upkeep: Upkeep, rows: int = SLICE, *, reconcile: bool = False) -> str:
    """Write the whole backfill: slices until one has nothing to do, then what is gone."""
    slices = in_transaction(
        (
            open_run(upkeep),
            merge_slice(upkeep, rows, reconcile=reconcile),
            "touched := SQLROWCOUNT",
        )
    )
    body = "\n".join(
        (
            "REPEAT",
            indented(slices),
            "UNTIL (touched = 0)",
            "END REPEAT;",
            in_transaction((open_run(upkeep), delete_gone(upkeep))),
        )
    )
    return block(body, declare="touched INTEGER DEFAULT 1;")
