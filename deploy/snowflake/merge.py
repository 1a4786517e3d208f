"""The MERGE that brings changed rows into the predictions, and the transaction around it.

Each row of its source is one key, with the newest of its row, or the fact that there is none. A
key whose row is gone, or no longer meets the query's condition, leaves the predictions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...scoring import merging
from ...scoring.merging import indented, write_merge
from ...udfs.snowflake.names import dollar_quoted, literal, quote
from .upkeep import FEATURES_HASH, RUN_ID, STAMPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .upkeep import Upkeep

_KEY, _IS_SCORED = "FORESQL_KEY_{}", "FORESQL_SCORED"
CHANGES, SCORED, TARGET = (quote(name) for name in ("C", "S", merging.TARGET))
ACTION, IS_SCORED = quote("FORESQL_ACTION"), quote(_IS_SCORED)
_METADATA = quote("METADATA$ACTION")
THERE, GONE = "'INSERT'", "'DELETE'"
"""What a stream says of a row that is there now, and of one that was."""


def merge_changes(upkeep: Upkeep) -> str:
    """Write the MERGE of what the stream has."""
    read = _latest_rows if upkeep.latest_by else _stream_rows
    return merge(upkeep, read(upkeep))


def merge(upkeep: Upkeep, changes: str) -> str:
    """Write a MERGE of changed rows: a query that gives each key once, with an action."""
    outputs = [output.name for output in upkeep.query.outputs]
    return write_merge(
        upkeep.target_table,
        _source(upkeep, changes),
        keys=[(key, _KEY.format(index + 1)) for index, key in enumerate(upkeep.keys)],
        stored=[*outputs, *STAMPS],
        scored=_IS_SCORED,
        quote=quote,
    )


def _source(upkeep: Upkeep, changes: str) -> str:
    """Write one row a key: the answers, or NULLs where the key leaves the predictions."""
    keys = range(len(upkeep.keys))
    names = [output.name for output in upkeep.query.outputs]
    columns = [f"{CHANGES}.{key_name(index)}" for index in keys]
    columns += [f"{SCORED}.{quote(name)}" for name in (*names, FEATURES_HASH)]
    columns += [f"{SCORED}.{IS_SCORED}", *upkeep.stamps()]
    matches = " AND ".join(
        f"{CHANGES}.{key_name(index)} IS NOT DISTINCT FROM {SCORED}.{key_name(index)}"
        for index in keys
    )
    return "\n".join(
        (
            "WITH",
            f"{CHANGES} AS (",
            indented(changes),
            "),",
            f"{SCORED} AS (",
            indented(scored_rows(upkeep, CHANGES)),
            ")",
            "SELECT",
            "  " + ",\n  ".join(columns),
            f"FROM {CHANGES}",
            f"LEFT JOIN {SCORED} ON {matches}",
        )
    )


def scored_rows(upkeep: Upkeep, rows: str) -> str:
    """Write the scoring query over rows that have an action."""
    query, alias = upkeep.query, quote(upkeep.query.alias)
    columns = [f"{alias}.{key_name(index)}" for index in range(len(upkeep.keys))]
    columns += [f"{output.sql} AS {quote(output.name)}" for output in query.outputs]
    columns += [f"{upkeep.features_hash()} AS {quote(FEATURES_HASH)}", f"TRUE AS {IS_SCORED}"]
    condition = f"{alias}.{ACTION} = {THERE}"
    if query.where is not None:
        condition += f"\n  AND ({query.where})"
    return "\n".join(
        (
            "SELECT",
            "  " + ",\n  ".join(columns),
            f"FROM {rows} AS {alias}",
            f"WHERE {condition}",
        )
    )


def _stream_rows(upkeep: Upkeep) -> str:
    """Read the stream once, and give each key once.

    An update is a DELETE and an INSERT, and so is a row that was deleted and came again: the INSERT
    counts. A key that only has a DELETE is gone.
    """
    columns = ", ".join(map(quote, upkeep.columns))
    keys = ", ".join(map(quote, upkeep.key_columns))
    return "\n".join(
        (
            f"SELECT {columns}, {_as_keys(upkeep)}, {_METADATA} AS {ACTION}",
            f"FROM {upkeep.beside('CHANGES')}",
            f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {keys} ORDER BY {_METADATA} DESC) = "
            + one_or_refusal(
                upkeep, f"COUNT_IF({_METADATA} = {THERE}) OVER (PARTITION BY {keys}) > 1"
            ),
        )
    )


def _latest_rows(upkeep: Upkeep) -> str:
    """Read the stream once for its keys, and the table for the newest row of each."""
    keys = ", ".join(map(quote, upkeep.key_columns))
    changed, rows = quote("K"), quote("N")
    matches = " AND ".join(
        f"{rows}.{key_name(index)} IS NOT DISTINCT FROM {changed}.{quote(name)}"
        for index, name in enumerate(upkeep.key_columns)
    )
    columns = [f"{rows}.{quote(name)}" for name in upkeep.columns]
    columns += [
        f"{changed}.{quote(name)} AS {key_name(index)}"
        for index, name in enumerate(upkeep.key_columns)
    ]
    return "\n".join(
        (
            f"SELECT {', '.join(columns)}, COALESCE({rows}.{ACTION}, {GONE}) AS {ACTION}",
            f"FROM (SELECT DISTINCT {keys} FROM {upkeep.beside('CHANGES')}) AS {changed}",
            "LEFT JOIN (",
            indented(current_rows(upkeep)),
            f") AS {rows} ON {matches}",
        )
    )


def current_rows(upkeep: Upkeep) -> str:
    """Give the rows of the table, each key once, as rows of a stream that are there."""
    columns = ", ".join(map(quote, upkeep.columns))
    keys = ", ".join(map(quote, upkeep.key_columns))
    if upkeep.latest_by is None:
        order, several = keys, f"COUNT(*) OVER (PARTITION BY {keys}) > 1"
    else:
        order = f"{quote(upkeep.latest_by)} DESC NULLS LAST"
        tied = f"COUNT(*) OVER (PARTITION BY {keys}, {quote(upkeep.latest_by)}) > 1"
        several = f"RANK() OVER (PARTITION BY {keys} ORDER BY {order}) = 1 AND {tied}"
    return "\n".join(
        (
            f"SELECT {columns}, {_as_keys(upkeep)}, {THERE} AS {ACTION}",
            f"FROM {upkeep.source_table}",
            f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {keys} ORDER BY {order}) = "
            + one_or_refusal(upkeep, several),
        )
    )


def one_or_refusal(upkeep: Upkeep, several: str) -> str:
    """Write 1, or an error that quotes the key where several rows have it.

    A text that is no number ends a query in Snowflake, and the error quotes it.
    """
    key = " || ', ' || ".join(
        f"COALESCE(CAST({quote(name)} AS VARCHAR), 'NULL')" for name in upkeep.key_columns
    )
    if upkeep.latest_by is None:
        message = "several rows of the table have one key; name --latest-by, or remove all but one"
    else:
        message = f"several rows of one key are the newest by {upkeep.latest_by}"
    text = literal(f"{message}: ")
    return f"CASE WHEN {several} THEN TO_NUMBER({text} || {key}) ELSE 1 END"


def _as_keys(upkeep: Upkeep) -> str:
    return ", ".join(
        f"{quote(name)} AS {key_name(index)}" for index, name in enumerate(upkeep.key_columns)
    )


def key_name(index: int) -> str:
    """Name a key in what is merged."""
    return quote(_KEY.format(index + 1))


def open_run(upkeep: Upkeep) -> str:
    """Begin a run: its id and time, and the lock that no other run has meanwhile.

    Every writer of the predictions updates this one row first. The lock is held until COMMIT, so
    what follows sees all that an earlier writer did, and reads the table after it.
    """
    return (
        f"UPDATE {upkeep.beside('RUN')} SET {quote(RUN_ID)} = UUID_STRING(), "
        f"{quote('STARTED_AT')} = CURRENT_TIMESTAMP()"
    )


def in_transaction(statements: Sequence[str]) -> str:
    """Write statements as lines of one transaction within a block."""
    return ";\n".join(("BEGIN TRANSACTION", *statements, "COMMIT")) + ";"


def block(body: str, *, declare: str = "") -> str:
    """Write a block of Snowflake Scripting that rolls back what fails, and says so."""
    declared = f"DECLARE\n{indented(declare)}\n" if declare else ""
    return "EXECUTE IMMEDIATE " + dollar_quoted(
        f"{declared}BEGIN\n{indented(body)}\nEXCEPTION\n  WHEN OTHER THEN\n    ROLLBACK;\n"
        "    RAISE;\nEND"
    )


def task_body(upkeep: Upkeep) -> str:
    """Write what each run of the task does."""
    return block(in_transaction((open_run(upkeep), merge_changes(upkeep))))
