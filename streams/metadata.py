"""The columns that a stream adds to a changed row, with Snowflake's names and meaning.

Source: https://docs.snowflake.com/en/user-guide/streams-intro (stream columns)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..udfs.duckdb.macros import literal, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

ACTION, IS_UPDATE, ROW_ID = "METADATA$ACTION", "METADATA$ISUPDATE", "METADATA$ROW_ID"
HASHES = ("METADATA$HASH_1", "METADATA$HASH_2")
"""Both halves of a row's fingerprint, in the copy of a table that a stream keeps."""
METADATA = (ACTION, IS_UPDATE, ROW_ID, *HASHES)
INSERT, DELETE = "INSERT", "DELETE"
REFUSAL = "foresql stream: "
"""How an error that a statement of ours raises begins."""


def changed_row(
    alias: str, names: Sequence[str], key: Sequence[str], action: str, is_update: str
) -> str:
    """Write the columns of a changed row."""
    columns = [f"{alias}.{quote(name)}" for name in names]
    columns += [
        f"{literal(action)} AS {quote(ACTION)}",
        f"{is_update} AS {quote(IS_UPDATE)}",
        f"{row_id(alias, key)} AS {quote(ROW_ID)}",
    ]
    return ", ".join(columns)


def row_id(alias: str, key: Sequence[str]) -> str:
    """Write the id of a row: of its key, so that it stays while the row changes."""
    texts = ", ".join(f"CAST({alias}.{quote(name)} AS VARCHAR)" for name in key)
    return f"md5(CAST(to_json([{texts}]) AS VARCHAR))"


def refuse(message: str) -> str:
    """Write an expression that ends the query with a message."""
    return f"error({literal(REFUSAL + message)})"
